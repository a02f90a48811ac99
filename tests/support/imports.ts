import { posix } from 'node:path'
import ts from 'typescript'

/** That one file imports another, or a package. */
export interface Import {
  readonly from: string
  readonly to: string
  /** Whether the compiler takes it out. */
  readonly typeOnly: boolean
}

/** Every import, re-export, `require()` and `import()` of a file; what is relative is made a path, like `from`. */
export function importsOf(from: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier === undefined) return
    const name = ts.isStringLiteral(specifier) ? specifier.text : specifier.getText()
    const to = name.startsWith('.') ? posix.join(posix.dirname(from), name) : name
    found.push({ from, to, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly === true)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node)) add(node.argument, true)
    else if (ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText()))
      add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest, true))
  return found
}
