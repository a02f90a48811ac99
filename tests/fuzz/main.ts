/**
 * Changes valid inputs at random, and passes them to everything that takes input from a stranger:
 *
 *     npm run fuzz -- --minutes 10 [--target handler] [--seed 1]
 *
 * It fails when something but an error of this package is thrown, a message that is not genuine is accepted, the handler responds with HTTP 500, an
 * input takes more than 20 ms of processor time three times in a row, or the memory grows. The input is saved in tests/fuzz/corpus, which
 * corpus.test.ts replays.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createRandom } from '../../src/testing/simulator/random.ts'
import { mutate } from './mutate.ts'
import { TARGETS, type Target } from './targets.ts'

const MAX_CPU_MS = 20
const MAX_HEAP_GROWTH_MB = 200

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    target: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const seed = Number(values.seed)
const durationMs = Number(values.minutes) * 60_000
const names = values.target.length > 0 ? values.target : Object.keys(TARGETS)
if (!Number.isInteger(seed) || !(durationMs > 0)) throw new Error('--minutes and --seed must be numbers')

let current: Uint8Array = new Uint8Array()
process.on('unhandledRejection', (error) => fail('unhandled rejection', error))
process.on('uncaughtException', (error) => fail('uncaught exception', error))

function fail(target: string, error: unknown): never {
  mkdirSync('tests/fuzz/corpus', { recursive: true })
  const file = `tests/fuzz/corpus/${target.replaceAll(' ', '-')}-${seed}.bin`
  writeFileSync(file, current)
  console.error(`${target}: broken by ${file}, seed ${seed}`)
  console.error(error)
  process.exit(1)
}

/** Processor time of one input, in milliseconds: the least of three, because a garbage collection belongs to no input. */
async function cpuOf(target: Target, input: Uint8Array): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let time = 0; time < 3 && least > MAX_CPU_MS; time++) {
    const before = process.cpuUsage()
    await target.run(input)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1_000)
  }
  return least
}

async function fuzz(name: string, target: Target, untilMs: number): Promise<string> {
  const random = createRandom(seed)
  const pool: Uint8Array[] = [...target.seeds]
  const outcomes = new Map<string, number>()
  let runs = 0
  let slowestMs = 0
  for (const input of target.seeds) await target.run(input)
  const heapBefore = process.memoryUsage().heapUsed
  while (performance.now() < untilMs) {
    const base = pool[Math.floor(random() * pool.length)] ?? new Uint8Array()
    current = mutate(base, pool, random)
    const startedAt = performance.now()
    try {
      const outcome = await target.run(current)
      if (!outcomes.has(outcome) && pool.length < 200) pool.push(current) // It led somewhere new: change it further.
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      if (performance.now() - startedAt > MAX_CPU_MS) {
        const cpuMs = await cpuOf(target, current)
        slowestMs = Math.max(slowestMs, cpuMs)
        if (cpuMs > MAX_CPU_MS) throw new Error(`${cpuMs.toFixed(1)} ms of processor time`)
      }
    } catch (error) {
      fail(name, error)
    }
    runs++
    // Timers and sockets must have their turn.
    if (runs % 500 === 0) await new Promise(setImmediate)
  }
  const grownMb = (process.memoryUsage().heapUsed - heapBefore) / 1e6
  if (grownMb > MAX_HEAP_GROWTH_MB) fail(name, new Error(`the heap has grown by ${grownMb.toFixed(0)} MB`))
  const shown = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${outcome} ${count}`)
  return `${name}: ${runs} inputs; ${shown.slice(0, 6).join(', ')}`
}

console.log(`seed ${seed}`)
for (const name of names) {
  const target = TARGETS[name]
  if (target === undefined) throw new Error(`--target is one of ${Object.keys(TARGETS).join(', ')}`)
  console.log(await fuzz(name, target, performance.now() + durationMs / names.length))
}
process.exit(0)
