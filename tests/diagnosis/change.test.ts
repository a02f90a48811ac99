import { expect, test } from 'vitest'
import { contentOf, headChange, shownPath } from '../../src/diagnosis/change.ts'
import { RECEIVED } from './changes/signed-instead.ts'

test.each(['method', 'path', 'clientId', 'time'] as const)(
  'headChange changes %s, unless it has this value',
  (part) => {
    const facts = { code: 'path', cost: 2, fix: 'Fix it.' } as const
    const change = headChange(part, 'other', facts)
    expect(change).toMatchObject({ ...facts, part })
    expect(change.apply(RECEIVED)).toEqual({ ...RECEIVED, [part]: 'other' })
    expect(headChange(part, RECEIVED[part], facts).apply(RECEIVED)).toBeUndefined()
  },
)

test('contentOf applies the layout, and then the digest', () => {
  const upper = (content: Uint8Array) => Buffer.from(Buffer.from(content).toString().toUpperCase())
  expect(Buffer.from(contentOf(RECEIVED)).toString()).toBe('POST /p\nCid-1.2024-05-22T09:12:21+08:00.body')
  expect(Buffer.from(contentOf({ ...RECEIVED, digest: upper })).toString()).toMatch(/^POST \/P\nCID-1\..*\.BODY$/)
})

test('shownPath hides the values of a query, and is printable and short', () => {
  expect(shownPath('/a?b=SECRET&c=SECRET=x&d')).toBe('/a?b=…&c=…&d')
  expect(shownPath(`/a\n${'x'.repeat(300)}`)).toBe(`/a ${'x'.repeat(197)}`)
})
