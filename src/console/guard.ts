import { timingSafeEqual } from 'node:crypto'

/** What is known about a request for the console before it is handled. */
export interface Asked {
  readonly method: string
  /** The `Host` header, and the host of the URL if there is one. */
  readonly hosts: readonly string[]
  readonly origin: string | undefined
  /** The header `Sec-Fetch-Site` of browsers. */
  readonly fetchSite: string | undefined
  /** Undefined if the HTTP layer does not know it. */
  readonly remoteAddress: string | undefined
  /** Whether a proxy has forwarded it: see {@link isProxyHeader}. */
  readonly isForwarded: boolean
  readonly contentType: string | undefined
  /** Whether the request is for the page itself. A link on another site may lead to it. */
  readonly isPage: boolean
}

/** Why a request is rejected, and the HTTP status. */
export interface Refusal {
  readonly status: number
  readonly message: string
}

/**
 * Rejects requests that do not come from a browser on this machine, or that another site in that browser sends. A name that an
 * attacker makes resolve to 127.0.0.1 (DNS rebinding) is in the `Host` header, and does not name this machine.
 *
 * @param allowedHosts Names, with their port unless it is the default one, that are allowed in addition to this machine. Then a proxy, or
 * another machine, may ask too.
 */
export function refusalOf(asked: Asked, allowedHosts: readonly string[]): Refusal | undefined {
  const { method, hosts, origin, fetchSite, contentType, isPage } = asked
  if (hosts.length === 0) return { status: 400, message: 'There is no Host header.' }
  const isAllowed = hosts.every((host) => allowedHosts.includes(host.toLowerCase()))
  if (!isAllowed && !hosts.every(isLoopbackHost)) {
    return {
      status: 403,
      message: 'The Host header does not name this machine. To allow another host, use the option allowedHosts.',
    }
  }
  if (!isAllowed && (asked.isForwarded || !isLoopbackAddress(asked.remoteAddress))) {
    return {
      status: 403,
      message: 'The console accepts connections from this machine only. To allow a host, use the option allowedHosts.',
    }
  }
  if (origin !== undefined && !hosts.some((host) => isOriginOf(origin, host))) {
    return { status: 403, message: 'The Origin header names another site.' }
  }
  const isSameSite = fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none'
  if (!isSameSite && !isPage) return { status: 403, message: 'The request comes from another site.' }
  if (method === 'GET') return undefined
  if (method !== 'POST') return { status: 405, message: 'The method must be GET or POST.' }
  // A form of another site cannot send JSON, and cannot omit the Origin header.
  if (origin === undefined) return { status: 403, message: 'There is no Origin header.' }
  if (!/^application\/json\b/i.test(contentType ?? '')) return { status: 415, message: 'The body must be JSON.' }
  return undefined
}

/** Headers that proxies, tunnels and CDNs add, by lower-case name. A browser adds none of them. */
export function isProxyHeader(name: string): boolean {
  return /^(?:forwarded|via|x-forwarded-.+|x-real-ip|true-client-ip|.+-connecting-ip)$/.test(name)
}

/** `localhost`, `127.0.0.1` or `[::1]`, with any port. */
export function isLoopbackHost(host: string): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i.test(host)
}

/** Undefined is accepted: only the Host header is known then. */
function isLoopbackAddress(address: string | undefined): boolean {
  return address === undefined || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$|^::1$/i.test(address)
}

function isOriginOf(origin: string, host: string): boolean {
  return (
    origin.toLowerCase() === `http://${host.toLowerCase()}` || origin.toLowerCase() === `https://${host.toLowerCase()}`
  )
}

/** Compares in constant time, so that the duration does not reveal how much of a guess is right. */
export function isSameToken(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}
