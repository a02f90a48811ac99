import { expect, test } from 'vitest'
import { type CodeBlock, codeBlocks, typeErrors } from '../support/compile.ts'
import { documents, files } from '../support/project.ts'

const sources = files('src', /\.ts$/)

/** Blocks with an error each: they prove that errors are found. */
const invalidBlocks: readonly CodeBlock[] = [
  { place: 'a wrong type', code: "import { formatTime } from 'alipayhk-order-sync/protocol'\nformatTime('now')" },
  { place: 'a name that is not exported', code: "import { nothing } from 'alipayhk-order-sync/express'" },
  { place: 'a block that is not TypeScript', code: 'const = 1' },
  { place: 'an array element that may be undefined', code: 'const [first]: string[] = []\nfirst.trim()' },
]

test('code blocks in documents and docblocks compile, and invalid blocks do not', () => {
  const blocks = [...documents, ...sources].flatMap((path) => codeBlocks(path))
  const errors = typeErrors([...blocks, ...invalidBlocks])
  const isExpected = (error: string) => invalidBlocks.some(({ place }) => error.startsWith(place))
  expect(errors.filter((error) => !isExpected(error))).toEqual([])
  for (const { place } of invalidBlocks) expect(errors.join('\n')).toContain(place)
}, 240_000)

test('codeBlocks finds blocks in Markdown and in docblocks, unless they are marked no-check', () => {
  const markdown =
    'Text\n```ts\none()\n```\n```sh\nls\n```\n````md\n```ts\nquoted()\n```\n````\n```ts no-check\ntwo()\n```\n'
  expect(codeBlocks('a.md', markdown)).toEqual([{ place: 'a.md:2', code: 'one()' }])
  const source = '/**\n * @example\n * ```ts\n * one({\n *   two,\n * })\n * ```\n */\n'
  expect(codeBlocks('a.ts', source)).toEqual([{ place: 'a.ts:3', code: 'one({\n  two,\n})' }])
  expect(() => codeBlocks('a.md', '```ts\none()\n')).toThrow('never closed')
})

test('the README and the docblocks contain code blocks', () => {
  expect(codeBlocks('README.md')).not.toEqual([])
  expect(sources.flatMap((path) => codeBlocks(path))).not.toEqual([])
})
