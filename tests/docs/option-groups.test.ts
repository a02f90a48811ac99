import ts from 'typescript'
import { expect, test } from 'vitest'
import { parse } from '../support/declarations.ts'
import { read } from '../support/project.ts'

const { config } = ts.parseConfigFileTextToJson('typedoc.json', read('typedoc.json'))
const topics: readonly string[] = config.groupOrder

test.each([
  ['src/server/options.ts', 'HandlerOptions'],
  ['src/server/verify-options.ts', 'VerifyRequestOptions'],
  ['src/client/options.ts', 'ClientOptions'],
])('%s: each option of %s has a topic that typedoc.json orders', (path, name) => {
  const options = parse(path)
    .statements.filter(ts.isInterfaceDeclaration)
    .find((found) => found.name.text === name)
  const groups = options?.members.map((option) => {
    const tag = ts.getJSDocTags(option).find(({ tagName }) => tagName.text === 'group')
    return [option.name?.getText(), topics.includes(`${ts.getTextOfJSDocComment(tag?.comment)}`)]
  })
  expect(groups).not.toEqual([])
  expect(groups).toEqual(groups?.map(([option]) => [option, true]))
})
