import { useState } from 'preact/hooks'
import { isOrderSyncError } from '../../errors.ts'
import { orderSchema } from '../../messages/order.ts'
import { validateOrder } from '../../messages/validate.ts'
import type { About, SendScenario, SentResult } from '../wire.ts'
import { send } from './api.ts'
import { dateOf } from './format.ts'
import { Results } from './results.tsx'

/** A field of the form, from the JSON Schema of the order. */
interface Field {
  /** `amount.value` for a member of an object. */
  readonly name: string
  readonly type: 'text' | 'time' | 'json'
  readonly isRequired: boolean
  readonly description: string
}

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly const?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

function fieldsOf(schema: Schema, prefix = ''): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]): Field[] => {
    if (member.properties !== undefined) return fieldsOf({ ...member, required: [] }, `${prefix}${name}.`)
    return [
      {
        name: prefix + name,
        type: member.type === 'integer' ? 'time' : member.type === 'object' ? 'json' : 'text',
        isRequired: schema.required?.includes(name) ?? false,
        description: member.description ?? '',
      },
    ]
  })
}

const FIELDS = fieldsOf(orderSchema as Schema)

const newId = () => crypto.randomUUID().replaceAll('-', '')

function startValues(): Record<string, string> {
  const id = newId()
  const now = String(Date.now())
  return {
    requestId: id,
    tradeNo: `T-${id.slice(0, 12)}`,
    merchantBizNo: `B-${id.slice(0, 12)}`,
    merchantBizType: 'TRADE_ORDER',
    'amount.value': '1000',
    'amount.currency': 'HKD',
    orderStatus: 'PAID',
    orderCreateTime: now,
    orderModifyTime: now,
    userId: 'TEST-USER',
    extInfo: '{}',
  }
}

/** The order of the form. Invalid JSON and invalid numbers stay text, so that the validator names them. */
function toOrder(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const order: Record<string, unknown> = {}
  for (const { name, type } of FIELDS) {
    const text = values[name] ?? ''
    if (text === '') continue
    const value = type === 'time' && /^\d+$/.test(text) ? Number(text) : type === 'json' ? parse(text) : text
    const [outer = '', inner] = name.split('.')
    if (inner === undefined) order[outer] = value
    else order[outer] = { ...(order[outer] as object | undefined), [inner]: value }
  }
  return order
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function issuesOf(order: object): ReadonlyMap<string, string> {
  try {
    validateOrder(order)
    return new Map()
  } catch (error) {
    const issues = isOrderSyncError(error) && 'issues' in error ? (error.issues ?? []) : []
    return new Map(issues.map(({ field, expected }) => [field, expected]))
  }
}

const SCENARIOS: readonly (readonly [SendScenario, string, string])[] = [
  ['order', 'Send', 'the order as it is'],
  ['encrypted', 'Encrypted', 'the order, encrypted'],
  ['duplicate', 'Duplicate', 'the order, and another request about the same event'],
  ['older', 'Older event', 'the order, and then an event that is one minute older'],
  ['tampered', 'Tampered', 'the order, with a body that was changed after signing'],
  ['burst', 'Burst of 50', '50 orders, 10 at the same time'],
]

export function SendView({ about }: { readonly about: About }) {
  const [values, setValues] = useState(startValues)
  const [results, setResults] = useState<readonly SentResult[] | undefined>()
  const [isBusy, setBusy] = useState(false)
  const order = toOrder(values)
  const issues = issuesOf(order)
  const run = async (scenario: SendScenario, as: 'peer' | 'client') => {
    setBusy(true)
    const sent = await send({ scenario, as, order }).catch((error: Error) => ({ results: [{ error: error.message }] }))
    setResults(sent.results)
    setBusy(false)
  }
  return (
    <section class="detail" aria-label="Send">
      <h2>Send an order</h2>
      {!about.canSendAsPeer && (
        <p class="fix" role="note">
          The console needs a private key for tests to send orders as AlipayHK. Pass the option <code>peer</code> to
          createConsole(), or <code>--peer-private-key</code> to the command.
        </p>
      )}
      <form class="order-form" onSubmit={(event) => event.preventDefault()}>
        {FIELDS.map((field) => (
          <FieldView
            key={field.name}
            field={field}
            value={values[field.name] ?? ''}
            issue={issueOf(field.name, issues, values)}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
      </form>
      <p role="status" class={issues.size > 0 ? 'wrong' : 'ok'}>
        {issues.size > 0
          ? `The order breaks ${issues.size === 1 ? 'one rule' : `${issues.size} rules`}. You can still send it.`
          : 'The order is valid.'}
        {issues.has('') ? ` It must have ${issues.get('')}.` : ''}
      </p>
      <div class="actions">
        {about.canSendAsPeer &&
          SCENARIOS.map(([scenario, title, help]) => (
            <button type="button" key={scenario} disabled={isBusy} title={help} onClick={() => run(scenario, 'peer')}>
              {title}
            </button>
          ))}
        {about.hasClient && (
          <button
            type="button"
            disabled={isBusy}
            title="with your client, to the peer that it is configured for"
            onClick={() => run('order', 'client')}
          >
            Send with your client
          </button>
        )}
        <button type="button" onClick={() => setValues(startValues())}>
          New order
        </button>
        <button
          type="button"
          onClick={() => setValues({ ...values, requestId: newId(), orderModifyTime: String(Date.now()) })}
        >
          Next event of this order
        </button>
      </div>
      {results && <Results results={results} />}
    </section>
  )
}

/** An issue about an object is shown at its first member. */
function issueOf(name: string, issues: ReadonlyMap<string, string>, values: Readonly<Record<string, string>>) {
  const [outer = '', inner] = name.split('.')
  const own = issues.get(name)
  if (own !== undefined) return own
  return inner === undefined || (values[name] ?? '') !== '' ? undefined : issues.get(outer)
}

interface FieldProps {
  readonly field: Field
  readonly value: string
  readonly issue: string | undefined
  readonly onChange: (value: string) => void
}

function FieldView({ field: { name, type, isRequired, description }, value, issue, onChange }: FieldProps) {
  const id = `field-${name}`
  const help =
    issue !== undefined
      ? `must be ${issue}`
      : type === 'time' && /^\d{1,16}$/.test(value)
        ? dateOf(Number(value))
        : description
  const props = {
    id,
    value,
    'aria-invalid': issue !== undefined,
    'aria-describedby': `${id}-help`,
    spellcheck: false,
    onInput: (event: Event) => onChange((event.currentTarget as HTMLInputElement).value),
  }
  return (
    <div class="field">
      <label for={id}>
        {name}
        {isRequired ? ' *' : ''}
      </label>
      {type === 'json' ? (
        <textarea rows={2} {...props} />
      ) : (
        <input type="text" inputMode={type === 'time' ? 'numeric' : 'text'} {...props} />
      )}
      <span id={`${id}-help`} class={issue === undefined ? 'quiet' : 'wrong'}>
        {help}
      </span>
    </div>
  )
}
