import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createOrderSyncServer } from '../../../src/adapters/node.ts'
import {
  createOrderSyncHandler,
  memoryStore,
  type Order,
  OrderRefusedError,
  type OrderSyncEvent,
} from '../../../src/public/index.ts'
import { CLI, cli, folderIn, temporaryFolder, writeTo } from '../../support/cli.ts'
import { until } from '../../support/deferred.ts'
import { gatewayRsa, merchantRsa } from '../../support/keys.ts'
import { CLIENT_ID } from '../../support/messages.ts'
import { gateway } from '../identity.ts'

const folder = temporaryFolder()
const TIME = Date.now() - 60_000

const order = (no: number | string, changes: object = {}) => ({
  tradeNo: `T-${no}`,
  merchantBizNo: `B-${no}`,
  orderStatus: 'PAID',
  orderCreateTime: TIME,
  orderModifyTime: TIME,
  userId: 'USER-1',
  extInfo: {},
  ...changes,
})

const linesOf = (values: readonly (object | string)[]) =>
  values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join('')

interface Peer {
  /** How it responds to an order. */
  respond: (order: Order) => Promise<void> | void
}

/** A peer, a folder, and `send --jsonl` with a file of orders in it. */
async function start(content: readonly (object | string)[], peer: Peer = { respond: () => {} }) {
  const own = folderIn(folder)
  const file = writeTo(own, 'orders.jsonl', linesOf(content))
  const journal = join(own, 'journal')
  const received: Order[] = []
  const events: OrderSyncEvent[] = []
  const server = createOrderSyncServer(
    createOrderSyncHandler({
      credentials: {
        clientId: CLIENT_ID,
        privateKeys: { 1: merchantRsa().privateKey },
        peerPublicKeys: { 1: gatewayRsa().publicKey },
      },
      store: memoryStore(),
      async onOrder(one) {
        received.push(one)
        await peer.respond(one)
        return { orderId: `A-${one.merchantBizNo}` }
      },
      onEvent: (event) => events.push(event),
    }),
  )
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const args = (path = file) => ['send', '--jsonl', '--url', url, ...gateway(), '--retries', '0', path]
  return {
    ...{ own, file, journal, received, events, peer, server },
    failures: `${journal}.failures.jsonl`,
    notes: () =>
      readFileSync(journal, 'utf8')
        .split('\n')
        .slice(1, -1)
        .map((line) => JSON.parse(line)),
    command: (...more: string[]) => [...args(), '--journal', journal, ...more],
    async send(...more: string[]) {
      const { code, stdout, stderr } = await cli([...args(), '--journal', journal, ...more])
      return { code, stderr, summary: stdout === '' ? undefined : JSON.parse(stdout) }
    },
    sendFile: (path: string, ...more: string[]) => cli([...args(path), ...more]),
  }
}

const idsOf = (orders: readonly Order[]) => orders.map(({ tradeNo }) => tradeNo).sort()

describe('send --jsonl', () => {
  test('sends each line, prints a summary as JSON, and a second run sends nothing', async () => {
    const { send, received, notes, failures, journal } = await start([order(1), order(2), order(3)])
    const first = await send()
    expect(first, first.stderr).toMatchObject({ code: 0, summary: { complete: true, sent: 3, succeeded: 3 } })
    expect(first.stderr).toMatch(/^Sent 3 orders in \d+ s \(\d+\/s\): 3 processed\.\n$/)
    expect(idsOf(received)).toEqual(['T-1', 'T-2', 'T-3'])
    expect(notes()).toHaveLength(3)
    const sent = received.find(({ tradeNo }) => tradeNo === 'T-2')
    expect(notes().find(({ line }) => line === 2)).toEqual({
      ...{ line: 2, outcome: 'succeeded', requestId: sent?.requestId, orderId: 'A-B-2', attempts: 1 },
      check: expect.stringMatching(/^[0-9a-f]{8}$/),
    })
    expect([statSync(journal).mode & 0o777, existsSync(failures)]).toEqual([0o600, false])
    const second = await send()
    expect(second).toMatchObject({ code: 0, summary: { complete: true, sent: 0, earlier: { succeeded: 3 } } })
    expect(received).toHaveLength(3)
  })

  test('continues after failures, names each, and writes them to a file that can be sent again', async () => {
    const peer: Peer = {
      respond({ merchantBizNo }) {
        if (merchantBizNo === 'B-refused') throw new OrderRefusedError('PROCESS_FAIL', 'out of stock')
        if (merchantBizNo === 'B-later') throw new Error('the database is down')
      },
    }
    const content = [
      order('first'),
      order('refused'),
      order('later'),
      order('own-id', { requestId: 'R-OWN' }),
      order('invalid', { orderStatus: 7 }),
      '{"tradeNo":"T-1","tradeNo":"T-2"}',
      '{oops',
      '["no","order"]',
      `{"tradeNo":"${'x'.repeat(1_048_577)}"}`,
      order('last'),
    ]
    const { send, sendFile, failures, notes, received, peer: changing } = await start(content, peer)
    const run = await send()
    expect(run, run.stderr).toMatchObject({
      code: 2,
      summary: { complete: true, sent: 5, succeeded: 3, refused: 1, undelivered: 1, invalid: 5, untrusted: 0 },
    })
    expect(run.stderr).toContain('Line 2: refused. ERR_REFUSED PROCESS_FAIL\n')
    expect(run.stderr).toContain('Line 3: undelivered. ERR_RESULT_UNKNOWN\n')
    expect(run.stderr).toMatch(/Line 5: invalid\. .*orderStatus/)
    expect(run.stderr).toMatch(/Line 6: invalid\. .*repeats a key/)
    expect(run.stderr).toMatch(/Line 9: invalid\. The line is longer than 1 MiB/)
    expect(run.stderr).toContain('Run the same command again to send the rest.')
    expect(run.stderr).not.toContain('USER-1')
    expect(notes().find(({ line }) => line === 2)).toMatchObject({
      resultCode: 'PROCESS_FAIL',
      message: 'out of stock',
    })

    const later = received.find(({ merchantBizNo }) => merchantBizNo === 'B-later')
    const failed = readFileSync(failures, 'utf8').trim().split('\n')
    expect(failed.sort()).toEqual(
      [
        JSON.stringify(order('refused')),
        JSON.stringify({ requestId: later?.requestId, ...order('later') }),
        ...[4, 5, 6, 7].map((index) => linesOf([content[index] ?? '']).trim()),
      ].sort(),
    )
    expect(statSync(failures).mode & 0o777).toBe(0o600)

    // The file of failures is a file of orders.
    changing.respond = () => {}
    const again = await sendFile(failures)
    expect(JSON.parse(again.stdout)).toMatchObject({ succeeded: 2, invalid: 4 })
    expect(again.code).toBe(64)
    expect(
      received.filter(({ merchantBizNo }) => merchantBizNo === 'B-later').map(({ requestId }) => requestId),
    ).toEqual([later?.requestId, later?.requestId])
  })

  test('a second run sends undecided orders with the same requestId, and lists refused orders again', async () => {
    const peer: Peer = {
      respond({ merchantBizNo }) {
        if (merchantBizNo === 'B-1') throw new OrderRefusedError('PROCESS_FAIL')
        if (merchantBizNo === 'B-2') throw new Error('later')
      },
    }
    const { send, received, failures } = await start([order(1), order(2), order(3)], peer)
    expect((await send()).code).toBe(2)
    const [before] = received.filter(({ merchantBizNo }) => merchantBizNo === 'B-2')
    received.splice(0)
    peer.respond = () => {}
    const second = await send()
    expect(second).toMatchObject({ code: 1, summary: { sent: 1, succeeded: 1, earlier: { succeeded: 1, refused: 1 } } })
    expect(received).toEqual([before])
    expect(readFileSync(failures, 'utf8')).toBe(linesOf([order(1)]))
  })

  test('an order whose note is missing or incomplete is sent again with the same requestId', async () => {
    const { send, journal, received, events } = await start([order(1), order(2)])
    await send('--concurrency', '1')
    const notes = readFileSync(journal, 'utf8')
    const lastNote = notes.lastIndexOf('\n', notes.length - 2) + 1
    for (const length of [lastNote, lastNote + 30]) {
      writeFileSync(journal, notes.slice(0, length))
      events.splice(0)
      expect(await send()).toMatchObject({ code: 0, summary: { sent: 1, earlier: { succeeded: 1 } } })
      expect(events).toMatchObject([{ kind: 'replay', requestId: received[1]?.requestId }])
    }
    expect(received).toHaveLength(2)
  })

  test('a peer that refuses the sender has not decided on the order', async () => {
    const peer: Peer = {
      respond() {
        throw new OrderRefusedError('INVALID_CLIENT')
      },
    }
    const { send, received, events } = await start([order(1)], peer)
    const first = await send()
    expect(first).toMatchObject({ code: 2, summary: { undelivered: 1 } })
    expect(first.stderr).toContain('Line 1: undelivered. ERR_REFUSED INVALID_CLIENT\n')
    await send()
    // It was sent again. The handler of this test remembers what it has refused.
    expect(events).toMatchObject([{ kind: 'refused' }, { kind: 'replay', requestId: received[0]?.requestId }])
  })

  test('stops after many orders in a row that could not be delivered', async () => {
    const content = Array.from({ length: 60 }, (_, no) => order(no))
    const { send, server, received } = await start(content)
    await new Promise((resolve) => server.close(resolve))
    const run = await send('--stop-after', '5', '--concurrency', '2')
    expect(run).toMatchObject({ code: 2, summary: { complete: false } })
    expect(run.summary.undelivered).toBeGreaterThanOrEqual(5)
    expect(run.summary.undelivered).toBeLessThan(10)
    expect(run.stderr).toContain('The last 5 orders could not be delivered. Stopped sending.')
    const all = await send('--stop-after', '0')
    expect(all).toMatchObject({ code: 2, summary: { complete: true, undelivered: 60 } })
    // Twenty lines, and the rest is in the journal.
    expect(all.stderr.match(/^Line /gm)).toHaveLength(20)
    expect(received).toEqual([])
  })

  test('exits with 3 when a response cannot be trusted', async () => {
    const { sendFile, file } = await start([order(1)])
    const stranger = createServer((request, response) => void request.resume().on('end', () => response.end('{}')))
    await new Promise<void>((resolve) => void stranger.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void stranger.close().closeAllConnections())
    const { code, stdout } = await sendFile(
      file,
      '--url',
      `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`,
    )
    expect({ code, summary: JSON.parse(stdout) }).toMatchObject({ code: 3, summary: { untrusted: 1 } })
  })

  test('reads standard input, with a byte order mark, Windows line ends and no end of the last line', async () => {
    const { received, file } = await start([order(1)])
    const { command } = await start([order(1)])
    const args = command().map((arg) => (arg.endsWith('orders.jsonl') ? '-' : arg))
    const { code, stdout, stderr } = await cli(
      args,
      `\uFEFF${linesOf([order(1)]).trim()}\r\n\r\n${JSON.stringify(order(2))}`,
    )
    expect({ code, summary: JSON.parse(stdout) }, stderr).toMatchObject({ code: 0, summary: { succeeded: 2 } })
    expect({ received, exists: existsSync(file) }).toEqual({ received: [], exists: true })
  })

  test('an empty file is sent', async () => {
    const { send } = await start([])
    expect(await send()).toMatchObject({ code: 0, summary: { complete: true, sent: 0 } })
  })

  test('stops when a sent line has changed, and sends appended lines', async () => {
    const { send, file, received } = await start([order(1), order(2)])
    await send()
    writeFileSync(file, linesOf([order(2), order(3)]))
    const changed = await send()
    expect(changed).toMatchObject({ code: 64, summary: { complete: false, sent: 0 } })
    expect(changed.stderr).toContain('Line 1 differs from the line that was sent')
    writeFileSync(file, linesOf([order(1), order(2), order(3)]))
    expect(await send()).toMatchObject({ code: 0, summary: { succeeded: 1, earlier: { succeeded: 2 } } })
    expect(idsOf(received)).toEqual(['T-1', 'T-2', 'T-3'])
  })

  test('refuses a journal of another destination', async () => {
    const { send } = await start([order(1)])
    await send()
    const other = await send('--url', 'http://127.0.0.1:9')
    expect(other).toMatchObject({ code: 64, summary: undefined })
    expect(other.stderr).toContain('The journal belongs to another destination')
  })

  test.each([
    ['--journal', 'orders.jsonl'],
    ['--failures', 'orders.jsonl'],
    ['--failures', 'journal'],
  ])('rejects %s %s, because the file is already in use', async (option, name) => {
    const { send, own, file } = await start([order(1)])
    const before = readFileSync(file, 'utf8')
    const run = await send(option, join(own, name))
    expect(run).toMatchObject({ code: 64, summary: undefined })
    expect(run.stderr).toContain('are the same file')
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  test.each([
    ['an array', '[{"tradeNo":"T-1"}]', 'It is an array. Convert it'],
    ['one order on several lines', JSON.stringify(order(1), undefined, 2), 'is sent without --jsonl'],
    ['CSV', 'tradeNo,merchantBizNo\nT-1,B-1', 'It does not begin with a JSON object'],
  ])('refuses a file that is %s', async (_, content, message) => {
    const { send, received } = await start([content])
    const run = await send()
    expect(run.code).toBe(64)
    expect(run.stderr).toContain('--jsonl takes a file with one JSON object on each line.')
    expect(run.stderr).toContain(message)
    expect(received).toEqual([])
  })

  test.each([
    ['a missing file', 'missing.jsonl', 'cannot be read: no such file'],
    ['a folder', '.', 'is a folder'],
  ])('refuses %s', async (_, path, message) => {
    const { sendFile } = await start([])
    const { code, stderr } = await sendFile(path)
    expect(code).toBe(64)
    expect(stderr).toContain(message)
  })

  test('--dry-run validates as the client does, and sends nothing', async () => {
    const content = [order(1), order(2, { orderModifyTime: TIME - 1 }), order(3, { extInfo: { weight: 1.5 } }), '{oops']
    const { send, received, journal } = await start(content)
    const run = await send('--dry-run')
    expect(run).toMatchObject({ code: 64, summary: { dryRun: true, valid: 1, invalid: 3 } })
    expect(run.stderr).toMatch(/Line 2: invalid\. .*orderModifyTime/)
    expect(run.stderr).toMatch(/Line 3: invalid\. /)
    expect(run.stderr).toMatch(/Line 4: invalid\. /)
    expect(await send('--dry-run', '--allow-fractions')).toMatchObject({ summary: { valid: 2, invalid: 2 } })
    expect({ received, hasJournal: existsSync(journal) }).toEqual({ received: [], hasJournal: false })
  })
})

describe('send without --jsonl', () => {
  test('recognises a JSONL file, and an array', async () => {
    const { file, command, received } = await start([order(1), order(2)])
    const args = command().filter((arg) => !['--jsonl', '--journal'].includes(arg) && !arg.endsWith('journal'))
    const jsonl = await cli(args)
    expect(jsonl).toMatchObject({ code: 64, stderr: expect.stringContaining('This is a JSONL file') })
    expect(jsonl.stderr).toContain('Give --jsonl')
    writeFileSync(file, JSON.stringify([order(1)]))
    expect((await cli(args)).stderr).toContain('use --jsonl and a file with one order on each line')
    writeFileSync(file, `${JSON.stringify(order(1))}\n{"oops`)
    expect((await cli(args)).stderr).toContain('The order is not JSON')
    expect(received).toEqual([])
  })

  test('validates one order with --dry-run, and rejects a journal', async () => {
    const { file, command, received } = await start([order(1)])
    const args = command().filter((arg) => arg !== '--jsonl')
    expect((await cli(args)).stderr).toContain('--journal is for --jsonl')
    const single = args.filter((arg) => arg !== '--journal' && !arg.endsWith('journal'))
    expect(await cli([...single, '--dry-run'])).toMatchObject({ code: 0, stdout: expect.stringContaining('"valid":1') })
    writeFileSync(file, JSON.stringify(order(1, { tradeNo: 1 })))
    const invalid = await cli([...single, '--dry-run'])
    expect(invalid).toMatchObject({ code: 64, stdout: '' })
    expect(invalid.stderr).toContain('tradeNo')
    expect(received).toEqual([])
  })
})

describe('signals', () => {
  /** A running command, whose peer holds back its responses. */
  async function startHeld(count: number) {
    const waiting: (() => void)[] = []
    const peer: Peer = { respond: () => new Promise((resolve) => void waiting.push(resolve)) }
    const world = await start(
      Array.from({ length: count }, (_, no) => order(no)),
      peer,
    )
    const child = spawn(process.execPath, [CLI, ...world.command('--concurrency', '3', '--timeout', '60000')])
    onTestFinished(() => void child.kill('SIGKILL'))
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const ended = Promise.all([text(child.stdout), once(child, 'close')])
    await until(() => waiting.length === 3)
    return {
      ...world,
      child,
      waiting,
      /** Sends a signal, and waits until the process has noticed it. */
      async stop(signal: NodeJS.Signals) {
        child.kill(signal)
        await until(() => stderr.includes('Stopping.'))
      },
      async end() {
        const [stdout, [code]] = await ended
        return { code, stderr, summary: JSON.parse(stdout) }
      },
    }
  }

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s lets orders in flight finish, starts no more, and exits with %d', async (signal, status) => {
    const { stop, waiting, end, received } = await startHeld(20)
    await stop(signal)
    for (const respond of waiting) respond()
    expect(await end()).toMatchObject({ code: status, summary: { complete: false, succeeded: 3, aborted: 0 } })
    expect(received).toHaveLength(3)
  })

  test('a second signal aborts orders in flight, and the next run sends them with the same requestId', async () => {
    const { child, stop, end, peer, send, received, events, waiting } = await startHeld(5)
    await stop('SIGINT')
    // A second signal within half a second is the same one, sent by npm. Waiting longer changes nothing.
    await new Promise((resolve) => setTimeout(resolve, 600))
    child.kill('SIGINT')
    const run = await end()
    expect(run).toMatchObject({ code: 130, summary: { complete: false, sent: 0, aborted: 3 } })
    expect(run.stderr).toContain('3 orders aborted in flight: the outcome is unknown.')
    // The peer completes what has arrived, although the connection is gone.
    const ids = received.map(({ requestId }) => requestId)
    for (const respond of waiting) respond()
    await until(() => events.length === 3)
    peer.respond = () => {}
    expect(await send()).toMatchObject({ code: 0, summary: { complete: true, sent: 5, succeeded: 5 } })
    const replays = events.filter(({ kind }) => kind === 'replay')
    expect(replays.map((event) => 'requestId' in event && event.requestId).sort()).toEqual(ids.sort())
    expect(idsOf(received)).toEqual(['T-0', 'T-1', 'T-2', 'T-3', 'T-4'])
  })

  test('a second process with the same journal is refused while the first one runs, and not after it was killed', async () => {
    const { child, send, waiting, peer, end } = await startHeld(4)
    const second = await send()
    expect(second).toMatchObject({ code: 64, summary: undefined })
    expect(second.stderr).toBe('Another process is sending with this journal.\n')
    child.kill('SIGKILL')
    await end().catch(() => {})
    peer.respond = () => {}
    for (const respond of waiting) respond()
    expect(await send()).toMatchObject({ code: 0, summary: { complete: true } })
  })
})
