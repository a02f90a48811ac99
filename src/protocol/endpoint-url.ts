import { ENVIRONMENTS, type Environment, ORDER_SYNC_PATH } from './endpoint.ts'

/** The options that select an endpoint. */
interface UrlOptions {
  readonly url?: string | URL | undefined
  readonly environment?: Environment | undefined
  readonly allowInsecureUrl: boolean
}

/**
 * The URL of an endpoint: an origin gets the path of the API.
 *
 * @throws TypeError if it is not a URL, or if its traffic is not encrypted
 */
export function resolveUrl({ url, environment, allowInsecureUrl }: UrlOptions): URL {
  if ((url === undefined) === (environment === undefined)) throw new TypeError('Give either "environment" or "url"')
  const given = String(environment === undefined ? url : ENVIRONMENTS[environment])
  if (!URL.canParse(given)) throw new TypeError('"url" is not a URL')
  const resolved = new URL(given)
  if (!/^https?:$/.test(resolved.protocol) || resolved.username !== '' || resolved.password !== '') {
    throw new TypeError('"url" must be an http or https URL without user name and password')
  }
  if (resolved.protocol === 'http:' && !allowInsecureUrl && !isLoopback(resolved.hostname)) {
    throw new TypeError(
      '"url" is http: everyone on the network path can read the orders. Use https, or set "allowInsecureUrl" to true',
    )
  }
  if (resolved.pathname === '/') resolved.pathname = ORDER_SYNC_PATH
  resolved.hash = ''
  return resolved
}

/** The URL parser normalizes every IPv4 address to four numbers, and IPv6 to its shortest form. */
function isLoopback(hostname: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}
