import { parseArgs } from 'node:util'
import { orderKey } from 'alipayhk-order-sync'
import type { OrderRecord } from 'alipayhk-order-sync/store'
import { assertNoPositionals, requireOption, UsageError } from './arguments.ts'
import { type OpenStore, openStore } from './open-store.ts'
import { print, printJson } from './output.ts'

export const help = `alipayhk-order-sync store ACTION --store URL [OPTIONS]

Looks after the store of a handler.

  migrate   creates or upgrades the tables; run it once for each release, with a role that may create them
  inspect   shows what is remembered of one order
  forget    forgets that one order was processed or refused: its next delivery is processed again
  prune     deletes requests whose time is over

  --store STORE              sqlite:FILE, postgres://… or redis://…
  --json                     print JSON

Options of inspect and forget: either --key, or what identifies the order.

  --key KEY                  the "orderKey" of an event
  --client-id ID             the Client-Id of the handler
  --merchant-biz-no NO       the order number
  --merchant-biz-type TYPE   the type of the order (TRADE_ORDER)
  --merchant-id ID           only for an order that an agent sold

Exit status of inspect and forget: 1 if nothing is remembered of the order, or if it is being processed right now.`

const OPTIONS = {
  store: { type: 'string' },
  json: { type: 'boolean', default: false },
  key: { type: 'string' },
  'client-id': { type: 'string' },
  'merchant-id': { type: 'string' },
  'merchant-biz-no': { type: 'string' },
  'merchant-biz-type': { type: 'string' },
} as const

type Values = { readonly [Name in keyof typeof OPTIONS]?: string | boolean | undefined }

/** What an action found or did, for people and for programs. */
interface Report {
  readonly lines: readonly string[]
  readonly json: object
  /** Whether the action found what it was for. */
  readonly isFound: boolean
}

const ACTIONS: Readonly<Record<string, (open: OpenStore, values: Values) => Promise<Report>>> = {
  migrate,
  inspect,
  forget,
  prune,
}

/** @returns The exit status. */
export async function run([action = '', ...args]: string[]): Promise<number> {
  const act = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (act === undefined) throw new UsageError('store needs an action: migrate, inspect, forget or prune.')
  const { values, positionals } = parseArgs({ args: joinKey(args), allowPositionals: true, options: OPTIONS })
  assertNoPositionals(positionals)
  const name = requireOption('--store', values.store)
  if (name === 'memory') throw new UsageError('--store memory ends with its process: there is nothing to look after.')
  // Before the database is opened.
  if (act === inspect || act === forget) keyOf(values)
  const open = await openStore(name)
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
  const line = deleted === undefined ? 'Redis deletes them by itself.' : `${deleted} requests deleted.`
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
    forgotten: 'Forgotten. The next delivery of this order is processed, also one that came before.',
    unknown: 'Nothing is remembered of this order. Check --client-id, --merchant-id and --merchant-biz-no.',
    busy: 'The order is being processed right now. Nothing was changed: try again when that has ended.',
  }[result]
  return { lines: [line], json: { orderKey: key, result }, isFound: result === 'forgotten' }
}

/** `--key` and its value as one argument: an orderKey can begin with "-", and parseArgs() would take it for an option. */
function joinKey(args: readonly string[]): string[] {
  const at = args.indexOf('--key')
  const value = args[at + 1]
  return at === -1 || value === undefined ? [...args] : [...args.slice(0, at), `--key=${value}`, ...args.slice(at + 2)]
}

function keyOf(values: Values): string {
  if (typeof values.key === 'string') {
    if (/^[\w-]{43}$/.test(values.key)) return values.key
    throw new UsageError('--key must be the 43 characters of an orderKey.')
  }
  return orderKey({
    clientId: requireOption('--client-id', textOf(values['client-id'])),
    merchantId: textOf(values['merchant-id']),
    merchantBizType: textOf(values['merchant-biz-type']) ?? 'TRADE_ORDER',
    merchantBizNo: requireOption('--merchant-biz-no', textOf(values['merchant-biz-no'])),
  })
}

function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function describeRecord(record: OrderRecord | undefined): string[] {
  const lines: string[] = []
  if (record?.last) {
    const { orderModifyTime, processedAt, storedResponse } = record.last
    lines.push(`last processed event: orderModifyTime ${orderModifyTime} (${toIso(orderModifyTime)})`)
    lines.push(`processed at: ${toIso(processedAt)}`)
    lines.push(`response to duplicates and older events: ${storedResponse}`)
  } else lines.push('No event of this order was processed. It may have been refused.')
  if (record?.lease) lines.push(`A delivery is being processed right now (token ${record.lease.token}).`)
  return lines
}

/** A time of the peer can be anything. */
function toIso(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? 'not a time' : date.toISOString()
}
