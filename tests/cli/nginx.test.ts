import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createOrderSyncHandler, memoryStore, ORDER_SYNC_PATH } from '../../src/public/index.ts'
import { toNodeListener } from '../../src/public/node.ts'
import { createTestCredentials, createTestOrder, createTestPeer } from '../../src/public/testing.ts'
import { freePort } from '../support/free-port.ts'
import { read } from '../support/project.ts'

const hasNginx = (() => {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** The configurations of the page, in their order. */
const locations = [...read('docs/proxies.md').matchAll(/```nginx\n([\s\S]*?)\n```/g)].map(
  ([, location = '']) => location,
)

/** Starts nginx with one location of the page. Only the port of the application differs. */
async function startNginx(location: string, applicationPort: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http { access_log off; ${paths.join(' ')}
  server { listen 127.0.0.1:${port};
${location.replace('127.0.0.1:3000', `127.0.0.1:${applicationPort}`)}
  } }
`,
  )
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  onTestFinished(() => {
    child.kill('SIGQUIT')
    rmSync(folder, { recursive: true, force: true })
  })
  await expect.poll(() => accepts(port), { timeout: 10_000 }).toBe(true)
  return `http://127.0.0.1:${port}`
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })

test.skipIf(!hasNginx).each([
  ['which passes the path on', 0, {}],
  ['which changes the path, with signedPath', 1, { signedPath: ORDER_SYNC_PATH }],
])('docs/proxies.md: nginx %s', async (_, index, options) => {
  const paths: (string | undefined)[] = []
  const handler = createOrderSyncHandler({
    credentials: createTestCredentials().merchant,
    store: memoryStore(),
    onOrder: ({ merchantBizNo }) => ({ orderId: `A-${merchantBizNo}` }),
    onEvent: () => {},
    ...options,
  })
  const listener = toNodeListener(handler)
  const server = createServer((request, response) => {
    paths.push(request.url)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  const origin = await startNginx(locations[index] ?? '', typeof address === 'object' ? (address?.port ?? 0) : 0)
  const peer = createTestPeer(`${origin}${ORDER_SYNC_PATH}`)
  for (const encrypt of [false, true]) {
    const sent = await peer.send(createTestOrder({ merchantBizNo: `B-${encrypt}` }), { encrypt })
    expect(sent).toMatchObject({ status: 200, signed: true, orderId: `A-B-${encrypt}` })
  }
  expect(paths[0] === ORDER_SYNC_PATH).toBe(index === 0)
})

test.skipIf(!hasNginx)('without signedPath, a path that nginx has changed does not verify', async () => {
  const handler = createOrderSyncHandler({
    credentials: createTestCredentials().merchant,
    store: memoryStore(),
    onOrder: () => ({ orderId: 'A' }),
    onEvent: () => {},
  })
  const server = createServer(toNodeListener(handler))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  const origin = await startNginx(locations[1] ?? '', typeof address === 'object' ? (address?.port ?? 0) : 0)
  const peer = createTestPeer(`${origin}${ORDER_SYNC_PATH}`)
  expect(await peer.send(createTestOrder())).toMatchObject({ status: 401, result: { resultCode: 'INVALID_SIGNATURE' } })
})
