import process from 'node:process'
import { serveFetch } from '../adapters/web-mounts.ts'
import { ADAPTERS } from './adapters.ts'
import { createHost } from './host.ts'

// The host on Bun and Deno. It prints where it listens in the format of workerd.
const { port } = await serveFetch(createHost(ADAPTERS))
process.stdout.write(`${JSON.stringify({ socket: 'host', port })}\n`)
