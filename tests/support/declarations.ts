import ts from 'typescript'
import { read } from './project.ts'

/** The syntax tree of a file of the project. */
export function parse(path: string, text = read(path)): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

/** The texts of a type that is a union of string literals: `type Status = 'S' | 'F'`. Throws when it is another type. */
export function unionMembers(file: ts.SourceFile, name: string): string[] {
  const alias = file.statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === name,
  )
  if (alias === undefined || !ts.isUnionTypeNode(alias.type)) throw new Error(`${name} is not a union`)
  return alias.type.types.map((member) => {
    if (ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal)) return member.literal.text
    throw new Error(`${name} is not a union of string literals: ${member.getText()}`)
  })
}
