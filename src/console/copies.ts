import type { Entry } from './entry.ts'

/** Hop-by-hop headers: curl writes its own. */
const OF_CONNECTION = /^(?:connection|content-length|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/

/** Headers that give access to the application. A copy goes to chats and tickets. */
const PRIVATE = /^(?:authorization|proxy-authorization|cookie|agent-token)$/

function portableHeaders({ request }: Entry): (readonly [string, string])[] {
  return request.headers().filter(([name]) => !OF_CONNECTION.test(name) && !PRIVATE.test(name))
}

/**
 * The request as a command for a POSIX shell. All received text is in single quotes, and a body that is not
 * printable ASCII is in base64, so that the shell runs nothing of it.
 */
export function toCurl(entry: Entry): string {
  const host = entry.request.headers().find(([name]) => name === 'host')?.[1] ?? ''
  const origin = /^[\w.:[\]-]+$/.test(host) ? `http://${host}` : 'http://127.0.0.1:3000'
  const body = Buffer.from(entry.request.body ?? [])
  const text = body.toString('latin1')
  const isPlain = /^[ -~]*$/.test(text)
  return [
    ...(isPlain ? [] : [`printf %s ${quote(body.toString('base64'))} | base64 -d |`]),
    `curl -sS -X ${quote(entry.method)} ${quote(origin + entry.path)} \\`,
    ...portableHeaders(entry).map(([name, value]) => `  -H ${quote(`${name}: ${value}`)} \\`),
    // Not --data-binary for a text: curl would send the file that a body such as `@/etc/passwd` names.
    isPlain ? `  --data-raw ${quote(text)}` : '  --data-binary @-',
  ].join('\n')
}

/** In single quotes, without control characters: they could end the line, or move the cursor, in a terminal. */
const quote = (text: string) => `'${text.replace(/\p{Cc}/gu, '').replaceAll("'", "'\\''")}'`

/** The request as a TypeScript module, with the time at which it was received. */
export function toFixture(entry: Entry): string {
  const { method, path, signedPath, request, at } = entry
  const { kind, code } = entry.events.at(-1)?.logged ?? {}
  const headers = Object.fromEntries(portableHeaders(entry))
  const lines = [
    `// ${oneLine(`${kind} ${code}`)}, arrived ${new Date(at).toISOString()}. It contains customer data.`,
    'export const delivery = {',
    `  /** Give it to the handler as its clock: now: () => delivery.receivedAt */`,
    `  receivedAt: ${at},`,
    ...(signedPath === undefined ? [] : [`  signedPath: ${literal(signedPath)},`]),
    '  request: {',
    `    method: ${literal(method)},`,
    `    path: ${literal(path)},`,
    // Without brackets, this name would set the prototype of the object.
    `    headers: ${literal(headers, 2)
      .replace(/^ +"__proto__":/m, '  ["__proto__"]:')
      .replaceAll('\n', '\n    ')},`,
    `    body: Buffer.from(${literal(Buffer.from(request.body ?? []).toString('base64'))}, 'base64'),`,
    '  },',
    '}',
  ]
  return `${lines.join('\n')}\n`
}

const oneLine = (text: string) => text.replace(/[^ -~]/g, '')

/** JSON is valid JavaScript since ES2019. Characters outside ASCII are escaped, so that any editor keeps the file intact. */
function literal(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[^\n -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
