import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { entryPoints, projectOptions } from './support/compile.ts'
import { documents, files, read, root } from './support/project.ts'

const entries = entryPoints.map(({ path }) => path)
const program = ts.createProgram(
  entries.map((path) => root + path),
  projectOptions(),
)
const checker = program.getTypeChecker()

/** What users can import, by its name: the symbol behind the export. */
const publicExports = entries.flatMap((path) => {
  const file = program.getSourceFile(root + path)
  const module = file && checker.getSymbolAtLocation(file)
  return module ? checker.getExportsOfModule(module).map((symbol) => [symbol.name, behind(symbol)] as const) : []
})

function behind(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

test('every public export has a docblock', () => {
  expect(publicExports.length).toBeGreaterThan(50)
  const bare = publicExports.filter(([, symbol]) => symbol.getDocumentationComment(checker).length === 0)
  expect(bare.map(([name]) => name)).toEqual([])
})

/** It is about errors of JavaScript, not about messages. */
const OF_NO_SECTION = ['isOrderSyncError']

test('every public function has an example, and cites what it implements', () => {
  const callable = publicExports.filter(
    ([name, { flags }]) => flags & ts.SymbolFlags.Function || name === 'RefusalError',
  )
  expect(callable.length).toBeGreaterThan(30)
  const lacks = (tag: string) =>
    callable.filter(([, symbol]) => !symbol.getJsDocTags().some(({ name }) => name === tag)).map(([name]) => name)
  expect(lacks('example')).toEqual([])
  expect(lacks('see')).toEqual(OF_NO_SECTION)
})

const functions = publicExports.flatMap(([name, symbol]) => {
  const body = bodyOf(symbol)
  const docblock = symbol.valueDeclaration ? ts.getJSDocCommentsAndTags(symbol.valueDeclaration)[0]?.getText() : ''
  const documented = docblock?.split(/^ *\* @/m).filter((tag) => tag.startsWith('throws')) ?? []
  return body ? [{ name, documented: documented.flatMap(wordsOf), thrown: [...thrownBy(body)].sort() }] : []
})

/** What cannot come out all the same. describeKey expects no kind, so none can be wrong. */
const NEVER: Readonly<Record<string, readonly string[]>> = { describeKey: ['ERR_KEY_KIND'] }

test.each(functions)('the docblock of $name lists what it throws, and nothing else', ({ name, documented, thrown }) => {
  const never = NEVER[name] ?? []
  expect(thrown).toEqual(expect.arrayContaining([...never]))
  expect(thrown.filter((word) => !never.includes(word))).toEqual([...new Set(documented)].sort())
})

test('what functions throw is found out', () => {
  const thrown = Object.fromEntries(functions.map(({ name, thrown }) => [name, thrown]))
  expect(thrown['formatTime']).toEqual([])
  expect(thrown['parseTime']).toEqual(['ERR_HEADER_INVALID'])
  // Through three functions, one of them passed as an argument.
  expect(thrown['createOrderSyncHandler']).toEqual(expect.arrayContaining(['ERR_KEY_WEAK', 'RangeError', 'TypeError']))
  // Its one "try" lets nothing out.
  expect(thrown['verify']).toEqual([])
})

/** The error codes and the names of built-in errors in a text. */
function wordsOf(text: string): string[] {
  return text.match(/\bERR_[A-Z_]+\b|\b(Type|Range)Error\b/g) ?? []
}

/** The block of a function of src/. */
function bodyOf(symbol: ts.Symbol): ts.Node | undefined {
  const declaration = symbol.valueDeclaration
  if (declaration === undefined || declaration.getSourceFile().isDeclarationFile) return undefined
  if (ts.isFunctionDeclaration(declaration)) return declaration.body
  if (!ts.isVariableDeclaration(declaration)) return undefined
  const value = declaration.initializer
  return value && ts.isFunctionLike(value) && 'body' in value ? (value.body as ts.Node) : undefined
}

/** The block of the function that an expression names. */
function functionOf(name: ts.Expression): ts.Node | undefined {
  const symbol = ts.isIdentifier(name) ? checker.getSymbolAtLocation(name) : undefined
  return symbol && bodyOf(behind(symbol))
}

/**
 * The codes of all errors that are made in a function and in those of src/ that it calls. What is inside a `try` whose
 * `catch` does not throw again is left out, and so are the functions that are returned, for later.
 */
function thrownBy(body: ts.Node, seen = new Set<ts.Node>()): Set<string> {
  const thrown = new Set<string>()
  if (seen.has(body)) return thrown
  seen.add(body)
  const visit = (node: ts.Node): void => {
    if (ts.isTryStatement(node) && node.catchClause && !rethrows(node.catchClause)) {
      visit(node.catchClause)
      if (node.finallyBlock) visit(node.finallyBlock)
      return
    }
    if (ts.isFunctionLike(node) && !ts.isCallExpression(node.parent)) return
    if (ts.isNewExpression(node)) {
      for (const word of wordsOf(`${node.expression.getText()} ${node.arguments?.[0]?.getText()}`)) thrown.add(word)
    }
    if (ts.isCallExpression(node) && functionOf(node.expression)) {
      // What is passed to a function of ours will be called by it.
      for (const called of [node.expression, ...node.arguments].flatMap((name) => functionOf(name) ?? [])) {
        for (const word of thrownBy(called, seen)) thrown.add(word)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(body)
  return thrown
}

function rethrows({ variableDeclaration, block }: ts.CatchClause): boolean {
  const name = variableDeclaration?.name.getText()
  const isRethrow = (node: ts.Node): boolean =>
    (ts.isThrowStatement(node) && node.expression.getText() === name) || ts.forEachChild(node, isRethrow) === true
  return name !== undefined && isRethrow(block)
}

const headings = new Set(
  read('docs/protocol.md')
    .split('\n')
    .flatMap((line) => /^#{2,4} (\d+(?:\.\d+)*)\.? /.exec(line)?.[1] ?? []),
)

const citations = files('src', /\.ts$/).flatMap((path) =>
  read(path)
    .split('\n')
    .flatMap((line, index) => (line.includes('@see') ? [{ place: `${path}:${index + 1}`, line }] : [])),
)

/** The sections that a `@see` cites; undefined when it does not read as it should. */
function sectionsOf(line: string): string[] | undefined {
  const [, list] = /@see docs\/protocol\.md sections? ([\d. ,ando t]+?)(?: \*\/)?$/.exec(line) ?? []
  return list?.match(/\d+(\.\d+)*/g) ?? undefined
}

test.each(citations)('$place cites a section of docs/protocol.md that exists', ({ line }) => {
  const sections = sectionsOf(line)
  expect(sections).toBeDefined()
  expect(sections?.filter((section) => !headings.has(section))).toEqual([])
})

test('citations are found, and one that is wrong is not taken for a right one', () => {
  expect(citations.length).toBeGreaterThan(20)
  expect(sectionsOf(' * @see docs/protocol.md sections 3.1 and 4.1')).toEqual(['3.1', '4.1'])
  expect(sectionsOf('/** @see docs/protocol.md section 3.2 */')).toEqual(['3.2'])
  expect(sectionsOf(' * @see docs/protocol.md')).toBeUndefined()
  expect(headings).not.toContain('9.9')
})

const links = documents.flatMap((from) =>
  [...read(from).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => ({ from, target }))
    .filter(({ target }) => !/^[a-z]+:/.test(target)),
)

/** As GitHub names them. */
function anchorsOf(path: string): string[] {
  const headings = read(path).match(/(?<=^#{1,6} ).*/gm) ?? []
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function leadsSomewhere(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? from : posix.join(posix.dirname(from), file)
  return existsSync(root + path) && (anchor === undefined || anchorsOf(path).includes(anchor))
}

test.each(links)('the link to $target in $from leads somewhere', ({ from, target }) => {
  expect(leadsSomewhere(from, target)).toBe(true)
})

test('a link that leads nowhere is found', () => {
  expect(links.length).toBeGreaterThan(0)
  expect(leadsSomewhere('README.md', 'docs/nothing.md')).toBe(false)
  expect(leadsSomewhere('README.md', 'docs/protocol.md#nothing')).toBe(false)
  expect(leadsSomewhere('docs/protocol.md', '#1-endpoint')).toBe(true)
})
