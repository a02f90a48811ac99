#!/usr/bin/env node
console.log('to be written')
