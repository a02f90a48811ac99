import process from 'node:process'
import { serveFetch } from '../adapters/web-mounts.ts'
import { ADAPTERS } from './adapters.ts'
import { createHost } from './host.ts'

// On Bun and Deno: tells where the host listens as workerd does.
const { port } = await serveFetch(createHost(ADAPTERS))
process.stdout.write(`${JSON.stringify({ socket: 'host', port })}\n`)
