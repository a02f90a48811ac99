import { expect, test } from 'vitest'
import { type CodeBlock, codeBlocks, typeErrors } from './support/compile.ts'
import { documents, files } from './support/project.ts'

const sources = files('src', /\.ts$/)

const slips: readonly CodeBlock[] = [
  { place: 'a type that is wrong', code: "import { formatTime } from 'alipayhk-order-sync'\nformatTime('now')" },
  { place: 'a name that is not exported', code: "import { nothing } from 'alipayhk-order-sync/express'" },
  { place: 'a block that is not TypeScript', code: 'const = 1' },
  { place: 'an index that may not be there', code: 'const [first]: string[] = []\nfirst.trim()' },
]

test('every code block of the documents and of the docblocks compiles, and one that is wrong does not', () => {
  const blocks = [...documents, ...sources].flatMap((path) => codeBlocks(path))
  const errors = typeErrors([...blocks, ...slips])
  const isSlip = (error: string) => slips.some(({ place }) => error.startsWith(place))
  expect(errors.filter((error) => !isSlip(error))).toEqual([])
  for (const { place } of slips) expect(errors.join('\n')).toContain(place)
}, 60_000)

test('blocks are found in Markdown and in docblocks, unless they say no-check', () => {
  const markdown =
    'Text\n```ts\none()\n```\n```sh\nls\n```\n````md\n```ts\nquoted()\n```\n````\n```ts no-check\ntwo()\n```\n'
  expect(codeBlocks('a.md', markdown)).toEqual([{ place: 'a.md:2', code: 'one()' }])
  const source = '/**\n * @example\n * ```ts\n * one({\n *   two,\n * })\n * ```\n */\n'
  expect(codeBlocks('a.ts', source)).toEqual([{ place: 'a.ts:3', code: 'one({\n  two,\n})' }])
  expect(() => codeBlocks('a.md', '```ts\none()\n')).toThrow('nothing closes')
})

test('there are blocks to compile', () => {
  expect(codeBlocks('README.md')).not.toEqual([])
  expect(sources.flatMap((path) => codeBlocks(path))).not.toEqual([])
})
