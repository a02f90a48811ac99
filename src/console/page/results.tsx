import type { SentResult } from '../wire.ts'

/** The outcomes of the requests that the console has sent, each different outcome once. */
export function Results({ results }: { readonly results: readonly SentResult[] }) {
  const counts = new Map<string, number>()
  for (const result of results) {
    const line = describe(result)
    counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  return (
    <ul class="results" role="status">
      {[...counts].map(([line, count]) => (
        <li key={line}>
          {count > 1 ? `${count} × ` : ''}
          {line}
        </li>
      ))}
    </ul>
  )
}

function describe({ status, resultCode, signed, error }: SentResult): string {
  if (error !== undefined) return error
  return `HTTP ${status}${resultCode === undefined ? '' : `, ${resultCode}`}${signed ? ', signed' : ', not signed'}`
}
