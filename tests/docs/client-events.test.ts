import ts from 'typescript'
import { expect, test } from 'vitest'
import { parse } from '../support/declarations.ts'
import { codeSpans, linesUnder, tableRows } from '../support/markdown.ts'
import { read } from '../support/project.ts'

const section = linesUnder('Events of the client', read('docs/send.md'))
const file = parse('src/client/event.ts')
const exported = file.statements.filter(ts.isInterfaceDeclaration).filter(({ name }) => /Event(Base)?$/.test(name.text))
const members = exported.flatMap((declared) => [...declared.members].filter(ts.isPropertySignature))

test('docs/send.md lists the kinds of ClientEvent, and no other', () => {
  const kinds = members
    .filter((member) => member.name.getText(file) === 'kind')
    .flatMap((member) => [...(member.type?.getText(file) ?? '').matchAll(/'(\w+)'/g)].map(([, kind]) => kind))
  expect(kinds).toHaveLength(8)
  expect(
    tableRows('kind', section)
      .flatMap((row) => codeSpans(row['kind']))
      .sort(),
  ).toEqual(kinds.sort())
})

test('docs/send.md lists the members of ClientEvent, and no other', () => {
  const names = new Set(members.map((member) => member.name.getText(file)))
  const listed = tableRows('member of an event', section).flatMap((row) => codeSpans(row['member of an event']))
  expect(listed.sort()).toEqual([...names].sort())
})
