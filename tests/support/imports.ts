import { posix } from 'node:path'
import ts from 'typescript'

/** One import of a file: of another file, or of a package. */
export interface Import {
  /** The path of the file that imports. */
  readonly from: string
  /** The path of the imported file, relative to the same folder as `from`; or the specifier of a package. */
  readonly to: string
  /** Whether the compiler removes the import. */
  readonly typeOnly: boolean
  /** The names of the imported values, without types. `*` for the whole module. */
  readonly values: readonly string[]
}

const WHOLE_MODULE = ['*']

/** Every import, re-export, `require()`, `import()` and import type of a file. */
export function importsOf(from: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, values: readonly string[] | undefined) => {
    if (specifier === undefined) return
    const name = ts.isStringLiteral(specifier) ? specifier.text : specifier.getText()
    const to = name.startsWith('.') ? posix.join(posix.dirname(from), name) : name
    found.push({ from, to, typeOnly: values === undefined, values: values ?? [] })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importedValues(node.importClause))
    else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly ? undefined : valuesIn(node.exportClause))
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, undefined)
    } else if (ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText())) {
      add(node.arguments[0], WHOLE_MODULE)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest, true))
  return found
}

/** The values of an import; undefined for `import type`. */
function importedValues(clause: ts.ImportClause | undefined): readonly string[] | undefined {
  if (clause === undefined) return WHOLE_MODULE
  if (clause.isTypeOnly) return undefined
  return [...(clause.name ? ['default'] : []), ...(clause.namedBindings ? valuesIn(clause.namedBindings) : [])]
}

function valuesIn(bindings: ts.NamedImportBindings | ts.NamedExportBindings | undefined): readonly string[] {
  if (bindings === undefined || ts.isNamespaceImport(bindings) || ts.isNamespaceExport(bindings)) return WHOLE_MODULE
  return bindings.elements
    .filter(({ isTypeOnly }) => !isTypeOnly)
    .map(({ name, propertyName }) => (propertyName ?? name).text)
}
