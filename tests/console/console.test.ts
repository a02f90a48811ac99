import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Batch, Detail, Minute, OutboxState, Row, SentResult } from '../../src/console/wire.ts'
import { collectHeaders } from '../../src/protocol/headers.ts'
import { type ConsoleOptions, createConsole, type RecordedDelivery } from '../../src/public/console.ts'
import { createOrderSyncHandler, explainRequest, memoryStore } from '../../src/public/index.ts'
import { createTestCredentials, createTestOrder, createTestPeer } from '../../src/public/testing.ts'
import { thrownBy } from '../support/thrown.ts'
import { type ConsoleWorld, fillInbox, startConsole } from './world.ts'

async function start(options: Partial<ConsoleOptions> = {}) {
  const world = await startConsole(options)
  onTestFinished(world.close)
  return world
}

const api = ({ url }: ConsoleWorld, path: string) => `${url}api/${path}`

async function read<Value>(world: ConsoleWorld, path: string): Promise<Value> {
  const response = await fetch(api(world, path))
  expect(response.status).toBe(200)
  return (await response.json()) as Value
}

async function post<Value>(world: ConsoleWorld, path: string, body: object): Promise<Value> {
  const response = await fetch(api(world, path), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: new URL(world.url).origin },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Value
}

/** The rows that a page gets when it opens. */
async function rowsOf(world: ConsoleWorld, show = false): Promise<Row[]> {
  const response = await fetch(api(world, `stream${show ? '?show=1' : ''}`))
  const reader = response.body?.getReader()
  for (let text = ''; ; ) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) break
    text += new TextDecoder().decode(value)
    const [, data] = /event: rows\ndata: (.*)\n\n/.exec(text) ?? []
    if (data === undefined) continue
    await reader?.cancel()
    return [...(JSON.parse(data) as Batch).rows]
  }
  throw new Error('no rows')
}

/** fetch does not send a Host header of one's own. */
function get(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

const rowWith = (rows: Row[], code: string) => {
  const row = rows.find((known) => known.code === code)
  if (row === undefined) throw new Error(`no row with ${code}`)
  return row
}

describe('the inbox', () => {
  let world: ConsoleWorld
  beforeAll(async () => {
    world = await startConsole()
    await fillInbox(world)
  })
  afterAll(() => world.close())

  test('has a row for each delivery, and for each order that the client sends', async () => {
    const rows = await rowsOf(world)
    expect(rows.map(({ direction, kind, code }) => `${direction} ${kind} ${code}`)).toEqual([
      'in processed SUCCESS',
      'in replay SUCCESS',
      'in duplicate SUCCESS',
      'in processed SUCCESS',
      'in stale SUCCESS',
      'in refused ERR_REFUSED',
      'in failed ERR_ON_ORDER',
      'in rejected ERR_TIME_RANGE',
      'in rejected ERR_CLIENT_UNKNOWN',
      'in rejected ERR_FIELD_INVALID',
      'out succeeded SUCCESS',
      'in rejected ERR_SIGNATURE_INVALID',
      'in rejected ERR_SIGNATURE_INVALID',
    ])
  })

  test('masks the order numbers unless the tab shows data, and groups the rows of one order', async () => {
    const [masked, shown] = [await rowsOf(world), await rowsOf(world, true)]
    expect(masked.map(({ order }) => order)).toEqual(shown.map(({ order = '' }) => `••••${order.slice(-4)}`))
    expect(shown[0]?.order).toBe('BIZ-2026-0001')
    expect(JSON.stringify(masked)).not.toMatch(/BIZ-2026|PAID|REFUNDED/)
    const groups = masked.map(({ group }) => group)
    expect(new Set(groups.slice(0, 5)).size).toBe(1)
    expect(new Set(groups).size).toBe(9)
  })

  test('marks an order number from a message that did not verify', async () => {
    const rows = await rowsOf(world, true)
    expect(rows.filter(({ isClaimed }) => isClaimed).map(({ order }) => order)).toEqual([
      'BIZ-2026-0004',
      'BIZ-2026-0005',
      'BIZ-2026-0008',
      'BIZ-2026-0009',
    ])
  })

  test('a rejected delivery has the verdict, and the change that fixes it', async () => {
    const rows = await rowsOf(world)
    const wrongPath = rows.findLast(({ code, order }) => code === 'ERR_SIGNATURE_INVALID' && order?.endsWith('0008'))
    const { verdict, fix, signed } = await read<Detail>(world, `deliveries/${wrongPath?.id}`)
    expect(verdict?.verified).toBe(false)
    expect(verdict?.causes.map(({ code }) => code)).toContain('path')
    expect(fix).toBe(verdict?.causes[0]?.fix)
    expect(signed?.isMasked).toBe(true)
  })

  test.each([
    ['ERR_TIME_RANGE', /clock|minutes|signed/i],
    ['ERR_CLIENT_UNKNOWN', /Client-Id/],
    ['ERR_FIELD_INVALID', /^\/tradeNo must be/],
    ['ERR_ON_ORDER', /onOrder/],
    ['ERR_REFUSED', /No such table|PROCESS_FAIL|refused/],
  ])('the fix of %s is a sentence', async (code, words) => {
    const { fix } = await read<Detail>(world, `deliveries/${rowWith(await rowsOf(world), code).id}`)
    expect(fix).toMatch(words)
  })

  test('a processed delivery has its steps, without gaps, and nothing to fix', async () => {
    const [first] = await rowsOf(world)
    const { spans, fix, response } = await read<Detail>(world, `deliveries/${first?.id}`)
    expect(fix).toBeUndefined()
    const names = [
      'arrived',
      'verified',
      'decrypted',
      'validated',
      'decided by the store',
      'prepared',
      'onOrder',
      'stored',
    ]
    expect(spans.map(({ name }) => name)).toEqual([...names, 'responded'])
    expect(spans.map(({ from }) => from)).toEqual([0, ...spans.slice(0, -1).map(({ to }) => to)])
    expect(response?.status).toBe(200)
  })

  test('an encrypted delivery has its body as sent and decrypted', async () => {
    const encrypted = (await rowsOf(world)).find((row) => row.encrypted)
    const { body, plaintext } = await read<Detail>(world, `deliveries/${encrypted?.id}?show=1`)
    expect(Buffer.from(body.base64 ?? '', 'base64').toString()).toMatch(/^[\w+/=]+$/)
    expect(JSON.parse(Buffer.from(plaintext?.base64 ?? '', 'base64').toString())).toMatchObject({
      orderStatus: 'REFUNDED',
    })
  })

  test('an order of the client has its attempt and the verified response', async () => {
    const sent = (await rowsOf(world)).find(({ direction }) => direction === 'out')
    const { spans, verdict, response } = await read<Detail>(world, `deliveries/${sent?.id}`)
    expect(spans.map(({ name }) => name)).toEqual(['signed', 'response arrived', 'response verified'])
    expect([verdict?.verified, response?.status, sent?.attempts]).toEqual([true, 200, 1])
  })

  test('shows neither customer data nor a signature, a key or a token while it is masked', async () => {
    const rows = await rowsOf(world)
    const details = await Promise.all(
      rows.map(async ({ id }) => {
        const detail = await read<Detail>(world, `deliveries/${id}`)
        const bytes = [detail.signed, detail.body, detail.plaintext, detail.response?.body]
        const texts = bytes.map((shown) => Buffer.from(shown?.base64 ?? '', 'base64').toString())
        return JSON.stringify([detail, texts], (name, value) => (name === 'base64' ? undefined : value))
      }),
    )
    const everything = details.join()
    expect(/BIZ-2026|TEST-USER|A-BIZ/.exec(everything)).toBeNull()
    // A signature has 344 characters. Masked base64 has no other letters than x.
    expect(/(?=[x0+/%]*[A-Za-wyz1-9])[A-Za-z0-9+/%]{200}/.exec(everything)).toBeNull()
  })

  test('shows no whole signature, even when it shows data', async () => {
    const [first] = await rowsOf(world)
    const { request, response } = await read<Detail>(world, `deliveries/${first?.id}?show=1`)
    for (const { name, value } of [...request.headers, ...(response?.headers ?? [])]) {
      if (name === 'signature')
        expect(value).toMatch(/^algorithm=RSA256, ?keyVersion=1, ?signature=… \(\d+ characters\)$/)
    }
    expect(request.headers.map(({ name }) => name)).toContain('signature')
  })

  test('counts by the minute', async () => {
    const { minutes } = await read<{ minutes: Minute[] }>(world, 'charts')
    const total = minutes.flatMap(({ kinds }) => Object.values(kinds)).reduce((sum, count) => sum + count, 0)
    // Orders of the client are not counted.
    expect(total).toBe(12)
    const { p50 = 0, p99 = 0, skew } = minutes[0] ?? {}
    expect(p50).toBeGreaterThan(0)
    expect(p99).toBeGreaterThanOrEqual(p50)
    expect(skew?.min).toBeLessThanOrEqual(skew?.max ?? Number.NaN)
  })

  test('a copy requires a tab that shows data', async () => {
    const [first] = await rowsOf(world)
    expect((await fetch(api(world, `deliveries/${first?.id}/curl`))).status).toBe(403)
    expect((await fetch(api(world, `deliveries/${first?.id}/fixture`))).status).toBe(403)
  })

  test('the copy as curl is a message that explain verifies', async () => {
    const [first] = await rowsOf(world)
    const { text } = await read<{ text: string }>(world, `deliveries/${first?.id}/curl?show=1`)
    expect((await explainRequest(text, world.merchant)).verified).toBe(true)
  })

  test('the copy as a test fixture is a request that a handler accepts', async () => {
    const [first] = await rowsOf(world)
    const { text } = await read<{ text: string }>(world, `deliveries/${first?.id}/fixture?show=1`)
    const { delivery } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
    const handler = createOrderSyncHandler({
      credentials: world.merchant,
      store: memoryStore(),
      onOrder: () => ({ orderId: '1' }),
      now: () => delivery.receivedAt,
    })
    expect((await handler(delivery.request)).status).toBe(200)
    expect((await handler({ ...delivery.request, body: Buffer.from('{}') })).status).toBe(401)
  })
})

describe('replay and send', () => {
  test('replays the same bytes, and the same order with a new signature', async () => {
    const world = await start()
    await world.peer.send(createTestOrder())
    const [first] = await rowsOf(world)
    const same = await post<{ results: SentResult[] }>(world, `deliveries/${first?.id}/replay`, { mode: 'same' })
    const signed = await post<{ results: SentResult[] }>(world, `deliveries/${first?.id}/replay`, { mode: 'signed' })
    expect([same, signed]).toMatchObject([
      { results: [{ status: 200, signed: true }] },
      { results: [{ status: 200, resultCode: 'SUCCESS', signed: true }] },
    ])
    expect((await rowsOf(world)).map(({ kind }) => kind)).toEqual(['processed', 'replay', 'replay'])
  })

  test.each([
    ['order', ['processed']],
    ['encrypted', ['processed']],
    ['duplicate', ['processed', 'duplicate']],
    ['older', ['processed', 'stale']],
    ['tampered', ['rejected']],
    ['burst', Array.from({ length: 50 }, () => 'processed')],
  ] as const)('the scenario %s has its outcomes', async (scenario, kinds) => {
    const world = await start()
    const { results } = await post<{ results: SentResult[] }>(world, 'send', {
      scenario,
      as: 'peer',
      order: createTestOrder(),
    })
    expect(results).toHaveLength(kinds.length)
    expect((await rowsOf(world)).map(({ kind }) => kind)).toEqual(kinds)
  })

  test('sends with the client', async () => {
    const world = await start()
    const order = createTestOrder()
    const sent = await post(world, 'send', { scenario: 'order', as: 'client', order })
    expect(sent).toMatchObject({ results: [{ resultCode: 'SUCCESS' }] })
    const invalid = await post(world, 'send', { scenario: 'order', as: 'client', order: { ...order, tradeNo: '' } })
    expect(invalid).toMatchObject({ results: [{ error: expect.stringContaining('ERR_FIELD_INVALID') }] })
    expect((await rowsOf(world)).map(({ kind }) => kind)).toEqual(['succeeded', 'invalid'])
  })

  test('cannot sign without the credentials of the peer', async () => {
    const world = await start({ peer: undefined })
    await world.peer.send(createTestOrder())
    const [first] = await rowsOf(world)
    expect((await read<Detail>(world, `deliveries/${first?.id}`)).replay).toEqual({ same: true, signed: false })
    const sent = await post(world, 'send', { scenario: 'order', as: 'peer', order: createTestOrder() })
    expect(sent).toMatchObject({ results: [{ error: expect.stringContaining('no key') }] })
  })

  test('rejects an invalid command', async () => {
    const world = await start()
    for (const body of [{}, { scenario: 'x', as: 'peer', order: {} }, { scenario: 'order', as: 'peer', order: [] }]) {
      const response = await fetch(api(world, 'send'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Origin: new URL(world.url).origin },
        body: JSON.stringify(body),
      })
      expect(response.status).toBe(400)
    }
  })
})

describe('the outbox', () => {
  test('is shown with masked order numbers, retried and discarded', async () => {
    const world = await start()
    const state = await read<OutboxState>(world, 'outbox')
    expect(state).toMatchObject({ waiting: 4, inFlight: 1, failed: 3, oldestWaitingMs: 65_000 })
    expect(state.failures[0]).toMatchObject({ id: '31', order: '••••0031', code: 'PARAM_ILLEGAL' })
    expect((await read<OutboxState>(world, 'outbox?show=1')).failures[0]?.order).toBe('BIZ-2026-0031')
    expect(await post<OutboxState>(world, 'outbox/retry', { id: '31' })).toMatchObject({ failed: 2, waiting: 5 })
    expect(await post<OutboxState>(world, 'outbox/discard', { id: '32' })).toMatchObject({ failed: 1 })
    expect(world.outbox).toMatchObject({ retried: ['31'], discarded: ['32'] })
  })

  test('an error of the outbox quotes no foreign text', async () => {
    const failing = {
      stats: () => Promise.reject(new Error('SECRET')),
      failed: async () => [],
      retry: async () => true,
      discard: async () => true,
    }
    const world = await start({ outbox: failing })
    const response = await fetch(api(world, 'outbox'))
    expect([response.status, await response.text()]).toEqual([502, expect.not.stringContaining('SECRET')])
  })
})

describe('access', () => {
  test('needs the token, for the page and for every path below it', async () => {
    const world = await start()
    const base = new URL('/order-sync-console/', world.url).href
    for (const path of ['', 'x/', `${'A'.repeat(32)}/api/stream`, 'api/charts', '/api/charts']) {
      expect((await fetch(base + path)).status).toBe(404)
    }
    expect((await fetch(new URL('/', world.url))).status).toBe(404)
    expect((await fetch(api(world, 'charts'))).status).toBe(200)
  })

  test('every console has a different token of 192 bits', async () => {
    const [one, other] = [await start(), await start()]
    expect(one.console.path).toMatch(/^\/order-sync-console\/[\w-]{32}\/$/)
    expect(one.console.path).not.toBe(other.console.path)
  })

  test.each([
    [{ Host: 'attacker.example' }, 403],
    [{ Host: 'localhost:1' }, 200],
    [{ Origin: 'http://attacker.example' }, 403],
    [{ 'X-Forwarded-For': '10.0.0.7' }, 403],
    [{ Forwarded: 'for=10.0.0.7' }, 403],
    [{ Via: '1.1 proxy' }, 403],
    [{ 'X-Forwarded-Host': 'merchant.example' }, 403],
    [{ 'X-Forwarded-Proto': 'https' }, 403],
    [{ 'X-Real-IP': '10.0.0.7' }, 403],
    [{ 'CF-Connecting-IP': '10.0.0.7' }, 403],
    [{ 'True-Client-IP': '10.0.0.7' }, 403],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Site': 'same-origin' }, 200],
  ])('responds to a request with the headers %j with HTTP %i', async (headers, status) => {
    const world = await start()
    expect(await get(api(world, 'charts'), headers as unknown as Record<string, string>)).toBe(status)
  })

  test('rejects a POST of another origin, and one that a form can send', async () => {
    const world = await start()
    const send = (headers: Record<string, string>) =>
      fetch(api(world, 'outbox/discard'), { method: 'POST', headers, body: '{"id":"31"}' }).then(({ status }) => status)
    expect(await send({ 'Content-Type': 'application/json', Origin: 'http://attacker.example' })).toBe(403)
    expect(await send({ 'Content-Type': 'application/json' })).toBe(403)
    expect(await send({ 'Content-Type': 'text/plain', Origin: new URL(world.url).origin })).toBe(415)
    expect(world.outbox.discarded).toEqual([])
  })

  test('rejects a body that is too large, or not JSON', async () => {
    const world = await start()
    const send = (body: string) =>
      fetch(api(world, 'send'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Origin: new URL(world.url).origin },
        body,
      }).then(({ status }) => status)
    expect(await send('{')).toBe(400)
    expect(await send(JSON.stringify('x'.repeat(1_100_000)))).toBe(400)
  })

  test('every response forbids to store, to frame and to run anything', async () => {
    const world = await start()
    for (const url of [api(world, 'charts'), api(world, 'none'), new URL('/order-sync-console/', world.url)]) {
      const { headers } = await fetch(url)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  test('as middleware, it passes other paths to next()', async () => {
    const { console: page } = await start()
    const next = vi.fn()
    const incoming = { url: '/orders', headers: {}, method: 'GET', socket: {} }
    page.listener(incoming as never, {} as never, next)
    expect(next).toHaveBeenCalledOnce()
  })

  test('handles Fetch API requests with the same checks', async () => {
    const { console: page, peer } = await start()
    await peer.send(createTestOrder())
    const ask = async (url: string, init: RequestInit = {}) => (await page.fetch(new Request(url, init))).status
    expect(await ask(`http://localhost:3000${page.path}api/charts`)).toBe(200)
    expect(await ask(`http://attacker.example${page.path}api/charts`)).toBe(403)
    expect(await ask('http://localhost:3000/orders')).toBe(404)
    const stop = new AbortController()
    const stream = await page.fetch(new Request(`http://localhost${page.path}api/stream`, { signal: stop.signal }))
    const reader = stream.body?.getReader()
    const texts = [await reader?.read(), await reader?.read()].map((part) => new TextDecoder().decode(part?.value))
    expect(texts.join('')).toContain('"kind":"processed"')
    stop.abort()
    expect((await reader?.read())?.done).toBe(true)
  })

  test('after close, it serves and observes nothing', async () => {
    const world = await startConsole()
    await world.peer.send(createTestOrder())
    world.console.close()
    await world.peer.send(createTestOrder())
    expect((await world.console.fetch(new Request(`http://localhost${world.console.path}api/charts`))).status).toBe(503)
    await world.close()
  })
})

describe('createConsole', () => {
  const handler = () =>
    createOrderSyncHandler({
      credentials: createTestCredentials().merchant,
      store: memoryStore(),
      onOrder: () => ({ orderId: '1' }),
    })

  test.each([
    [{}, '"handler", "client" or "outbox"'],
    [{ handler: () => {} }, '"handler" must be the object that createOrderSyncHandler() returns'],
    [{ client: { syncOrder() {} } }, '"client" must be the object that createOrderSyncClient() returns'],
    [{ outbox: { stats() {} } }, '"outbox" must be an outbox'],
    [{ handler: handler(), allowedHosts: ['http://a.example'] }, '"allowedHosts"'],
    [{ handler: handler(), allowedHosts: 'a.example' }, '"allowedHosts"'],
    [{ handler: handler(), basePath: 'console' }, '"basePath"'],
    [{ handler: handler(), basePath: '/a/../b//' }, '"basePath"'],
    [{ handler: handler(), maxDeliveries: 0 }, '"maxDeliveries"'],
    [{ handler: handler(), port: 1 }, 'has no option "port"'],
    [{ handler: handler(), peer: {} }, 'clientId'],
  ])('throws for the options %#', (options, words) => {
    expect(String(thrownBy(() => createConsole(options as never)))).toContain(words)
  })

  test('records deliveries only with the option "record"', async () => {
    const record = vi.fn<(delivery: RecordedDelivery) => void>()
    const world = await start({ record })
    const order = createTestOrder()
    await world.peer.send(order, { encrypt: true })
    await world.peer.send(order, { tamper: 'body' })
    expect(record.mock.calls.map(([delivery]) => delivery.order)).toEqual([order, undefined])
    const [[delivery] = []] = record.mock.calls
    expect((await explainRequest(delivery ?? {}, world.merchant)).verified).toBe(true)
  })

  test('a recorder that throws does not affect the handler', async () => {
    const world = await start({
      record() {
        throw new Error('disk full')
      },
    })
    expect((await world.peer.send(createTestOrder())).status).toBe(200)
    expect(await rowsOf(world)).toHaveLength(1)
  })

  test('keeps 200 headers, and replays them, wherever those of the protocol are among them', async () => {
    const world = await start()
    const others = Array.from({ length: 200 }, (_, index) => [`x-header-${index}`, 'x'] as const)
    const crowded = createTestPeer(
      (request) => world.handler({ ...request, headers: [...others, ...collectHeaders(request.headers)] }),
      { credentials: world.peerCredentials },
    )
    await crowded.send(createTestOrder())
    const [first] = await rowsOf(world)
    const { request, verdict } = await read<Detail>(world, `deliveries/${first?.id}`)
    expect(request.headers.map(({ name }) => name)).toEqual(expect.arrayContaining(['x-header-199', 'signature']))
    expect(verdict?.verified).toBe(true)
    const replayed = await post(world, `deliveries/${first?.id}/replay`, { mode: 'same' })
    expect(replayed).toMatchObject({ results: [{ status: 200, signed: true }] })
  })

  test('finds the credentials of a handler with a credentials function', async () => {
    const { merchant, peer } = createTestCredentials()
    const looking = createOrderSyncHandler({
      credentials: (clientId) => (clientId === merchant.clientId ? merchant : undefined),
      store: memoryStore(),
      onOrder: () => ({ orderId: '1' }),
    })
    const world = await start({ handler: looking, peer })
    await post(world, 'send', { scenario: 'tampered', as: 'peer', order: createTestOrder() })
    const [row] = await rowsOf(world)
    expect((await read<Detail>(world, `deliveries/${row?.id}`)).verdict?.verified).toBe(false)
  })
})
