/** One rule that a scenario can test. */
export interface Rule {
  /** The section of docs/protocol.md. */
  readonly section: string
  readonly title: string
  /** A broken rule with `warning` does not fail the report. */
  readonly severity: 'error' | 'warning'
}

const rule = (section: string, title: string, severity: Rule['severity'] = 'error'): Rule => ({
  section,
  title,
  severity,
})

/** All rules that a client can test. */
export const RULES = {
  'valid-order': rule('5.1', 'A valid order is accepted'),
  'optional-fields': rule('5.1', 'The optional fields are accepted'),
  'unknown-fields': rule('5.1', 'Fields that are not in the list are accepted'),
  'invalid-order': rule('5.1', 'A signed order that breaks a rule is refused for good, with the status F'),
  'strict-json': rule('5.3', 'JSON that parsers interpret differently is refused'),
  'signed-bytes': rule('3.1', 'The signature is verified over the received bytes, in any JSON format'),
  'header-forms': rule('2.2', 'Signature headers are accepted in every permitted form'),
  'time-forms': rule('2.3', 'Request-Time is accepted in every permitted form'),
  'key-versions': rule('3.3', 'Signatures of all keys of the peer are accepted during a rotation'),
  'changed-body': rule('3.1', 'A body that was changed after signing is refused'),
  'changed-signature': rule('3.1', 'A changed signature is refused'),
  unsigned: rule('2.1', 'A request without a signature is refused'),
  'unknown-key': rule('3.2', 'A signature of an unknown key is refused'),
  'unknown-key-version': rule('3.3', 'An unknown key version is refused'),
  'other-algorithm': rule('3.2', 'The header cannot change the algorithm of a key'),
  'other-path': rule('3.1', 'A signature for another path is refused'),
  'old-time': rule('2.3', 'A request that was signed an hour ago is refused'),
  'unknown-client': rule('2.1', 'An unknown Client-Id is refused'),
  'refusal-leaves-nothing': rule('7.1', 'After a forged request, the genuine one with the same requestId is processed'),
  'refusal-unsigned': rule('6', 'A response to a request that did not verify is not signed', 'warning'),
  'refusal-status': rule('6', 'A request that did not verify gets an HTTP status from 400 to 499', 'warning'),
  'encrypted-order': rule('4.1', 'An encrypted order is accepted'),
  'changed-encryption': rule('4.2', 'A message whose Encrypt header was changed is refused'),
  'decryption-errors': rule('4.2', 'All failures of decryption look the same'),
  'other-method': rule('6', 'A method other than POST is refused'),
  'content-type': rule('6', 'A body that is not JSON in UTF-8 is refused'),
  'large-body': rule('6', 'A body that is too large is refused, and the endpoint still works'),
  'same-request': rule('7.1', 'A repeated request gets the response of the first one'),
  'changed-request': rule('7.1', 'A repeated requestId with other content is refused as REPEAT_REQ_INCONSISTENT'),
  'same-event': rule('7.1', 'An already processed event gets SUCCESS with the stored orderId'),
  'older-event': rule('7.1', 'An event older than the last one gets SUCCESS with the stored orderId'),
  'newer-event': rule('7.1', 'A newer event of a known order is accepted'),
  concurrent: rule('7.1', 'Copies that arrive at the same time are one event'),
  'lost-response': rule('7.3', 'An event whose response was lost is not processed again'),
  burst: rule('6', 'Many orders at the same time are all accepted in the end'),
  'half-sent': rule('6', 'Half-sent requests do not block other orders'),
  'response-in-time': rule('6.2', 'Every request gets a response in time'),
  'response-status': rule('6', 'A request that verified gets HTTP 200'),
  'response-signed': rule('6.3', 'The response is signed for this method, path, Client-Id, time and body'),
  'response-client-id': rule('2.1', 'The response has the Client-Id of the request'),
  'response-time': rule('2.3', 'The response has a Response-Time of now'),
  'response-content-type': rule('2.1', 'The response is application/json in UTF-8'),
  'response-encrypted': rule('6.3', 'The response is encrypted exactly when the request was'),
  'response-body': rule('6.1', 'The response body is { result, orderId } within its limits'),
} as const satisfies Readonly<Record<string, Rule>>

/** The name of a rule. */
export type RuleId = keyof typeof RULES

export const ruleOf = (id: RuleId): Rule => RULES[id]
