import ts from 'typescript'
import { entryPoints } from '../../scripts/entry-points.ts'
import { read, root } from './project.ts'

/** A fenced block of TypeScript. */
export interface CodeBlock {
  /** Its file and line: `README.md:12`. */
  readonly place: string
  readonly code: string
}

/** The `ts` blocks of a Markdown file, or of the docblocks of a source file, without those marked `no-check`. */
export function codeBlocks(path: string, text = read(path)): CodeBlock[] {
  const lines = text.split('\n').map((line) => (path.endsWith('.ts') ? line.replace(/^\s*\* ?/, '') : line))
  const blocks: CodeBlock[] = []
  let open: { fence: string; line: number; checked: boolean; code: string[] } | undefined
  for (const [index, line] of lines.entries()) {
    const [, fence = '', info = ''] = /^\s*(`{3,})(.*)$/.exec(line) ?? []
    if (open === undefined) {
      if (fence === '') continue
      open = { fence, line: index + 1, checked: /^(ts|typescript)\b(?!.*\bno-check\b)/.test(info), code: [] }
    } else if (fence === open.fence && info === '') {
      if (open.checked) blocks.push({ place: `${path}:${open.line}`, code: open.code.join('\n') })
      open = undefined
    } else open.code.push(line)
  }
  if (open !== undefined) throw new Error(`${path}:${open.line} opens a code block that is never closed`)
  return blocks
}

/** The options of tsconfig.json. The name of the package resolves to src/, as it resolves to dist/ for users. */
export function projectOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const files = entryPoints.map(({ source }) => source)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root)
  const paths = Object.fromEntries(entryPoints.map(({ specifier, source }) => [specifier, [root + source]]))
  return { ...options, paths }
}

/**
 * The compiler errors of code blocks. Each block is a module of its own in the project folder; one program holds them all.
 */
export function typeErrors(blocks: readonly CodeBlock[]): string[] {
  // An example may import or define something that it does not use.
  const options = { ...projectOptions(), noUnusedLocals: false, noUnusedParameters: false }
  const modules = new Map(blocks.map((block) => [`${root}${block.place.replace(/[/:]/g, '-')}.ts`, block]))
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile } = host
  host.fileExists = (name) => modules.has(name) || fileExists(name)
  host.getSourceFile = (name, target, ...rest) => {
    const block = modules.get(name)
    return block ? ts.createSourceFile(name, block.code, target) : getSourceFile(name, target, ...rest)
  }
  const program = ts.createProgram([...modules.keys()], options, host)
  return [...modules].flatMap(([name, { place }]) => {
    const file = program.getSourceFile(name)
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText, start = 0 }) => {
        const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
        return `${place} +${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
      },
    )
  })
}
