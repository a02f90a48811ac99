/** The Grafana dashboard, docs/grafana.json. scripts/generate.ts writes it; a test compares its metrics with those of ./opentelemetry. */

interface Panel {
  readonly title: string
  readonly unit: 's' | 'short' | 'reqps'
  /** PromQL and its legend. The names are those that the Prometheus exporter of OpenTelemetry makes. */
  readonly queries: readonly (readonly [expression: string, legend: string])[]
}

const quantile = (q: number, metric: string, by = 'le') =>
  `histogram_quantile(${q}, sum by (${by}) (rate(${metric}_seconds_bucket[$__rate_interval])))`

const PANELS: readonly Panel[] = [
  {
    title: 'Deliveries by outcome',
    unit: 'reqps',
    queries: [
      [
        'sum by (order_sync_outcome) (rate(order_sync_handler_duration_seconds_count[$__rate_interval]))',
        '{{order_sync_outcome}}',
      ],
    ],
  },
  {
    title: 'Needs action: failed, unavailable, fenced',
    unit: 'reqps',
    queries: [
      [
        'sum by (order_sync_code) (rate(order_sync_handler_duration_seconds_count{order_sync_outcome=~"failed|unavailable|fenced"}[$__rate_interval]))',
        '{{order_sync_code}}',
      ],
      ['sum(rate(order_sync_lease_losses_total[$__rate_interval]))', 'lease losses'],
    ],
  },
  {
    title: 'Rejected, by code',
    unit: 'reqps',
    queries: [
      [
        'sum by (order_sync_code) (rate(order_sync_handler_duration_seconds_count{order_sync_outcome="rejected"}[$__rate_interval]))',
        '{{order_sync_code}}',
      ],
    ],
  },
  {
    title: 'Time of a delivery',
    unit: 's',
    queries: [
      [quantile(0.5, 'order_sync_handler_duration'), 'p50'],
      [quantile(0.99, 'order_sync_handler_duration'), 'p99'],
      [quantile(0.99, 'order_sync_on_order_duration'), 'onOrder p99'],
      [quantile(0.99, 'order_sync_store_duration'), 'store p99'],
    ],
  },
  {
    title: 'Clock skew of the peer',
    unit: 's',
    queries: [
      [quantile(0.01, 'order_sync_clock_skew'), 'lowest'],
      [quantile(0.99, 'order_sync_clock_skew'), 'highest'],
    ],
  },
  { title: 'Requests in progress', unit: 'short', queries: [['sum(order_sync_handler_in_flight)', 'in flight']] },
  {
    title: 'Sending: attempts',
    unit: 'reqps',
    queries: [
      [
        'sum by (http_response_status_code) (rate(order_sync_client_duration_seconds_count[$__rate_interval]))',
        'HTTP {{http_response_status_code}}',
      ],
      ['sum(rate(order_sync_client_retries_total[$__rate_interval]))', 'retries'],
    ],
  },
  {
    title: 'Sending: time of an attempt, and of an event of the outbox',
    unit: 's',
    queries: [
      [quantile(0.99, 'order_sync_client_duration'), 'attempt p99'],
      [quantile(0.99, 'order_sync_outbox_duration'), 'outbox p99'],
    ],
  },
]

const datasource = { type: 'prometheus', uid: '$datasource' }

/** The dashboard as JSON, for the import of Grafana 10 or later. */
export const grafana = `${JSON.stringify(
  {
    title: 'alipayhk-order-sync',
    uid: 'alipayhk-order-sync',
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }] },
    panels: PANELS.map(({ title, unit, queries }, index) => ({
      id: index + 1,
      type: 'timeseries',
      title,
      datasource,
      gridPos: { h: 8, w: 12, x: (index % 2) * 12, y: Math.floor(index / 2) * 8 },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: queries.map(([expr, legendFormat], query) => ({
        refId: String.fromCharCode(65 + query),
        datasource,
        expr,
        legendFormat,
      })),
    })),
  },
  undefined,
  2,
)}\n`
