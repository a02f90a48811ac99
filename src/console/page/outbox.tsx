import { useEffect, useState } from 'preact/hooks'
import type { OutboxState } from '../wire.ts'
import { changeOutbox, readOutbox } from './api.ts'
import { dateOf, durationOf } from './format.ts'

const REFRESH_MS = 2_000

export function OutboxView({ show }: { readonly show: boolean }) {
  const [state, setState] = useState<OutboxState | undefined>()
  const [said, setSaid] = useState('')
  const take = (read: Promise<OutboxState>, done = '') =>
    read.then(
      (next) => {
        setState(next)
        setSaid(done)
      },
      (error: Error) => setSaid(error.message),
    )
  useEffect(() => {
    void take(readOutbox(show))
    const timer = setInterval(() => void readOutbox(show).then(setState, () => {}), REFRESH_MS)
    return () => clearInterval(timer)
  }, [show])
  if (state === undefined)
    return (
      <section class="detail" aria-label="Outbox">
        <p role="status">{said}</p>
      </section>
    )
  const { waiting, inFlight, failed, oldestWaitingMs, failures } = state
  return (
    <section class="detail" aria-label="Outbox">
      <h2>Outbox</h2>
      <dl class="figures">
        <div>
          <dt>waiting</dt>
          <dd>{waiting.toLocaleString('en')}</dd>
        </div>
        <div>
          <dt>in flight</dt>
          <dd>{inFlight.toLocaleString('en')}</dd>
        </div>
        <div>
          <dt>failed</dt>
          <dd class={failed > 0 ? 'wrong' : ''}>{failed.toLocaleString('en')}</dd>
        </div>
        <div>
          <dt>oldest waits</dt>
          <dd>{oldestWaitingMs === undefined ? '–' : durationOf(oldestWaitingMs)}</dd>
        </div>
      </dl>
      <p role="status">{said}</p>
      <h3>Failed</h3>
      {failures.length === 0 && <p class="quiet">Nothing has failed.</p>}
      {failures.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Order</th>
                <th scope="col">Failed</th>
                <th scope="col">Attempts</th>
                <th scope="col">Why</th>
                <th scope="col">
                  <span class="hidden">What to do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {failures.map((item) => (
                <tr key={item.id}>
                  <td>{item.order ?? item.requestId}</td>
                  <td class="mono">{dateOf(item.failedAt)}</td>
                  <td>{item.attempts}</td>
                  <td>
                    <code>{item.code}</code>
                  </td>
                  <td class="buttons">
                    <button
                      type="button"
                      aria-label={`Retry ${item.order ?? item.requestId}`}
                      onClick={() => void take(changeOutbox('retry', item.id, show), 'The order is queued again.')}
                    >
                      Retry
                    </button>
                    <Discard
                      name={item.order ?? item.requestId}
                      onConfirmed={() => void take(changeOutbox('discard', item.id, show), 'The order is discarded.')}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

/** Asks for confirmation: a discarded order is never sent. */
function Discard({ name, onConfirmed }: { readonly name: string; readonly onConfirmed: () => void }) {
  const [isAsking, setAsking] = useState(false)
  return isAsking ? (
    <button
      type="button"
      class="danger"
      aria-label={`Discard ${name} for good`}
      onClick={onConfirmed}
      onBlur={() => setAsking(false)}
    >
      Discard for good
    </button>
  ) : (
    <button type="button" aria-label={`Discard ${name}`} onClick={() => setAsking(true)}>
      Discard
    </button>
  )
}
