import type { RuleId } from './rules.ts'
import type { Delivery, Expectation, Scenario, SimulatedFault, Step } from './scenario.ts'

type Details = Partial<Omit<Delivery, 'kind' | 'rule' | 'order' | 'expect'>>

const deliver = (rule: RuleId, order: string, expect: Expectation, details: Details = {}): Delivery => ({
  kind: 'deliver',
  ...{ rule, order, expect },
  ...details,
})

/** A forged request must be rejected, and must not affect the following genuine one with the same `requestId`. */
const forged = (rule: RuleId, tamper: SimulatedFault, details: Details = {}): readonly Step[] => {
  const order = `forged-${tamper}${details.encrypt ? '-encrypted' : ''}`
  return [
    deliver(rule, order, 'refused', { ...details, tamper }),
    deliver('refusal-leaves-nothing', order, 'success', details),
  ]
}

const FORGERIES: readonly (readonly [RuleId, SimulatedFault])[] = [
  ['changed-body', 'body'],
  ['changed-signature', 'signature'],
  ['unsigned', 'unsigned'],
  ['unknown-key', 'wrong-key'],
  ['unknown-key-version', 'key-version'],
  ['other-algorithm', 'algorithm'],
  ['other-path', 'another-path'],
  ['old-time', 'time'],
  ['unknown-client', 'client-id'],
]

const CHINESE = { note: '港幣 10 元 / 訂單已付款 ✓', remark: 'a/b "c" \\ d' }

/** Everything that an endpoint must accept or reject, once. */
const smoke: Scenario = {
  name: 'smoke',
  summary: 'a few of each: valid, repeated, older, newer, forged and invalid orders',
  steps: [
    deliver('valid-order', 'first', 'success'),
    deliver('optional-fields', 'optional', 'success', {
      changes: {
        merchantId: 'M-SIMULATOR',
        openId: 'OPEN-SIMULATOR',
        amount: { value: '1000', currency: 'HKD' },
        payAmount: { value: '900', currency: 'HKD' },
        discountAmount: { value: '100', currency: 'HKD' },
        extInfo: CHINESE,
      },
    }),
    deliver('unknown-fields', 'unknown', 'success', { changes: { newField: { of: ['a', 'later', 'version'] } } }),
    deliver('signed-bytes', 'pretty', 'success', { content: 'pretty', changes: { extInfo: CHINESE } }),
    deliver('signed-bytes', 'escaped', 'success', { content: 'escaped', changes: { extInfo: CHINESE } }),
    deliver('header-forms', 'spaced', 'success', { headers: 'spaced' }),
    deliver('header-forms', 'raw', 'success', { headers: 'raw-base64' }),
    deliver('time-forms', 'utc', 'success', { headers: 'time-utc' }),
    deliver('time-forms', 'milliseconds', 'success', { headers: 'time-milliseconds' }),
    deliver('same-request', 'first', 'same-order-id'),
    deliver('same-event', 'first', 'same-order-id', { request: 'again' }),
    deliver('older-event', 'first', 'same-order-id', { event: -1 }),
    deliver('newer-event', 'first', 'success', { event: 1 }),
    deliver('changed-request', 'first', 'conflict', { changes: { orderStatus: 'CLOSED' } }),
    ...forged('changed-body', 'body'),
    ...forged('unsigned', 'unsigned'),
    ...forged('unknown-key', 'wrong-key'),
    ...forged('old-time', 'time'),
    deliver('invalid-order', 'without-status', 'invalid', { changes: { orderStatus: undefined } }),
  ],
}

const encrypted: Scenario = {
  name: 'encrypted',
  summary: 'encrypted orders, valid and broken',
  steps: [
    deliver('encrypted-order', 'first', 'success', { encrypt: true }),
    deliver('encrypted-order', 'chinese', 'success', {
      encrypt: true,
      content: 'pretty',
      changes: { extInfo: CHINESE },
    }),
    deliver('same-request', 'first', 'same-order-id', { encrypt: true }),
    deliver('older-event', 'first', 'same-order-id', { encrypt: true, event: -1 }),
    deliver('newer-event', 'first', 'success', { encrypt: true, event: 1 }),
    deliver('changed-request', 'first', 'conflict', { encrypt: true, changes: { orderStatus: 'CLOSED' } }),
    deliver('valid-order', 'clear', 'success'),
    ...forged('changed-body', 'body', { encrypt: true }),
    ...forged('unknown-key', 'wrong-key', { encrypt: true }),
    deliver('changed-encryption', 'stripped', 'refused', { encrypt: true, tamper: 'no-encrypt' }),
    deliver('changed-encryption', 'replaced', 'refused', { encrypt: true, tamper: 'symmetric-key' }),
    {
      kind: 'alike',
      rule: 'decryption-errors',
      deliveries: [
        deliver('decryption-errors', 'key', 'refused', { encrypt: true, tamper: 'symmetric-key' }),
        deliver('decryption-errors', 'ciphertext', 'refused', { encrypt: true, tamper: 'ciphertext' }),
      ],
    },
    deliver('invalid-order', 'encrypted-without-status', 'invalid', {
      encrypt: true,
      changes: { orderStatus: undefined },
    }),
  ],
}

const duplicates: Scenario = {
  name: 'duplicates',
  summary: 'repeated, simultaneous and reordered deliveries',
  steps: [
    deliver('valid-order', 'first', 'success'),
    deliver('same-request', 'first', 'same-order-id'),
    deliver('same-request', 'first', 'same-order-id', { content: 'pretty' }),
    deliver('same-event', 'first', 'same-order-id', { request: 'again' }),
    deliver('concurrent', 'simultaneous', 'success', { copies: 10 }),
    {
      kind: 'together',
      deliveries: ['a', 'b', 'c'].map((request) => deliver('concurrent', 'several-requests', 'success', { request })),
    },
    deliver('same-event', 'several-requests', 'same-order-id', { request: 'd' }),
    {
      kind: 'together',
      shuffle: true,
      deliveries: [0, 1, 2, 3, 4].map((event) => deliver('newer-event', 'reordered', 'success', { event })),
    },
    deliver('lost-response', 'lost', 'success', { hangUp: true }),
    deliver('lost-response', 'lost', 'same-order-id'),
    deliver('changed-request', 'first', 'conflict', { changes: { orderStatus: 'CLOSED' } }),
    deliver('same-request', 'first', 'same-order-id'),
  ],
}

const rotation: Scenario = {
  name: 'rotation',
  summary: 'the peer rotates its key: first the old one, then both, then the new one',
  steps: [
    deliver('key-versions', 'old', 'success', { keyVersion: '1' }),
    deliver('key-versions', 'new', 'success', { keyVersion: '2' }),
    deliver('key-versions', 'old-again', 'success', { keyVersion: '1' }),
    {
      kind: 'together',
      deliveries: ['1', '2', '1', '2', 'none'].map((keyVersion, index) =>
        deliver('key-versions', `mixed-${index}`, 'success', { keyVersion }),
      ),
    },
    deliver('same-request', 'old', 'same-order-id', { keyVersion: '2' }),
    deliver('key-versions', 'encrypted', 'success', { keyVersion: '2', encrypt: true }),
    ...forged('unknown-key-version', 'key-version'),
    ...forged('unknown-key', 'wrong-key'),
  ],
}

const security: Scenario = {
  name: 'security',
  summary: 'requests of an attacker, and requests that were damaged in transit',
  steps: [
    deliver('valid-order', 'first', 'success'),
    ...FORGERIES.flatMap(([rule, tamper]) => forged(rule, tamper)),
    ...FORGERIES.flatMap(([rule, tamper]) => forged(rule, tamper, { encrypt: true })),
    deliver('changed-encryption', 'stripped', 'refused', { encrypt: true, tamper: 'no-encrypt' }),
    deliver('changed-encryption', 'replaced', 'refused', { encrypt: true, tamper: 'symmetric-key' }),
    deliver('other-method', 'method', 'refused', { tamper: 'method' }),
    deliver('content-type', 'type', 'refused', { tamper: 'content-type' }),
    deliver('large-body', 'large', 'refused', { content: 'large' }),
    deliver('large-body', 'after-large', 'success'),
    ...(['not-json', 'empty', 'array', 'deep'] as const).map((content) =>
      deliver('invalid-order', `content-${content}`, 'refused', { content }),
    ),
    deliver('strict-json', 'duplicate-member', 'refused', { content: 'duplicate-member' }),
    { kind: 'half-sent', connections: 20 },
    deliver('half-sent', 'beside-half', 'success'),
    deliver('same-request', 'first', 'same-order-id'),
  ],
}

/** Faults between genuine orders: each genuine order must be processed once. */
const badDay: Scenario = {
  name: 'bad-day',
  summary: 'a burst, lost responses, duplicates, reordering, forgeries and half-sent requests at the same time',
  retry: { retries: 12, baseDelayMs: 200, maxDelayMs: 5_000 },
  steps: [
    { kind: 'half-sent', connections: 10 },
    {
      kind: 'together',
      deliveries: [
        ...Array.from({ length: 30 }, (_, index) =>
          deliver('burst', `burst-${index}`, 'success', { encrypt: index % 3 === 0 }),
        ),
        ...Array.from({ length: 5 }, (_, index) =>
          deliver('lost-response', `lost-${index}`, 'success', { hangUp: true }),
        ),
        deliver('concurrent', 'simultaneous', 'success', { copies: 8 }),
        deliver('changed-body', 'forged-body', 'refused', { tamper: 'body' }),
        deliver('unknown-key', 'forged-key', 'refused', { tamper: 'wrong-key' }),
        deliver('old-time', 'forged-time', 'refused', { tamper: 'time' }),
      ],
    },
    { kind: 'pause', ms: 100 },
    deliver('half-sent', 'beside-half', 'success'),
    {
      kind: 'together',
      deliveries: Array.from({ length: 5 }, (_, index) => deliver('lost-response', `lost-${index}`, 'same-order-id')),
    },
    {
      kind: 'together',
      shuffle: true,
      deliveries: [0, 1, 2, 3, 4, 5].map((event) => deliver('newer-event', 'reordered', 'success', { event })),
    },
    deliver('refusal-leaves-nothing', 'forged-body', 'success'),
    deliver('refusal-leaves-nothing', 'forged-key', 'success'),
    deliver('refusal-leaves-nothing', 'forged-time', 'success'),
    deliver('same-request', 'burst-0', 'same-order-id', { encrypt: true }),
    deliver('older-event', 'burst-1', 'same-order-id', { event: -1 }),
    deliver('changed-request', 'burst-2', 'conflict', { changes: { orderStatus: 'CLOSED' } }),
  ],
}

/** The built-in scenarios, by name. */
export const SCENARIOS = {
  smoke,
  encrypted,
  duplicates,
  'bad-day': badDay,
  rotation,
  security,
} as const satisfies Readonly<Record<string, Scenario>>

/** The name of a built-in scenario. */
export type ScenarioName = keyof typeof SCENARIOS
