import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { codeSpans } from '../support/markdown.ts'
import { documents, read, root } from '../support/project.ts'

const links = documents.flatMap((from) =>
  [...read(from).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => ({ from, target }))
    // `npm run docs` writes the API pages, and checks the links to them.
    .filter(({ target }) => !/^[a-z]+:|^(?:\.\.\/)*api\//.test(target)),
)

/** The anchors of a document, built from its headings as GitHub builds them. */
function anchorsOf(path: string): string[] {
  const headings = read(path).match(/(?<=^#{1,6} ).*/gm) ?? []
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function targetExists(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? from : posix.join(posix.dirname(from), file)
  return existsSync(root + path) && (anchor === undefined || anchorsOf(path).includes(anchor))
}

test.each(links.map(({ from, target }) => [from, target] as const))('%s links to %s, which exists', (from, target) => {
  expect(targetExists(from, target)).toBe(true)
})

test('finds a link to a missing file or a missing heading', () => {
  expect(links.length).toBeGreaterThan(0)
  expect(targetExists('README.md', 'docs/nothing.md')).toBe(false)
  expect(targetExists('README.md', 'docs/protocol.md#nothing')).toBe(false)
  expect(targetExists('docs/protocol.md', '#1-endpoint')).toBe(true)
})

// NAME stands for a file that a contributor adds, and commands write into .cache.
const files = codeSpans(read('CONTRIBUTING.md')).filter(
  (path) => /^[.\w-]+\/\S*$/.test(path) && !/NAME|^\.cache\//.test(path),
)

test.each(files)('CONTRIBUTING.md names %s, which exists', (path) => {
  expect(existsSync(root + path) || existsSync(`${root}src/${path}`)).toBe(true)
})

test('files are found in CONTRIBUTING.md', () => {
  expect(files).toContain('src/protocol/headers.ts')
})
