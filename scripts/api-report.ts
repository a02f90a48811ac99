import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { entryPoints } from './entry-points.ts'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))

/** etc/NAME.api.md for each entry point: its exports, without comments. Empty while dist/ is not built. */
export function apiReports(): Record<string, string> {
  const files = entryPoints.map(({ name }) => `${dist}cjs/${name}.d.ts`)
  if (!files.every((file) => existsSync(file))) return {}
  const program = ts.createProgram(files, {
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    module: ts.ModuleKind.NodeNext,
  })
  return Object.fromEntries(
    entryPoints.map(({ name, specifier }) => {
      const file = program.getSourceFile(`${dist}cjs/${name}.d.ts`)
      if (file === undefined) throw new Error(`dist/${name}.d.ts cannot be read`)
      return [`etc/${name.replaceAll('/', '-')}.api.md`, report(specifier, file, program.getTypeChecker())]
    }),
  )
}

function report(specifier: string, file: ts.SourceFile, checker: ts.TypeChecker): string {
  const symbol = checker.getSymbolAtLocation(file)
  const exported = symbol === undefined ? [] : checker.getExportsOfModule(symbol)
  const texts = exported
    .map((found) => ({ name: found.name, text: declarationsOf(found, checker) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ text }) => text)
  return `# API of \`${specifier}\`

Generated from dist/ by scripts/generate.ts. A change of this file is a change of the public API: review it.

\`\`\`ts
${texts.join('\n\n')}
\`\`\`
`
}

const printer = ts.createPrinter({ removeComments: true })

/** The declarations of an export, under the name that it is exported as. */
function declarationsOf(exported: ts.Symbol, checker: ts.TypeChecker): string {
  const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0
  const target = isAlias ? checker.getAliasedSymbol(exported) : exported
  const declarations = target.declarations ?? []
  const texts = declarations.map((declaration) => {
    // The statement of a variable is around its declaration.
    const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
    return printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()).replace(/^(export )?declare /, '')
  })
  const renamed = target.name === exported.name ? '' : `// exported as ${exported.name}\n`
  return renamed + texts.join('\n')
}
