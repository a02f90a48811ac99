import { useEffect, useState } from 'preact/hooks'

/** What the address shows after the `#`: `inbox`, `delivery/ID`, `order/GROUP`, `send`, `charts`, `outbox`. */
export interface Route {
  readonly view: string
  readonly id: string
}

function read(): Route {
  const [view = '', id = ''] = location.hash.slice(1).split('/')
  return { view: view === '' ? 'inbox' : view, id }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(read)
  useEffect(() => {
    const onChange = () => setRoute(read())
    addEventListener('hashchange', onChange)
    return () => removeEventListener('hashchange', onChange)
  }, [])
  return route
}

export function openDelivery(id: string): void {
  location.hash = `delivery/${id}`
}
