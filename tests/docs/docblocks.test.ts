import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { entryPoints } from '../../scripts/entry-points.ts'
import { projectOptions } from '../support/compile.ts'
import { ALL_ERROR_CODES, ERROR_CODES } from '../support/error-codes.ts'
import { files, read, root } from '../support/project.ts'

describe('the docblocks of public exports', () => {
  const program = ts.createProgram(
    entryPoints.map(({ source }) => root + source),
    projectOptions(),
  )
  const checker = program.getTypeChecker()

  /** What users can import, by its name: the symbol behind the export. */
  const publicExports = entryPoints.flatMap(({ source }) => {
    const file = program.getSourceFile(root + source)
    const module = file && checker.getSymbolAtLocation(file)
    return module ? checker.getExportsOfModule(module).map((symbol) => [symbol.name, original(symbol)] as const) : []
  })

  function original(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  }

  /** Functions, and the error that users create themselves. */
  const callable = publicExports.filter(
    ([name, { flags }]) => flags & ts.SymbolFlags.Function || name === 'OrderRefusedError',
  )

  const without = (tag: string) =>
    callable.filter(([, symbol]) => !symbol.getJsDocTags().some(({ name }) => name === tag)).map(([name]) => name)

  test('describe every export', () => {
    expect(publicExports.length).toBeGreaterThan(50)
    const bare = publicExports.filter(([, symbol]) => symbol.getDocumentationComment(checker).length === 0)
    expect(bare.map(([name]) => name)).toEqual([])
  })

  test('give an example of every function', () => {
    expect(callable.length).toBeGreaterThan(30)
    expect(without('example')).toEqual([])
  })

  test('cite a section of docs/protocol.md for every function that implements it', () => {
    // isOrderSyncError is about JavaScript, not about the protocol.
    expect(without('see')).toEqual(['isOrderSyncError'])
  })
})

describe('@see', () => {
  const headings = read('docs/protocol.md')
    .split('\n')
    .flatMap((line) => /^#{2,4} (\d+(?:\.\d+)*)\.? /.exec(line)?.[1] ?? [])

  const citations = files('src', /\.ts$/).flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (line.includes('@see') ? [[`${path}:${index + 1}`, line] as const] : [])),
  )

  /** The sections that a line cites; undefined when the line does not have the usual form. */
  function sectionsOf(line: string): string[] | undefined {
    const [, list] = /@see docs\/protocol\.md sections? ([\d. ,ando t]+?)(?: \*\/)?$/.exec(line) ?? []
    return list?.match(/\d+(\.\d+)*/g) ?? undefined
  }

  test.each(citations)('%s cites sections of docs/protocol.md that exist', (_, line) => {
    const sections = sectionsOf(line)
    expect(sections).toBeDefined()
    expect(sections?.filter((section) => !headings.includes(section))).toEqual([])
  })

  test('is read with one section or several, and not without a section', () => {
    expect(citations.length).toBeGreaterThan(20)
    expect(sectionsOf(' * @see docs/protocol.md sections 3.1 and 4.1')).toEqual(['3.1', '4.1'])
    expect(sectionsOf('/** @see docs/protocol.md section 3.2 */')).toEqual(['3.2'])
    expect(sectionsOf(' * @see docs/protocol.md')).toBeUndefined()
    expect(headings).toContain('3.2')
    expect(headings).not.toContain('9.9')
  })
})

describe('@throws', () => {
  /** The text of each `@throws` tag in a source file, which may go over several lines. */
  function throwsTags(text: string): string[] {
    const docblocks = text.match(/\/\*\*[\s\S]*?\*\//g) ?? []
    return docblocks.flatMap((docblock) => docblock.split(/\* @/)).filter((tag) => tag.startsWith('throws '))
  }

  /** The codes in a tag that its error class does not have. `ERR_KEY_…` stands for all codes that begin so. */
  function wrongCodes(tag: string): string[] {
    const [, name = ''] = /\{@link (\w+)\}/.exec(tag) ?? []
    const codes = Object.entries(ERROR_CODES).find(([owner]) => owner === name)?.[1] ?? ALL_ERROR_CODES
    const named = tag.match(/\bERR_[A-Z_]+…?/g) ?? []
    return named.filter((code) =>
      code.endsWith('…') ? !codes.some((known) => known.startsWith(code.slice(0, -1))) : !codes.includes(code),
    )
  }

  const tags = files('src', /\.ts$/).flatMap((path) => throwsTags(read(path)).map((tag) => [path, tag] as const))

  test('names codes of the error class that it links', () => {
    expect(tags.length).toBeGreaterThan(20)
    const wrong = tags.flatMap(([path, tag]) => wrongCodes(tag).map((code) => `${path}: ${code}`))
    expect(wrong).toEqual([])
  })

  test('is read over several lines, and a code of another class is an error', () => {
    const docblock =
      '/**\n * Text.\n *\n * @throws {@link ProtocolError} `ERR_METHOD`,\n *   `ERR_PATH`\n * @see x\n */'
    const [tag = '', ...others] = throwsTags(docblock)
    expect(others).toEqual([])
    expect(throwsTags('/** @throws {@link ProtocolError} `ERR_METHOD` */')).toHaveLength(1)
    expect(wrongCodes(tag)).toEqual(['ERR_PATH'])
    expect(wrongCodes('throws {@link ConfigurationError} `ERR_PATH`, `ERR_KEY_…`')).toEqual([])
    expect(wrongCodes('throws {@link ConfigurationError} `ERR_REPLY_…`')).toEqual(['ERR_REPLY_…'])
    expect(wrongCodes('throws `ERR_NOTHING`')).toEqual(['ERR_NOTHING'])
  })
})
