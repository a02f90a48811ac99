import type { EncryptionOptions } from '../crypto/envelope.ts'
import { explainRequest } from '../diagnosis/explain.ts'
import type { Explanation } from '../diagnosis/explanation.ts'
import { maskBody } from '../diagnosis/visible.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { signedContent } from '../protocol/signed-content.ts'
import type { Credentials } from '../secure-message/credentials.ts'
import type { Entry, EntryMessage } from './entry.ts'
import { shownBytes, shownHeaderOf } from './mask.ts'
import type { Detail, Row, ShownBytes, Span, Verdict } from './wire.ts'

/** What an explanation needs in addition to the entry. */
export interface ExplainContext {
  readonly show: boolean
  /** The credentials of the side that received the message. Undefined when the caller is not known. */
  readonly credentials: Credentials | undefined
  readonly encryption: EncryptionOptions | undefined
  readonly clockToleranceSeconds: number | undefined
  readonly replay: Detail['replay']
}

/** Everything about an entry. */
export async function toDetail(entry: Entry, row: Row, context: ExplainContext): Promise<Detail> {
  const { show } = context
  const { request, response, plaintext } = entry
  const isEncrypted = request.headers().some(([name]) => name === 'encrypt')
  const verdict = await explain(entry, context).catch(() => undefined)
  const signed = shownSigned(entry, context)
  const fix = fixOf(entry, row, verdict)
  return {
    row,
    request: {
      method: entry.method,
      path: show ? entry.path : hideQuery(entry.path),
      headers: request.headers().map((header) => shownHeaderOf(header, { show })),
    },
    spans: entry.direction === 'in' ? deliverySpans(entry) : attemptSpans(entry),
    ...(signed && { signed }),
    body: shownBytes(request.body, request.bodySize, { show }),
    ...(plaintext && isEncrypted && { plaintext: shownBytes(plaintext, plaintext.length, { show }) }),
    ...(response && {
      response: {
        status: response.status,
        headers: response.headers().map((header) => shownHeaderOf(header, { show })),
        body: shownBytes(response.body, response.bodySize, { show }),
      },
    }),
    ...(verdict && { verdict }),
    ...(fix !== undefined && { fix }),
    events: entry.events.map(({ logged }) => logged),
    replay: context.replay,
  }
}

/** Explains the message that this side has received: the request of a delivery, the response to a sync. */
async function explain(entry: Entry, { show, credentials, ...options }: ExplainContext): Promise<Verdict | undefined> {
  const { direction, request, response, signedPath, path } = entry
  const received: EntryMessage | undefined = direction === 'in' ? request : response
  if (credentials === undefined || received?.body === undefined) return undefined
  const captured = {
    method: entry.method,
    path: signedPath ?? path,
    headers: received.headers(),
    body: received.body,
    ...(direction === 'out' && response && { status: response.status }),
  }
  const explanation = await explainRequest(captured, credentials, {
    direction: direction === 'in' ? 'request' : 'response',
    path: signedPath ?? path,
    now: () => entry.at,
    showData: show,
    encryption: options.encryption,
    clockToleranceSeconds: options.clockToleranceSeconds,
  })
  return toVerdict(explanation)
}

function toVerdict(explanation: Explanation): Verdict {
  const { verified, causes, error, notes, issues, time, signature, key, signed, trials } = explanation
  return {
    ...{ verified, causes, notes, issues, trials },
    sha256: signed.sha256,
    ...(error && { error }),
    ...(time && { time }),
    ...(signature && { signature }),
    ...(key && { key }),
    ...(signed.found !== undefined && { foundText: signed.found }),
  }
}

/** The suggested fix, in words: from the diagnosis, otherwise from the broken rules, otherwise from the event. */
function fixOf({ events }: Entry, row: Row, verdict: Verdict | undefined): string | undefined {
  const isFine = ['processed', 'replay', 'duplicate', 'stale', 'succeeded', 'attempt'].includes(row.kind)
  if (isFine && row.code !== 'SUCCESS' && row.contentDiffers !== true) return undefined
  if (isFine) {
    return row.contentDiffers
      ? 'The content differs from the processed event, but the time is not later. Send each change with a later orderModifyTime.'
      : undefined
  }
  const [cause] = verdict?.causes ?? []
  if (cause !== undefined) return cause.fix
  const [issue] = verdict?.verified ? verdict.issues : []
  if (issue !== undefined) return issue.pointer === '' ? issue.expected : `${issue.pointer} must be ${issue.expected}.`
  const message = events.findLast(({ logged }) => typeof logged['message'] === 'string')?.logged['message']
  return typeof message === 'string' ? message : undefined
}

/** The first two lines contain no customer data, except for a query string. */
function shownSigned(entry: Entry, { show, credentials }: ExplainContext): ShownBytes | undefined {
  const { direction, request, response, signedPath, path } = entry
  const received = direction === 'in' ? request : (response ?? request)
  const name = received === response ? 'response-time' : 'request-time'
  const time = received.headers().find(([known]) => known === name)?.[1]
  if (time === undefined || received.body === undefined || credentials === undefined) return undefined
  const method = direction === 'in' ? entry.method : ORDER_SYNC_METHOD
  const { clientId } = credentials
  const signedHead = { method, path: signedPath ?? path, clientId, time }
  const { length } = signedContent(signedHead, received.body)
  const shownHead = { ...signedHead, path: show ? signedHead.path : hideQuery(signedHead.path) }
  const shown = signedContent(shownHead, show ? received.body : maskBody(received.body))
  return { ...shownBytes(shown, length, { show: true }), isMasked: !show }
}

const hideQuery = (path: string) => path.replace(/=[^&]*/g, '=…')

/** The phase that ends with a step. */
const NAMES: Readonly<Record<string, string>> = {
  received: 'arrived',
  verified: 'verified',
  decrypted: 'decrypted',
  validated: 'validated',
  decided: 'decided by the store',
  onOrder: 'prepared',
  onOrderEnded: 'onOrder',
  stored: 'stored',
  concluded: 'outcome known',
  responded: 'responded',
}

function deliverySpans(entry: Entry): Span[] {
  const steps = entry.steps()
  // An outcome that another step has set has no separate duration.
  const own = steps.filter(
    ({ step }, index) => step !== 'concluded' || !/^(?:stored|decided)$/.test(steps[index - 1]?.step ?? ''),
  )
  return own.map(({ step, at }, index) => ({ name: NAMES[step] ?? step, from: own[index - 1]?.at ?? 0, to: at }))
}

function attemptSpans({ attempts }: Entry): Span[] {
  return attempts.flatMap(({ from, signedAt, receivedAt, to }, index) => {
    const attempt = attempts.length > 1 ? ` (attempt ${index + 1})` : ''
    const spans: Span[] = []
    let last = from
    for (const [name, at] of [
      ['signed', signedAt],
      ['response arrived', receivedAt],
      ['response verified', to],
    ] as const) {
      if (at === undefined) continue
      spans.push({ name: name + attempt, from: last, to: at })
      last = at
    }
    return spans
  })
}
