import { expect, test } from 'vitest'
import { read } from '../support/project.ts'

/** The names of ./opentelemetry, and the suffixes with which Prometheus has them. */
const metrics = [...read('src/telemetry/opentelemetry.ts').matchAll(/'(order_sync\.[a-z_.]+)'/g)].map(([, name = '']) =>
  name.replaceAll('.', '_'),
)
const queries = [...read('docs/grafana.json').matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, query = '']) => query)
const named = queries.flatMap((query) =>
  [...query.matchAll(/order_sync_[a-z_]+?(?=_seconds_(?:bucket|count)|_total|\)|\[|,|=|\{)/g)].map(([name]) => name),
)

test('the dashboard queries only existing metrics and attributes', () => {
  expect(queries.length).toBeGreaterThan(10)
  for (const name of new Set(named)) expect(metrics).toContain(name)
})

test('the dashboard shows each metric of docs/observability.md', () => {
  const table = [
    ...read('docs/observability.md').matchAll(/^\| `(order_sync\.[a-z_.]+)` \| (?:s|requests|orders|attempts) \|/gm),
  ]
  expect(table.length).toBe(9)
  for (const [, name = ''] of table) expect(queries.join('\n')).toContain(name.replaceAll('.', '_'))
})
