import { ORDER_SYNC_PATH } from '../../protocol/endpoint.ts'
import { type Change, headChange, shownPath } from '../change.ts'

/** The headers in which proxies write the path that they received. */
const ORIGINAL_PATH_HEADERS = ['x-original-uri', 'x-original-url', 'x-forwarded-uri', 'x-envoy-original-path']

/** At most this many paths are tried. */
const MAX_PATHS = 250

type Modify = (path: string, headers: ReadonlyMap<string, string>) => readonly (string | undefined)[]

/** What senders, proxies and frameworks do to a path. Each can be combined with one other. */
const MODIFICATIONS: readonly Modify[] = [
  (path) => [path.split('?')[0]],
  (path) => [toggleSlash(path)],
  (path, headers) => withPrefix(path, headers),
  (path) => withoutPrefix(path),
  (path) => [attempt(decodeURI, path), attempt(decodeURIComponent, path), path.replaceAll('+', ' ')],
  (path) => [attempt(encodeURI, path), encodeSegments(path), path.replaceAll(' ', '+')],
  (path) => [path.replace(/\/{2,}/g, '/'), path.replace(/\/\.?\//g, '/')],
  (path) => [path.replace(/^\//, ''), `/${path}`],
  (path) => [path.toLowerCase(), path.replace(/\.\w{1,8}$/, '')],
  (path) => [sortQuery(path)],
]

/**
 * Paths that the sender may have signed instead. Header values are only tried, never trusted.
 *
 * @param others Other known paths, for example the path of the captured request line.
 */
export function pathChanges(path: string, headers: ReadonlyMap<string, string>, others: readonly string[]): Change[] {
  const query = path.includes('?') ? path.slice(path.indexOf('?')) : ''
  const likely = [
    ...others,
    ...ORIGINAL_PATH_HEADERS.flatMap((name) => headers.get(name) ?? []),
    ORDER_SYNC_PATH,
    ORDER_SYNC_PATH + query,
  ]
  const costs = new Map<string, number>([[path, 0]])
  const add = (found: readonly (string | undefined)[], cost: number) => {
    for (const candidate of found) {
      if (candidate !== undefined && !costs.has(candidate) && costs.size < MAX_PATHS) costs.set(candidate, cost)
    }
  }
  add(likely, 1)
  for (const [index, modify] of MODIFICATIONS.entries()) add(modify(path, headers), index < 3 ? 1 : 2)
  for (const known of [...costs.keys()]) {
    for (const modify of MODIFICATIONS) add(modify(known, headers), 3)
  }
  add(['', '/', ...[...costs.keys()].slice(0, 8).flatMap((known) => withOrigin(known, headers))], 3)
  costs.delete(path)
  return [...costs].map(([candidate, cost]) =>
    headChange('path', candidate, { code: 'path', cost, fix: explainPath(candidate, path) }),
  )
}

function explainPath(signed: string, verified: string): string {
  const what = signed === '' ? 'signed no path' : `signed the path ${shownPath(signed)}`
  return `The sender ${what}, but it was verified for ${shownPath(verified)}. Set the option "signedPath" to the path that the sender signs.`
}

function toggleSlash(path: string): string {
  const [pathOnly = '', ...query] = path.split('?')
  const toggled = pathOnly.endsWith('/') ? pathOnly.slice(0, -1) : `${pathOnly}/`
  return [toggled, ...query].join('?')
}

function withPrefix(path: string, headers: ReadonlyMap<string, string>): string[] {
  return ['x-forwarded-prefix', 'x-forwarded-path', 'x-script-name'].flatMap((name) => {
    const prefix = headers.get(name)
    return prefix === undefined ? [] : [prefix.replace(/\/$/, '') + path, prefix]
  })
}

/** The path without its first segment, its first two, and so on. */
function withoutPrefix(path: string): string[] {
  const segments = path.split('/')
  return segments.slice(2, 8).map((_, index) => `/${segments.slice(index + 2).join('/')}`)
}

function withOrigin(path: string, headers: ReadonlyMap<string, string>): string[] {
  const host = headers.get('host') ?? headers.get('x-forwarded-host')
  const origins = ['https://open.alipay.hk', 'https://open-id-pre.alipay.com']
  if (host !== undefined) origins.unshift(`https://${host}`, `http://${host}`, host)
  return origins.map((origin) => origin + path)
}

function attempt(change: (text: string) => string, text: string): string | undefined {
  try {
    return change(text)
  } catch {
    return undefined
  }
}

function encodeSegments(path: string): string | undefined {
  return attempt((text) => text.split('/').map(encodeURIComponent).join('/'), path)
}

function sortQuery(path: string): string | undefined {
  const at = path.indexOf('?')
  if (at < 0) return undefined
  return `${path.slice(0, at)}?${path
    .slice(at + 1)
    .split('&')
    .sort()
    .join('&')}`
}
