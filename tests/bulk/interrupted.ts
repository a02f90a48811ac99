import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Order } from '../../src/public/index.ts'
import { root } from '../support/project.ts'

/** One run of `send`, until it ended or was interrupted. */
export interface Leg {
  readonly signal: NodeJS.Signals | undefined
  /** Null: killed. */
  readonly exitCode: number | null
  readonly seconds: number
  /** What it printed on standard output, unless it was killed. */
  readonly summary: Record<string, unknown> | undefined
  readonly stderr: string
  /** Resident memory in MiB, over time. Empty where /proc does not exist. */
  readonly memory: readonly number[]
}

/** What arrived at `serve`, over all runs. */
export interface InterruptedRun {
  readonly legs: readonly Leg[]
  /** How often each event was processed, by its tradeNo. */
  readonly processed: ReadonlyMap<string, number>
  /** The modify times of each order, in the order of arrival. */
  readonly arrivals: ReadonlyMap<string, readonly number[]>
  /** Deliveries that `serve` knew already, by their event. */
  readonly repeated: readonly Record<string, unknown>[]
}

interface RunOptions {
  readonly folder: string
  readonly orders: number
  /** Which signal is sent when how many events have been processed. */
  readonly interruptions: readonly { readonly after: number; readonly signal: NodeJS.Signals }[]
  readonly concurrency: number
  readonly onLeg?: (leg: Leg) => void
}

const CLI = join(root, 'dist/cli.js')
const CLIENT_ID = 'BULK-CLIENT'

/** Sends a file of orders to `serve`, and starts `send` again after each interruption. */
export async function runInterrupted({
  folder,
  orders,
  interruptions,
  concurrency,
  onLeg = () => {},
}: RunOptions): Promise<InterruptedRun> {
  writeKeys(folder)
  const file = join(folder, 'orders.jsonl')
  await writeOrders(file, orders)
  const arrived = createArrivals()
  const serve = await startServe(folder, arrived.add)
  const legs: Leg[] = []
  try {
    for (const interruption of [...interruptions, undefined]) {
      const leg = await runSend({ folder, file, url: serve.url, concurrency, interruption, arrived })
      legs.push(leg)
      onLeg(leg)
    }
  } finally {
    serve.child.kill()
    await serve.closed
  }
  return { legs, ...arrived }
}

function writeKeys(folder: string): void {
  for (const name of ['gateway', 'merchant']) {
    const pair = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    writeFileSync(join(folder, `${name}-private.pem`), pair.privateKey)
    writeFileSync(join(folder, `${name}-public.pem`), pair.publicKey)
  }
}

/** Every tenth line is a later event of the order before it. */
async function writeOrders(file: string, count: number): Promise<void> {
  const stream = createWriteStream(file)
  const time = Date.now() - 86_400_000
  for (let no = 0; no < count; no++) {
    const isLater = no % 10 === 9
    const order = {
      tradeNo: `T-${no}`,
      merchantBizNo: `B-${isLater ? no - 1 : no}`,
      orderStatus: isLater ? 'REFUNDED' : 'PAID',
      orderCreateTime: time,
      orderModifyTime: time + no,
      userId: `USER-${no}`,
      extInfo: { note: 'x'.repeat(200) },
    }
    if (!stream.write(`${JSON.stringify(order)}\n`)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'close')
}

function createArrivals() {
  const processed = new Map<string, number>()
  const arrivals = new Map<string, number[]>()
  const repeated: Record<string, unknown>[] = []
  const watchers = new Set<() => void>()
  return {
    processed,
    arrivals,
    repeated,
    add(event: Record<string, unknown>): void {
      if (event['event'] !== 'order') return void repeated.push(event)
      const { tradeNo, merchantBizNo, orderModifyTime } = event['order'] as Order
      processed.set(tradeNo, (processed.get(tradeNo) ?? 0) + 1)
      arrivals.set(merchantBizNo, [...(arrivals.get(merchantBizNo) ?? []), orderModifyTime])
      for (const watch of watchers) watch()
    },
    /** Calls back once, when so many events have been processed. */
    when(count: number, call: () => void): void {
      const watch = () => {
        if (processed.size < count) return
        watchers.delete(watch)
        call()
      }
      watchers.add(watch)
      watch()
    },
  }
}

type Arrivals = ReturnType<typeof createArrivals>

const identity = (folder: string, own: string, peer: string) => [
  ...['--client-id', CLIENT_ID],
  ...['--private-key', join(folder, `${own}-private.pem`), '--peer-public-key', join(folder, `${peer}-public.pem`)],
]

async function startServe(folder: string, onEvent: (event: Record<string, unknown>) => void) {
  const args = [CLI, 'serve', '--port', '0', '--store', 'memory', ...identity(folder, 'merchant', 'gateway')]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const url = await new Promise<string>((resolve, reject) => {
    closed.then(() => reject(new Error('serve has exited')), reject)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, found] = /^listening on (\S+)$/.exec(line) ?? []
      if (found === undefined) onEvent(JSON.parse(line))
      else resolve(found)
    })
  })
  return { url, child, closed }
}

interface SendOptions extends Pick<RunOptions, 'folder' | 'concurrency'> {
  readonly file: string
  readonly url: string
  readonly interruption: { readonly after: number; readonly signal: NodeJS.Signals } | undefined
  readonly arrived: Arrivals
}

async function runSend({ folder, file, url, concurrency, interruption, arrived }: SendOptions): Promise<Leg> {
  const args = ['send', '--jsonl', file, '--concurrency', String(concurrency), '--journal', join(folder, 'journal')]
  const startedAt = performance.now()
  const child = spawn(process.execPath, [CLI, ...args, '--url', url, ...identity(folder, 'gateway', 'merchant')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const memory: number[] = []
  const sampling = setInterval(() => memory.push(...residentMiB(child)), 250)
  if (interruption !== undefined) arrived.when(interruption.after, () => void child.kill(interruption.signal))
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  clearInterval(sampling)
  return {
    signal: interruption?.signal,
    exitCode,
    seconds: (performance.now() - startedAt) / 1_000,
    summary: stdout === '' ? undefined : JSON.parse(stdout),
    stderr,
    memory,
  }
}

/** None where /proc does not exist, or the process has ended. */
function residentMiB({ pid }: ChildProcess): number[] {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return []
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(path, 'utf8')) ?? []
    return kilobytes === undefined ? [] : [Number(kilobytes) / 1_024]
  } catch {
    return []
  }
}
