import type { Entry } from './entry.ts'
import type { Ring } from './ring.ts'
import type { About, Batch, Row } from './wire.ts'

/** The connection of one page. */
export interface Sink {
  readonly send: (text: string) => void
  /** Whether the page has not read what was sent. */
  readonly isFull: () => boolean
  readonly end: () => void
}

/** How long changes are collected: at 10,000 deliveries a minute, a page redraws 4 times a second. */
const COLLECT_MS = 250
/**
 * The most rows in one message: more than 10,000 deliveries a minute need. Above that rate, the page skips rows that the ring has
 * dropped, so that the cost of an open page is bounded.
 */
const MAX_ROWS = 45
/** The most rows in one message while a page gets what was there when it opened. */
const MAX_FIRST_ROWS = 500
/** A comment line, which detects closed connections. */
const HEARTBEAT_MS = 15_000
/** A page that has read nothing at this many heartbeats is disconnected: it would hold its place and its buffer forever. */
const MAX_MISSED = 3
/** The maximum number of open pages. */
export const MAX_PAGES = 16

interface Page {
  readonly sink: Sink
  readonly show: boolean
  /** The version of the ring when the page opened. */
  readonly openedAt: number
  /** Everything up to this version is sent. */
  sent: number
  /** Heartbeats since the page was last able to read. */
  missed: number
}

interface Source {
  readonly ring: Ring
  readonly about: () => About
  readonly toRow: (entry: Entry, options: { readonly show: boolean }) => Row
}

/**
 * Sends changed rows to open pages. A page has no queue: unsent rows are in the ring, and a slow page gets the newest version of
 * each row that the ring still has.
 */
export function createHub({ ring, about, toRow }: Source) {
  const pages = new Set<Page>()
  let timer: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined
  let isClosed = false

  function flush(): void {
    timer = undefined
    for (const page of pages) if (isReading(page)) sendChanges(page)
    scheduleIfBehind()
  }

  function beat(): void {
    for (const page of pages) {
      if (isReading(page)) page.sink.send(': still here\n\n')
      else if (++page.missed === MAX_MISSED) {
        remove(page)
        page.sink.end()
      }
    }
  }

  function isReading(page: Page): boolean {
    if (page.sink.isFull()) return false
    page.missed = 0
    return true
  }

  function remove(page: Page): void {
    pages.delete(page)
    if (pages.size > 0) return
    clearInterval(heartbeat)
    heartbeat = undefined
  }

  function sendChanges(page: Page): void {
    const changed = ring.since(page.sent).slice(0, page.sent < page.openedAt ? MAX_FIRST_ROWS : MAX_ROWS)
    page.sent = changed.at(-1)?.version ?? ring.version()
    const batch: Batch = { rows: changed.map((entry) => toRow(entry, page)) }
    if (changed.length > 0) page.sink.send(eventOf('rows', batch))
  }

  function schedule(): void {
    if (timer !== undefined || pages.size === 0) return
    timer = setTimeout(flush, COLLECT_MS)
    timer.unref()
  }

  function scheduleIfBehind(): void {
    if ([...pages].some(({ sent }) => sent < ring.version())) schedule()
  }

  const isFull = () => isClosed || pages.size >= MAX_PAGES

  return {
    size: () => pages.size,
    isFull,
    /** Returns a function that ends the stream. */
    open(sink: Sink, { show }: { readonly show: boolean }): () => void {
      // Other pages may have opened, or the console may have closed, since the request arrived.
      if (isFull()) {
        sink.end()
        return () => {}
      }
      const page: Page = { sink, show, openedAt: ring.version(), sent: 0, missed: 0 }
      pages.add(page)
      heartbeat ??= setInterval(beat, HEARTBEAT_MS).unref()
      sink.send(`retry: 1000\n${eventOf('about', about())}`)
      sendChanges(page)
      scheduleIfBehind()
      return () => remove(page)
    },
    /** Called after a change of the ring. */
    changed: schedule,
    close(): void {
      isClosed = true
      clearTimeout(timer)
      for (const page of pages) {
        remove(page)
        page.sink.end()
      }
    },
  }
}

export type Hub = ReturnType<typeof createHub>

/** JSON has no line break, so that a message is one line. */
const eventOf = (name: string, value: unknown) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`
