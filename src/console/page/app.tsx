import { useEffect, useRef, useState } from 'preact/hooks'
import { ChartsView } from './charts.tsx'
import { DeliveryView } from './delivery.tsx'
import { Inbox } from './inbox.tsx'
import { isTyping } from './keys.ts'
import { OrderView } from './order.tsx'
import { OutboxView } from './outbox.tsx'
import { SendView } from './send.tsx'
import { useDeliveries } from './use-deliveries.ts'
import { useRoute } from './use-route.ts'

const TABS = [
  ['inbox', 'Inbox'],
  ['send', 'Send'],
  ['charts', 'Charts'],
  ['outbox', 'Outbox'],
] as const

export function App() {
  // Kept in memory only: another tab masks again, and so does this tab after a reload.
  const [show, setShow] = useState(false)
  const { about, rows, isLive } = useDeliveries(show)
  const { view, id } = useRoute()
  const help = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (event.key === '?') help.current?.showModal()
      else if (event.key === 'm') setShow((before) => !before)
      else if (event.key === 'g') location.hash = 'inbox'
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const tabs = TABS.filter(([name]) =>
    name === 'outbox' ? about?.hasOutbox : name === 'charts' ? about?.hasHandler : true,
  )
  const isInbox = view === 'inbox' || view === 'delivery' || view === 'order'
  return (
    <>
      <header class="bar">
        <h1>Order sync console</h1>
        <nav aria-label="Views">
          {tabs.map(([name, title]) => (
            <a
              key={name}
              href={`#${name}`}
              aria-current={(name === 'inbox' ? isInbox : view === name) ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <span class={`live ${isLive ? 'on' : ''}`} role="status">
          {isLive ? 'live' : 'not connected'}
          {about?.isRecording ? ', recording' : ''}
        </span>
        <button type="button" aria-pressed={show} onClick={() => setShow(!show)} title="Key: m. For this tab only.">
          Customer data: {show ? 'shown' : 'masked'}
        </button>
        <button type="button" onClick={() => help.current?.showModal()} aria-label="Keyboard shortcuts" title="Key: ?">
          ?
        </button>
      </header>
      <main class={isInbox && view !== 'inbox' ? 'split' : ''}>
        {isInbox && <Inbox rows={rows} openId={view === 'delivery' ? id : ''} />}
        {view === 'delivery' && (
          <DeliveryView id={id} show={show} version={rows.find((row) => row.id === id)?.version} />
        )}
        {view === 'order' && <OrderView rows={rows.filter((row) => row.group === id)} />}
        {view === 'send' && about && <SendView about={about} />}
        {view === 'charts' && <ChartsView />}
        {view === 'outbox' && <OutboxView show={show} />}
      </main>
      <dialog ref={help} aria-labelledby="help-title">
        <h2 id="help-title">Keyboard shortcuts</h2>
        <dl class="keys">
          <dt>j / k</dt>
          <dd>next and previous delivery</dd>
          <dt>Enter</dt>
          <dd>open the delivery</dd>
          <dt>/</dt>
          <dd>filter by text</dd>
          <dt>g</dt>
          <dd>back to the inbox</dd>
          <dt>p</dt>
          <dd>pause the inbox</dd>
          <dt>m</dt>
          <dd>show or mask customer data</dd>
          <dt>?</dt>
          <dd>this help</dd>
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  )
}
