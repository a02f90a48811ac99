import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Row } from '../wire.ts'
import { durationOf, timeOf, toneOf } from './format.ts'
import { isTyping } from './keys.ts'
import { openDelivery } from './use-route.ts'

export function Inbox({ rows, openId }: { readonly rows: readonly Row[]; readonly openId: string }) {
  const [text, setText] = useState('')
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const [paused, setPaused] = useState<readonly Row[] | undefined>()
  const search = useRef<HTMLInputElement>(null)
  const body = useRef<HTMLTableSectionElement>(null)
  const current = paused ?? rows
  const kinds = useMemo(() => countKinds(current), [current])
  const shown = current.filter((row) => !hidden.has(row.kind) && matches(row, text))

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && event.target === search.current) {
        setText('')
        search.current?.blur()
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (event.key === '/') search.current?.focus()
      else if (event.key === 'j' || event.key === 'k') moveFocus(body.current, event.key === 'j' ? 1 : -1)
      else if (event.key === 'p') setPaused((before) => (before === undefined ? rows : undefined))
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [rows])

  const toggle = (kind: string) => {
    const next = new Set(hidden)
    if (!next.delete(kind)) next.add(kind)
    setHidden(next)
  }

  return (
    <section class="inbox" aria-label="Inbox">
      <div class="filters">
        <input
          ref={search}
          type="search"
          placeholder="Filter: order, code, request id … ( / )"
          aria-label="Filter by text"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="button" aria-pressed={paused !== undefined} onClick={() => setPaused(paused ? undefined : rows)}>
          {paused ? 'Paused' : 'Pause'}
        </button>
        <fieldset class="chips">
          <legend class="hidden">Kinds that are shown</legend>
          {[...kinds].map(([kind, count]) => (
            <button
              type="button"
              key={kind}
              class={`chip ${toneOf(kind)}`}
              aria-pressed={!hidden.has(kind)}
              onClick={() => toggle(kind)}
            >
              {kind} {count}
            </button>
          ))}
        </fieldset>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must be reachable by keyboard. */}
      <section class="scroll" tabIndex={0} aria-label="Deliveries, newest first">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Kind</th>
              <th scope="col">Order</th>
              <th scope="col" class="wide">
                HTTP
              </th>
              <th scope="col">Code</th>
              <th scope="col" class="number">
                Took
              </th>
            </tr>
          </thead>
          <tbody ref={body}>
            {shown.map((row) => (
              <Line key={row.id} row={row} isOpen={row.id === openId} />
            ))}
          </tbody>
        </table>
        {current.length === 0 && (
          <p class="empty">No deliveries yet. A delivery appears here as soon as it has a response.</p>
        )}
        {current.length > 0 && shown.length === 0 && <p class="empty">No delivery matches the filter.</p>}
      </section>
    </section>
  )
}

function Line({ row, isOpen }: { readonly row: Row; readonly isOpen: boolean }) {
  return (
    <tr class={isOpen ? 'open' : ''} onClick={() => openDelivery(row.id)}>
      <td class="mono">{timeOf(row.at)}</td>
      <td>
        <span class={`badge ${toneOf(row.kind)}`}>
          {row.direction === 'out' && <span title="sent by your client">↗ </span>}
          {row.kind}
        </span>
      </td>
      <td class="order">
        <a href={`#delivery/${row.id}`} aria-current={isOpen ? 'true' : undefined}>
          {row.order ?? 'unknown order'}
        </a>
        {row.isClaimed && row.order !== undefined && (
          <span class="quiet" title="The message did not verify: anyone could have sent this number.">
            {' '}
            ?<span class="hidden"> (not verified)</span>
          </span>
        )}
      </td>
      <td class="wide mono">{row.status ?? '–'}</td>
      <td class="code" title={row.message}>
        {row.code.split('_').map((word, index) => (
          <>
            {index > 0 && (
              <>
                _<wbr />
              </>
            )}
            {word}
          </>
        ))}
      </td>
      <td class="number mono">{durationOf(row.durationMs)}</td>
    </tr>
  )
}

function countKinds(rows: readonly Row[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { kind } of rows) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Every word must be somewhere in the row. */
function matches(row: Row, text: string): boolean {
  const { kind, code, order, requestId, tracerId, clientId, status, orderStatus, resultCode } = row
  const all = [kind, code, order, requestId, tracerId, clientId, status, orderStatus, resultCode]
    .join(' ')
    .toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word))
}

/** Moves the focus by one row: screen readers follow, and Enter opens the link. */
function moveFocus(body: HTMLElement | null, step: 1 | -1): void {
  const links = [...(body?.querySelectorAll('a') ?? [])]
  const at = links.findIndex(
    (link) => link === document.activeElement || link.closest('tr')?.classList.contains('open'),
  )
  const focused = links.indexOf(document.activeElement as HTMLAnchorElement)
  const from = focused >= 0 ? focused : at
  const next = from < 0 ? 0 : Math.min(links.length - 1, Math.max(0, from + step))
  links[next]?.focus()
}
