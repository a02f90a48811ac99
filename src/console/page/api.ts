import type { Detail, Minute, OutboxState, SendCommand, SentResult } from '../wire.ts'

/** The address of the page ends with the token and a slash, so that every path is relative to it. */
async function call<Result>(path: string, body?: object): Promise<Result> {
  const response = await fetch(`api/${path}`, {
    ...(body !== undefined && {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    }),
  })
  if (!response.ok) throw new Error((await response.text()).trim() || `HTTP ${response.status}`)
  return (await response.json()) as Result
}

const query = (show: boolean) => (show ? '?show=1' : '')

export const readDetail = (id: string, show: boolean) => call<Detail>(`deliveries/${id}${query(show)}`)
export const readCopy = (id: string, kind: 'curl' | 'fixture') =>
  call<{ text: string }>(`deliveries/${id}/${kind}?show=1`)
export const replay = (id: string, mode: 'same' | 'signed') =>
  call<{ results: SentResult[] }>(`deliveries/${id}/replay`, { mode })
export const send = (command: SendCommand) => call<{ results: SentResult[] }>('send', command)
export const readCharts = () => call<{ minutes: Minute[] }>('charts')
export const readOutbox = (show: boolean) => call<OutboxState>(`outbox${query(show)}`)
export const changeOutbox = (action: 'retry' | 'discard', id: string, show: boolean) =>
  call<OutboxState>(`outbox/${action}${query(show)}`, { id })
