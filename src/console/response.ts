import type { Sink } from './stream.ts'

/** A response of the console. A stream receives the sink of its page, and returns a function that ends it. */
export interface ConsoleResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | ((sink: Sink) => () => void)
}

/** Headers of every response: no other site may store, frame or read the console. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-Robots-Tag': 'noindex',
} as const

export function json(status: number, value: unknown): ConsoleResponse {
  return {
    status,
    headers: { ...HEADERS, 'Content-Type': 'application/json; charset=UTF-8' },
    body: JSON.stringify(value),
  }
}

export function text(status: number, message: string): ConsoleResponse {
  return { status, headers: { ...HEADERS, 'Content-Type': 'text/plain; charset=UTF-8' }, body: `${message}\n` }
}

export function redirect(location: string): ConsoleResponse {
  return { ...text(308, 'Open the address with a slash at the end.'), headers: { ...HEADERS, Location: location } }
}

export function eventStream(body: (sink: Sink) => () => void): ConsoleResponse {
  // A proxy must not buffer the events.
  const headers = { ...HEADERS, 'Content-Type': 'text/event-stream; charset=UTF-8', 'X-Accel-Buffering': 'no' }
  return { status: 200, headers, body }
}

/** The page. Its one script and its one style sheet are allowed by their hashes, and nothing else runs. */
export function page(
  html: string,
  { script, style }: { readonly script: string; readonly style: string },
): ConsoleResponse {
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${script}'`,
    `style-src 'sha256-${style}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]
  return {
    status: 200,
    headers: { ...HEADERS, 'Content-Security-Policy': policy.join('; '), 'Content-Type': 'text/html; charset=UTF-8' },
    body: html,
  }
}
