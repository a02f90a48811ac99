import { expect, test } from 'vitest'
import { CATEGORIES } from '../../benchmarks/correctness/cases.ts'
import { safe } from '../../benchmarks/correctness/outcome.ts'
import { runCase } from '../../benchmarks/correctness/run.ts'
import { ours } from '../../benchmarks/correctness/subjects/ours.ts'
import type { Receiver, Subject } from '../../benchmarks/correctness/subjects/subject.ts'
import { read } from '../support/project.ts'

const cases = CATEGORIES.flatMap((category) =>
  category.cases.map((one) => ({ category, one, title: `${category.name}: ${one.name}` })),
)
const page = read('docs/comparison.md')

test.each(cases.filter(({ one }) => one.loss === undefined))(
  '$title: this library is safe',
  async ({ category, one }) => {
    expect(await runCase(category, one, ours)).toMatchObject({ verdict: 'safe' })
  },
)

test.each(cases.filter(({ one }) => one.loss !== undefined))(
  '$title: this library has the outcome of the page',
  async ({ category, one }) => {
    const { verdict } = await runCase(category, one, ours)
    expect(verdict).not.toBe('safe')
    expect(page).toContain(`| **${one.name}.** ${one.why} | ${verdict}`)
  },
)

test('docs/comparison.md has a row for each case, of which there are 40 or more', () => {
  expect(cases.length).toBeGreaterThanOrEqual(40)
  expect(
    cases.filter(({ one }) => !page.includes(`| **${one.name}.** ${one.why} |`)).map(({ title }) => title),
  ).toEqual([])
})

test('a library that accepts everything is found unsafe by every case about forged signatures', async () => {
  const { receiver } = ours
  if (receiver === undefined) throw new Error('no receiver')
  const careless: Subject = {
    ...ours,
    receiver: {
      ...receiver,
      receive: accepts,
      receiveElsewhere: accepts,
    },
  }
  const forged = ['missing', 'differs', 'cut off', 'stranger signs', 'changed after', 'another message', 'algorithm']
  const others = [
    'public key',
    '__proto__',
    'twice',
    'another path',
    'from ten minutes ago',
    'a new time',
    'levels deep',
  ]
  for (const text of [...forged, ...others]) {
    const found = cases.find(({ one, title }) => title.startsWith('Signatures') && one.name.includes(text))
    const { category, one } = found ?? cases.find(({ one }) => one.name.includes(text)) ?? expect.fail(text)
    expect(await runCase(category, one, careless), text).toMatchObject({ verdict: 'unsafe' })
  }
})

const accepts: Receiver['receive'] = async ({ body }) => ({ value: body })

test('a library without idempotency is found by the cases about it', async () => {
  const forgetful: Subject = {
    ...ours,
    once: () => ({
      ...{ ordersEvents: true, takesOver: false, storesFailures: false },
      deliver: (_event, effect) => effect(),
      pass() {},
      breakStore() {},
    }),
  }
  const texts = [
    'again, later',
    'at the same instant',
    'with another content',
    'in another order',
    'is down',
    'An older',
  ]
  for (const text of texts) {
    const { category, one } = cases.find(({ one }) => one.name.includes(text)) ?? expect.fail(text)
    expect(await runCase(category, one, forgetful), text).toMatchObject({ verdict: 'unsafe' })
  }
})

test('a case without an outcome needs a reason', async () => {
  const category = { name: 'Any', absent: {}, cases: [] }
  const one = { name: 'A case', why: 'Any.', run: async () => undefined }
  await expect(runCase(category, one, ours)).rejects.toThrow('needs a reason why this library has no outcome')
  expect(await runCase(category, { ...one, notes: { 'this library': 'why' } }, ours)).toEqual({
    verdict: 'n/a',
    note: 'why',
  })
  expect(await runCase(category, { ...one, run: async () => safe() }, ours)).toEqual({ verdict: 'safe' })
})
