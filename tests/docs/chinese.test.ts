import { describe, expect, test } from 'vitest'
import { files, read } from '../support/project.ts'

/** The blocks between fences: their language, and what is in them. */
function fencedBlocks(markdown: string): { language: string; code: string }[] {
  return [...markdown.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)\n```$/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }))
}

/** The Chinese pages whose blocks come from one English page: all of them, or some. */
const TRANSLATIONS = [
  { page: 'README.zh-HK.md', original: 'README.md', isComplete: true },
  { page: 'docs/zh-HK/index.md', original: 'docs/index.md', isComplete: true },
  { page: 'docs/zh-HK/signature.md', original: 'docs/explain.md', isComplete: true },
  ...files('docs/zh-HK/quick-start', /\.md$/).map((page) => ({
    page,
    original: page.replace('zh-HK/', ''),
    isComplete: true,
  })),
  { page: 'docs/zh-HK/errors.md', original: 'docs/errors.md', isComplete: false },
]

test.each(TRANSLATIONS)('$page has the code blocks of $original', ({ page, original, isComplete }) => {
  const blocks = fencedBlocks(read(page))
  const originals = fencedBlocks(read(original))
  if (isComplete) expect(blocks).toEqual(originals)
  else for (const block of blocks) expect(originals).toContainEqual(block)
})

describe.each(files('docs/zh-HK', /\.md$/))('%s', (page) => {
  test('has no code that is not in an English page or in an example', () => {
    const sources = [
      ...['README.md', ...files('docs', /^(?!docs\/(api|zh-HK)\/).*\.md$/)].flatMap((path) =>
        fencedBlocks(read(path)).map(({ code }) => code),
      ),
      ...files('examples', /^(?!.*node_modules).*\.(ts|js|json)$/).map((path) => read(path).trimEnd()),
    ]
    const code = fencedBlocks(read(page)).filter(({ language }) => language !== 'sh')
    for (const block of code) expect(sources).toContain(block.code)
  })
})

test('README.md and README.zh-HK.md link to each other', () => {
  expect(read('README.md')).toContain('](README.zh-HK.md)')
  expect(read('README.zh-HK.md')).toContain('](README.md)')
})
