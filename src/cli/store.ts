import { orderKey } from 'alipayhk-order-sync'
import type { OrderRecord } from 'alipayhk-order-sync/store'
import { defineCommand } from './command.ts'
import { DATABASES, type OpenStore, openStore } from './open-store.ts'
import { flag, namedText, optional, required, text, type ValuesOf, withDefault } from './option.ts'
import { print, printJson } from './output.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  store: required(namedText('STORE', DATABASES)),
  json: flag('print JSON'),
  key: optional({ placeholder: 'KEY', help: 'the order: the "orderKey" of an event', parse: parseKey }),
  'client-id': optional(text('ID', 'the order, instead of --key: the Client-Id of the handler')),
  'merchant-biz-no': optional(text('NO', 'its order number')),
  'merchant-biz-type': withDefault('TRADE_ORDER', text('TYPE', 'its type')),
  'merchant-id': optional(text('ID', 'only for an order that an agent sold')),
}

type Values = ValuesOf<typeof OPTIONS>

export const store = defineCommand(
  {
    name: 'store',
    summary: 'migrate a store; inspect, forget or prune its orders',
    description:
      'Manages the store of a handler. inspect and forget need an order: --key, or --client-id and --merchant-biz-no.',
    options: OPTIONS,
    argument: {
      placeholder: 'ACTION',
      whenMissing: 'store needs an action: migrate, inspect, forget or prune.',
      whenRepeated: 'store takes one action: migrate, inspect, forget or prune.',
      choices: {
        migrate: 'creates or upgrades the tables; run it once for each release, with a role that may create them',
        inspect: 'shows what the store knows about an order',
        forget: 'forgets that an order was processed or refused, so that its next delivery is processed again',
        prune: 'deletes stored responses that have expired',
      },
    },
    exitStatuses: { 1: 'inspect, forget: the store does not know the order, or the order is being processed' },
    examples: [
      { does: 'create the tables', line: 'npx alipayhk-order-sync store migrate --store postgres://localhost/orders' },
      {
        does: 'show what the store knows about an order',
        line: 'npx alipayhk-order-sync store inspect --store sqlite:./order-sync.db --client-id ID --merchant-biz-no A-1',
      },
      {
        does: 'process the next delivery of that order again',
        line: 'npx alipayhk-order-sync store forget --store sqlite:./order-sync.db --client-id ID --merchant-biz-no A-1',
      },
    ],
  },
  async ({ values, argument }) => await run(values, argument),
)

/** The result of an action, as text and as data. */
interface Report {
  readonly lines: readonly string[]
  readonly json: object
  /** Whether the action found its order. */
  readonly isFound: boolean
}

type Action = (open: OpenStore, values: Values) => Promise<Report>

const ACTIONS: Readonly<Record<string, Action>> = { migrate, inspect, forget, prune }

async function run(values: Values, action: string): Promise<number> {
  const act = ACTIONS[action]
  if (act === undefined) throw new TypeError(`There is no action ${action}`)
  const { label, value } = values.store
  if (value === 'memory')
    throw new UsageError(
      `${label} memory has no data outside the process of the handler. Give the store of a handler: sqlite:, postgres:, mysql: or redis:.`,
    )
  // Before the database is opened.
  if (act === inspect || act === forget) keyOf(values)
  const open = await openStore(values.store)
  try {
    const { lines, json, isFound } = await act(open, values)
    if (values.json) await printJson(json)
    else for (const line of lines) await print(line)
    return isFound ? 0 : 1
  } finally {
    await open.close()
  }
}

async function migrate(open: OpenStore): Promise<Report> {
  await open.migrate()
  await open.store.ping?.()
  return { lines: ['The store is ready.'], json: { migrated: true }, isFound: true }
}

async function prune(open: OpenStore): Promise<Report> {
  const deleted = await open.prune()
  const line = deleted === undefined ? 'Redis deletes expired responses itself.' : `${deleted} requests deleted.`
  return { lines: [line], json: { deleted: deleted ?? null }, isFound: true }
}

async function inspect({ store }: OpenStore, values: Values): Promise<Report> {
  const key = keyOf(values)
  const record = await store.read(key)
  const isFound = record?.last !== undefined || record?.lease !== undefined
  return { lines: [`orderKey: ${key}`, ...describeRecord(record)], json: { orderKey: key, ...record }, isFound }
}

async function forget({ store }: OpenStore, values: Values): Promise<Report> {
  const key = keyOf(values)
  const result = await store.forget(key)
  const line = {
    forgotten: 'Forgotten. The next delivery of this order is processed, even if it was processed before.',
    unknown: 'The store has no record of this order. Check --client-id, --merchant-id and --merchant-biz-no.',
    busy: 'The order is being processed. Nothing was changed. Try again later.',
  }[result]
  return { lines: [line], json: { orderKey: key, result }, isFound: result === 'forgotten' }
}

function parseKey(key: string, label: string): string {
  if (/^[\w-]{43}$/.test(key)) return key
  throw new UsageError(`${label} must be the 43 characters of an orderKey.`)
}

function keyOf(values: Values): string {
  const { key, 'client-id': clientId, 'merchant-biz-no': merchantBizNo } = values
  if (key !== undefined) {
    // A variable may set one of them. The wrong order must not be forgotten.
    if (merchantBizNo) throw new UsageError('Both --key and --merchant-biz-no are given. Give one of them.')
    return key
  }
  if (!clientId) throw new UsageError('--client-id is missing. Give it, or --key.')
  if (!merchantBizNo) throw new UsageError('--merchant-biz-no is missing. Give it, or --key.')
  return orderKey({
    clientId,
    merchantId: values['merchant-id'],
    merchantBizType: values['merchant-biz-type'],
    merchantBizNo,
  })
}

function describeRecord(record: OrderRecord | undefined): string[] {
  const lines: string[] = []
  if (record?.last) {
    const { orderModifyTime, processedAt, storedResponse } = record.last
    lines.push(`last processed event: orderModifyTime ${orderModifyTime} (${toIso(orderModifyTime)})`)
    lines.push(`processed at: ${toIso(processedAt)}`)
    lines.push(`response to duplicates and older events: ${storedResponse}`)
  } else lines.push('No event of this order was processed. It may have been refused.')
  if (record?.lease) lines.push(`A delivery is being processed (token ${record.lease.token}).`)
  return lines
}

/** A time from the peer can be outside the range of Date. */
function toIso(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? 'not a time' : date.toISOString()
}
