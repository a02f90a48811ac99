import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { parse } from '../support/declarations.ts'
import { files, read } from '../support/project.ts'

/** A number, text, true or false, as it is written in the code: `10_000`, `'ECB'`. */
const LITERAL = /^(\d[\d_.]*|'[^']*'|true|false)(?=\s|$)/

/** One option: the literal in its `@defaultValue` tag, and the literal in its rule. Undefined when there is none. */
interface OptionDefault {
  readonly option: string
  readonly documented: string | undefined
  readonly actual: string | undefined
}

/**
 * Finds every `{ … } satisfies OptionRules<Options>` of a file, and compares it with the docblocks of the interface
 * `Options` in the same file.
 */
function optionDefaults(file: ts.SourceFile): OptionDefault[] {
  const found: OptionDefault[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isSatisfiesExpression(node) && ts.isTypeReferenceNode(node.type)) {
      const [options] = node.type.typeArguments ?? []
      if (node.type.typeName.getText() === 'OptionRules' && options && ts.isTypeReferenceNode(options)) {
        found.push(...compare(file, options.typeName.getText(), membersOf(node.expression)))
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function compare(file: ts.SourceFile, name: string, rules: ReadonlyMap<string, ts.Expression>): OptionDefault[] {
  const declaration = file.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  )
  if (declaration === undefined) throw new Error(`${file.fileName} has rules, but not the interface ${name}`)
  return declaration.members.flatMap((member) => {
    const option = member.name?.getText()
    const rule = option === undefined ? undefined : rules.get(option)
    if (option === undefined || rule === undefined) return []
    const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'defaultValue')
    const text = ts.getTextOfJSDocComment(tag?.comment)
    return [{ option: `${name}.${option}`, documented: LITERAL.exec(text ?? '')?.[1], actual: defaultIn(rule) }]
  })
}

/** The members of an object literal, by their name. */
function membersOf(expression: ts.Expression): ReadonlyMap<string, ts.Expression> {
  // `({ … }) as const satisfies …`
  const inner = ts.isAsExpression(expression) ? expression.expression : expression
  const literal = ts.isParenthesizedExpression(inner) ? inner.expression : inner
  if (!ts.isObjectLiteralExpression(literal)) throw new Error('rules must be an object literal')
  const assignments = literal.properties.filter(ts.isPropertyAssignment)
  return new Map(assignments.map(({ name, initializer }) => [name.getText(), initializer]))
}

/** The literal default of a rule: an argument of `wholeNumber(3, { min: 0 })`, or a member of `{ defaultValue: 3 }`. */
function defaultIn(rule: ts.Expression): string | undefined {
  const candidates = ts.isObjectLiteralExpression(rule)
    ? [membersOf(rule).get('defaultValue')]
    : ts.isCallExpression(rule)
      ? rule.arguments
      : []
  const values = candidates.map((value) => (value && ts.isAsExpression(value) ? value.expression : value))
  return values.map((value) => value?.getText() ?? '').find((value) => LITERAL.exec(value)?.[0] === value)
}

const defaults = files('src', /\.ts$/)
  .filter((path) => path !== 'src/option-rules.ts' && read(path).includes('OptionRules<'))
  .flatMap((path) => optionDefaults(parse(path)))

test.each(defaults.map((option) => [option.option, option] as const))(
  'the @defaultValue of %s is the default in its rule',
  (_, option) => {
    expect(option.documented).toBe(option.actual)
  },
)

describe('the rules of options', () => {
  test('are found for the handler, the client and the stores', () => {
    const names = new Set(defaults.map(({ option }) => option.split('.')[0]))
    expect([...names]).toEqual(
      expect.arrayContaining(['HandlerOptions', 'ClientOptions', 'MemoryStoreOptions', 'SqliteStoreOptions']),
    )
    expect(defaults.filter(({ actual }) => actual !== undefined).length).toBeGreaterThan(10)
  })

  test('are compared with the docblocks, and find a wrong, missing or invented default', () => {
    const text = `
      interface Options {
        /** Right. @defaultValue 1_000 (a thousand) */
        right?: number
        /** Wrong. @defaultValue 'CBC' */
        wrong?: string
        /** Missing. */
        missing?: boolean
        /** Invented. @defaultValue 3 */
        invented?: number
        /** A rule without a helper. @defaultValue 'a' */
        direct?: string
        /** Not a literal. @defaultValue Date.now */
        now?: () => number
      }
      const RULES = {
        right: wholeNumber(1_000, { min: 1 }),
        wrong: oneOf(['ECB', 'CBC'], 'ECB'),
        missing: flag(false),
        invented: anyValue(),
        direct: { defaultValue: 'a', assert: assertText },
        now: functionWithDefault(Date.now),
      } as const satisfies OptionRules<Options>`
    expect(optionDefaults(parse('option-rules.ts', text))).toEqual([
      { option: 'Options.right', documented: '1_000', actual: '1_000' },
      { option: 'Options.wrong', documented: "'CBC'", actual: "'ECB'" },
      { option: 'Options.missing', documented: undefined, actual: 'false' },
      { option: 'Options.invented', documented: '3', actual: undefined },
      { option: 'Options.direct', documented: "'a'", actual: "'a'" },
      { option: 'Options.now', documented: undefined, actual: undefined },
    ])
  })
})
