import { useEffect, useState } from 'preact/hooks'
import type { Detail, SentResult, ShownHeader, Span, Verdict } from '../wire.ts'
import { readCopy, readDetail, replay } from './api.ts'
import { BytesView, VisibleText } from './bytes.tsx'
import { dateOf, durationOf, toneOf } from './format.ts'
import { Results } from './results.tsx'

interface Props {
  readonly id: string
  readonly show: boolean
  /** Changes when the delivery does. */
  readonly version: number | undefined
}

export function DeliveryView({ id, show, version }: Props) {
  const [read, setRead] = useState<{ readonly detail: Detail; readonly show: boolean } | undefined>()
  const [problem, setProblem] = useState<string | undefined>()
  // Masked data must not stay on the screen until the next response.
  const detail = read?.detail.row.id === id && read.show === show ? read.detail : undefined
  const isGone = detail !== undefined && version === undefined
  useEffect(() => {
    // At a high rate a delivery leaves the console within seconds: keep what the reader has open.
    if (isGone) return
    setProblem(undefined)
    let isCurrent = true
    readDetail(id, show).then(
      (next) => {
        if (isCurrent) setRead({ detail: next, show })
      },
      (error: Error) => isCurrent && setProblem(error.message),
    )
    return () => {
      isCurrent = false
    }
  }, [id, show, version])
  if (detail !== undefined) return <Delivery key={id} detail={detail} show={show} isGone={isGone} />
  return problem === undefined ? (
    <section class="detail" aria-busy="true" aria-label="Delivery" />
  ) : (
    <section class="detail">
      <p class="empty" role="alert">
        {problem}
      </p>
    </section>
  )
}

interface DeliveryProps {
  readonly detail: Detail
  readonly show: boolean
  /** Whether the console has dropped the delivery since it was read. */
  readonly isGone: boolean
}

function Delivery({ detail, show, isGone }: DeliveryProps) {
  const { row, request, verdict, fix, spans, signed, body, plaintext, response, events } = detail
  const isIn = row.direction === 'in'
  return (
    <section class="detail" aria-label="Delivery">
      <div class="title">
        <a href="#inbox" class="back">
          ← Inbox
        </a>
        <h2>
          <span class={`badge ${toneOf(row.kind)}`}>{row.kind}</span> {row.order ?? 'unknown order'}
        </h2>
        <p class="quiet">
          {isIn ? 'arrived' : 'sent'} {dateOf(row.at)} · {row.code} · HTTP {row.status ?? '–'} ·{' '}
          {durationOf(row.durationMs)}
          {row.isClaimed ? ' · the order number is not verified' : ''}
        </p>
        {isGone ? (
          <p role="status">This delivery is not in the console any more. The page shows what it read before.</p>
        ) : (
          <Actions detail={detail} show={show} />
        )}
      </div>
      {fix !== undefined && (
        <div class="fix" role="note">
          <h3>How to fix it</h3>
          <p>
            {verdict?.causes[0] && <code>{verdict.causes[0].code}</code>} {fix}
          </p>
        </div>
      )}
      <h3>Timeline</h3>
      <Timeline spans={spans} />
      {verdict && <VerdictView verdict={verdict} isIn={isIn} />}
      <h3>Decision</h3>
      <Decision detail={detail} />
      <h3>Request</h3>
      <p class="mono line">
        {request.method} {request.path}
      </p>
      <Headers headers={request.headers} label="Request headers" />
      {signed && (
        <>
          <h3>Signed content</h3>
          <p class="quiet">
            The signature must cover this text
            {verdict ? (
              <>
                {' '}
                · SHA-256 <code class="hash">{verdict.sha256}</code>
              </>
            ) : null}
          </p>
          <BytesView bytes={signed} label="Signed content" />
        </>
      )}
      <h3>Body as sent</h3>
      <BytesView bytes={body} label="Body as sent" />
      {plaintext && (
        <>
          <h3>Body after decryption</h3>
          <BytesView bytes={plaintext} label="Body after decryption" />
        </>
      )}
      {response && (
        <>
          <h3>Response: HTTP {response.status}</h3>
          <Headers headers={response.headers} label="Response headers" />
          <BytesView bytes={response.body} label="Response body" />
        </>
      )}
      <h3>Events</h3>
      {events.map((event, index) => (
        <pre class="box" key={index}>
          {JSON.stringify(event, null, 2)}
        </pre>
      ))}
    </section>
  )
}

function Actions({ detail, show }: { readonly detail: Detail; readonly show: boolean }) {
  const { row, replay: can } = detail
  const [results, setResults] = useState<readonly SentResult[] | undefined>()
  const [said, setSaid] = useState('')
  const run = async (mode: 'same' | 'signed') => {
    setSaid('')
    setResults((await replay(row.id, mode).catch((error: Error) => ({ results: [{ error: error.message }] }))).results)
  }
  const copy = async (kind: 'curl' | 'fixture', name: string) => {
    setResults(undefined)
    try {
      const { text } = await readCopy(row.id, kind)
      await navigator.clipboard.writeText(text)
      setSaid(`Copied ${name}. It contains customer data and the whole signature.`)
    } catch (error) {
      setSaid(`Not copied: ${(error as Error).message}`)
    }
  }
  const hint = show ? undefined : 'Show customer data first (key m): the copy contains it.'
  return (
    <div class="actions">
      {can.same && (
        <button
          type="button"
          onClick={() => run('same')}
          title="Sends the same bytes. They are rejected once they are older than the tolerance."
        >
          Replay
        </button>
      )}
      {can.signed && (
        <button type="button" onClick={() => run('signed')} title="Sends the same order with a new time and signature.">
          {row.direction === 'in' ? 'Replay, sign again' : 'Send again'}
        </button>
      )}
      <button type="button" disabled={!show} title={hint} onClick={() => copy('curl', 'a curl command')}>
        Copy as curl
      </button>
      <button type="button" disabled={!show} title={hint} onClick={() => copy('fixture', 'a test fixture')}>
        Copy as test fixture
      </button>
      {row.group !== undefined && <a href={`#order/${row.group}`}>All events of this order</a>}
      <span role="status">{said}</span>
      {results && <Results results={results} />}
    </div>
  )
}

/** Bars to scale. A step that took less than a thousandth is drawn as a line. */
function Timeline({ spans }: { readonly spans: readonly Span[] }) {
  const total = Math.max(0.001, ...spans.map(({ to }) => to))
  if (spans.length === 0) return <p class="quiet">Nothing was measured.</p>
  return (
    <ol class="timeline">
      {spans.map(({ name, from, to }, index) => (
        <li key={index}>
          <span>{name}</span>
          <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
            <rect x={(from / total) * 1000} width={Math.max(2, ((to - from) / total) * 1000)} height="10" />
          </svg>
          <span class="mono number">{durationOf(to - from)}</span>
        </li>
      ))}
    </ol>
  )
}

function VerdictView({ verdict, isIn }: { readonly verdict: Verdict; readonly isIn: boolean }) {
  const { verified, causes, error, notes, issues, time, signature, key, foundText, trials } = verdict
  return (
    <>
      <h3>Verdict on the {isIn ? 'request' : 'response'}</h3>
      <dl class="facts">
        <dt>Headers, time and signature</dt>
        <dd class={verified ? 'ok' : 'wrong'}>{verified ? 'accepted' : `rejected: ${error?.message ?? ''}`}</dd>
        {time && (
          <>
            <dt>{time.header}</dt>
            <dd>
              {time.text}
              {time.ageSeconds !== undefined &&
                `, ${Math.abs(time.ageSeconds)} s ${time.ageSeconds < 0 ? 'ahead of' : 'behind'} the clock`}
              {time.isFresh ? '' : ': outside the clock tolerance'}
            </dd>
          </>
        )}
        {signature && (
          <>
            <dt>Signature</dt>
            <dd>
              {signature.algorithm ?? 'cannot be read'}
              {signature.keyVersion !== undefined && `, key version ${signature.keyVersion}`}
              {signature.bytes !== undefined && `, ${signature.bytes} bytes`}
            </dd>
          </>
        )}
        {key && (
          <>
            <dt>Key of the sender</dt>
            <dd>
              version {key.version}, {key.algorithm}
              {key.fingerprint !== undefined && (
                <>
                  , <code class="hash">{key.fingerprint}</code>
                </>
              )}
            </dd>
          </>
        )}
      </dl>
      {causes.length > 0 && (
        <ol class="causes">
          {causes.map(({ code, fix }) => (
            <li key={code}>
              <code>{code}</code> {fix}
            </li>
          ))}
        </ol>
      )}
      {foundText !== undefined && (
        <>
          <p class="quiet">The signature covers this text:</p>
          <pre class="box">
            <VisibleText text={foundText} />
          </pre>
        </>
      )}
      {issues.length > 0 && (
        <ul class="causes">
          {issues.map(({ pointer, expected }) => (
            <li key={pointer + expected}>
              {pointer === '' ? (
                expected
              ) : (
                <>
                  <code>{pointer}</code> must be {expected}
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      {notes.length > 0 && (
        <ul class="notes">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {trials > 0 && <p class="quiet">{trials.toLocaleString('en')} texts were compared with the signature.</p>}
    </>
  )
}

function Decision({ detail: { row } }: { readonly detail: Detail }) {
  const { eventTime, lastEventTime, contentDiffers } = row
  return (
    <dl class="facts">
      <dt>Outcome</dt>
      <dd>
        {row.kind}, {row.code}
        {row.resultCode !== undefined && row.resultCode !== row.code && `, result ${row.resultCode}`}
      </dd>
      {row.message !== undefined && (
        <>
          <dt>Message</dt>
          <dd>{row.message}</dd>
        </>
      )}
      {eventTime !== undefined && (
        <>
          <dt>orderModifyTime</dt>
          <dd>
            {dateOf(eventTime)}, {durationOf(row.at - eventTime)} before it arrived
          </dd>
        </>
      )}
      {lastEventTime !== undefined && (
        <>
          <dt>Last processed event</dt>
          <dd>
            {dateOf(lastEventTime)}
            {eventTime !== undefined &&
              (lastEventTime > eventTime ? `, ${durationOf(lastEventTime - eventTime)} later` : ', the same time')}
            {contentDiffers === true && '. Its content differs'}
          </dd>
        </>
      )}
      {row.clockSkewMs !== undefined && (
        <>
          <dt>Clock of the sender</dt>
          <dd>
            {durationOf(Math.abs(row.clockSkewMs))} {row.clockSkewMs < 0 ? 'behind' : 'ahead'}
          </dd>
        </>
      )}
      {(['requestId', 'tracerId', 'clientId'] as const).map(
        (name) =>
          row[name] !== undefined && (
            <>
              <dt>{name}</dt>
              <dd class="mono">{row[name]}</dd>
            </>
          ),
      )}
      {row.attempts !== undefined && (
        <>
          <dt>Attempts</dt>
          <dd>{row.attempts}</dd>
        </>
      )}
    </dl>
  )
}

function Headers({ headers, label }: { readonly headers: readonly ShownHeader[]; readonly label: string }) {
  return (
    <table class="headers" aria-label={label}>
      <tbody>
        {headers.map(({ name, value }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
