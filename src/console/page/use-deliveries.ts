import { useEffect, useState } from 'preact/hooks'
import type { About, Batch, Row } from '../wire.ts'

export interface Deliveries {
  readonly about: About | undefined
  /** Newest first. */
  readonly rows: readonly Row[]
  readonly isLive: boolean
}

/**
 * The live rows of the inbox. EventSource reconnects automatically.
 *
 * @param show Whether customer data is shown: another stream, so that masked rows never contain it.
 */
export function useDeliveries(show: boolean): Deliveries {
  const [state, setState] = useState<Deliveries>({ about: undefined, rows: [], isLive: false })
  useEffect(() => {
    const rows = new Map<string, Row>()
    let about: About | undefined
    const publish = (isLive: boolean) => setState({ about, rows: [...rows.values()].reverse(), isLive })
    const source = new EventSource(`api/stream${show ? '?show=1' : ''}`)
    source.addEventListener('about', (event) => {
      about = JSON.parse(event.data)
      // The stream starts with everything that the server has.
      rows.clear()
      publish(true)
    })
    source.addEventListener('rows', (event) => {
      const batch: Batch = JSON.parse(event.data)
      for (const row of batch.rows) rows.set(row.id, row)
      const capacity = about?.capacity ?? 500
      for (const id of rows.keys()) {
        if (rows.size <= capacity) break
        rows.delete(id)
      }
      publish(true)
    })
    source.onerror = () => publish(false)
    return () => source.close()
  }, [show])
  return state
}
