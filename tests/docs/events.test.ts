import ts from 'typescript'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { memoryStore, OrderRefusedError, type OrderSyncEvent } from '../../src/public/index.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { parse } from '../support/declarations.ts'
import { codeSpans, linesUnder, tableRows } from '../support/markdown.ts'
import { merchant } from '../support/merchant.ts'
import { NOW, order, request } from '../support/messages.ts'
import { read } from '../support/project.ts'

const page = read('docs/events.md')
const kindRows = tableRows('kind', linesUnder('Kinds', page))
const memberRows = tableRows('member', linesUnder('Members', page))

const file = parse('src/server/event.ts')
const interfaces = new Map(
  file.statements.filter(ts.isInterfaceDeclaration).map((declared) => [declared.name.text, declared]),
)

/** The members that an interface declares itself, with the texts of their types. */
function ownMembers(name: string): Map<string, string> {
  const members = [...(interfaces.get(name)?.members ?? [])].filter(ts.isPropertySignature)
  return new Map(members.map((member) => [member.name.getText(file), member.type?.getText(file) ?? '']))
}

/** The members of the union: the name of each type. */
const eventTypes = file.statements
  .filter(ts.isTypeAliasDeclaration)
  .filter(({ name }) => name.text === 'OrderSyncEvent')
  .flatMap(({ type }) => (ts.isUnionTypeNode(type) ? type.types.map((member) => member.getText(file)) : []))

const kindsOf = (type: string) =>
  (ownMembers(type).get('kind') ?? '').split('|').map((kind) => kind.trim().replaceAll("'", ''))

/** The members that the type of a kind has beside those of every event of its group. */
const membersOf = (type: string) => [...ownMembers(type).keys()].filter((name) => name !== 'kind' && name !== 'code')

describe('docs/events.md', () => {
  test('lists the kinds of OrderSyncEvent, and no other', () => {
    expect(eventTypes.length).toBeGreaterThan(5)
    expect(kindRows.flatMap((row) => codeSpans(row['kind'])).sort()).toEqual(eventTypes.flatMap(kindsOf).sort())
  })

  test.each(eventTypes)('lists the own members of %s', (type) => {
    // Every late event can have an error: the type inherits both members.
    const expected = [...membersOf(type), ...(type === 'LateEvent' ? ['message', 'error'] : [])]
    for (const kind of kindsOf(type)) {
      const row = kindRows.find((row) => codeSpans(row['kind']).includes(kind))
      expect(codeSpans(row?.['own members']).sort()).toEqual(expected.sort())
    }
  })

  test('lists a log level and who must act for each kind', () => {
    for (const row of kindRows) {
      expect(row['log level']).toMatch(/^(info|warn|error)\b/)
      expect(row['who must act']).not.toBe('')
      expect(row['what happened']).not.toBe('')
    }
  })

  test('lists the members of all types, and no other', () => {
    const declared = new Set(
      [...interfaces.keys()].filter((name) => name !== 'EventSource').flatMap((name) => [...ownMembers(name).keys()]),
    )
    expect(memberRows.flatMap((row) => codeSpans(row['member'])).sort()).toEqual([...declared].sort())
  })
})

describe('an event at run time', () => {
  const T = NOW - 1_000
  const documented = (inLog: string) =>
    memberRows.filter((row) => row['in the log'] === inLog).flatMap((row) => codeSpans(row['member']))
  const ownMembersOf = (kind: string) =>
    codeSpans(kindRows.find((row) => codeSpans(row['kind']).includes(kind))?.['own members'])
  const common = [
    'kind',
    'code',
    'status',
    'resultCode',
    'durationMs',
    'tracerId',
    'clientId',
    'keyVersion',
    'encrypted',
    'clockSkewMs',
    'requestId',
    'orderKey',
  ]

  const next = (changes: Record<string, unknown> = {}) => request({ message: order({ requestId: 'r2', ...changes }) })
  const withStore = (changes: Partial<OrderSyncStore>) => ({ store: { ...memoryStore(), ...changes } })
  const rows: [OrderSyncEvent['kind'], Parameters<typeof merchant>[0], ReturnType<typeof request>[]][] = [
    ['processed', {}, [request()]],
    ['replay', {}, [request(), request()]],
    ['duplicate', {}, [request(), next()]],
    ['stale', {}, [request(), next({ orderModifyTime: T - 1 })]],
    [
      'refused',
      {
        onOrder() {
          throw new OrderRefusedError('PROCESS_FAIL')
        },
      },
      [request()],
    ],
    ['busy', { ...withStore({ claim: async () => ({ decision: 'busy' }) }), busyWaitMs: 0 }, [request()]],
    ['fenced', withStore({ finish: async () => false }), [request()]],
    ['rejected', {}, [request({ clientId: 'STRANGER' })]],
    ['rejected', {}, [next({ extInfo: 5 })]],
    ['failed', withStore({ claim: () => Promise.reject(new Error('down')) }), [request()]],
    [
      'unavailable',
      {
        signedPath: () => {
          throw new Error('x')
        },
      },
      [request()],
    ],
    [
      'late',
      {
        timeoutMs: 5,
        // The time is over when it runs, and not before.
        onOrder() {
          vi.advanceTimersByTime(5)
          return { orderId: 'A-1' }
        },
      },
      [request()],
    ],
  ]

  test('is tested for every kind', () => {
    expect(new Set(rows.map(([kind]) => kind))).toEqual(new Set(eventTypes.flatMap(kindsOf)))
  })

  test.each(rows)('of the kind %s has the members that the page lists', async (kind, options, requests) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { handler, events } = merchant(options)
    for (const one of requests) await handler(one)
    await handler.drain()
    const event = events.at(-1) ?? expect.fail('there is no event')
    expect(event.kind).toBe(kind)
    const enumerable = Object.keys(event)
    expect(enumerable.filter((name) => !documented('yes').includes(name))).toEqual([])
    expect(enumerable.filter((name) => ![...common, ...ownMembersOf(kind)].includes(name))).toEqual([])
    expect(enumerable.filter((name) => documented('no').includes(name))).toEqual([])
    // All members of every event, and those that its kind always has.
    expect(enumerable).toEqual(
      expect.arrayContaining(['kind', 'code', 'status', 'resultCode', 'durationMs', 'tracerId']),
    )
    if (kind !== 'rejected' && kind !== 'unavailable') expect(enumerable).toEqual(expect.arrayContaining(common))
    if (ownMembersOf(kind).includes('error') && kind !== 'late')
      expect([event.message, event.error]).not.toContain(undefined)
  })
})
