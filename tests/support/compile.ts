import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import ts from 'typescript'
import { read, root } from './project.ts'

/** A fenced block of TypeScript, and where it stands. */
export interface CodeBlock {
  readonly place: string
  readonly code: string
}

/** The ts blocks of a Markdown file, or of the docblocks of a source file. A block that says `no-check` is left out. */
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
  if (open !== undefined) throw new Error(`${path}:${open.line} opens a block that nothing closes`)
  return blocks
}

/** What users import, `alipayhk-order-sync/node`, and the source file behind it. */
export const entryPoints = Object.keys(JSON.parse(read('package.json')).exports)
  .filter((subpath) => !subpath.endsWith('.json'))
  .map((subpath) => {
    const candidates = [
      subpath.replace(/^\.$/, './index'),
      subpath.replace('./', './adapters/'),
      `${subpath}${subpath.slice(1)}`,
    ]
    const path = candidates.map((name) => posix.join('src', `${name}.ts`)).find((path) => existsSync(root + path))
    return { name: posix.join('alipayhk-order-sync', subpath), path: path ?? `no source for ${subpath}` }
  })

/** The options of tsconfig.json, with the package's own name leading to src/, as it leads a user to dist/. */
export function projectOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['src/index.ts'] }, ts.sys, root)
  return { ...options, paths: Object.fromEntries(entryPoints.map(({ name, path }) => [name, [root + path]])) }
}

/** What the compiler says of the blocks, each as a module of its own beside package.json, all in one program. */
export function typeErrors(blocks: readonly CodeBlock[]): string[] {
  // What a reader will use further down may stand unused here.
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
