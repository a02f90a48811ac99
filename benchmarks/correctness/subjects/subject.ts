/** What became of a case. docs/comparison.md explains the values. */
export type Verdict = 'safe' | 'unsafe' | 'silent' | 'protocol'

export interface Outcome {
  readonly verdict: Verdict | 'n/a'
  readonly note?: string
}

/** A message as a network attacker sees and changes it. */
export interface Delivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What the application gets from a delivery that its library accepted. */
export interface Accepted {
  readonly value: unknown
  /** The value of {@link Receiver.readHeader}. */
  readonly header?: string | undefined
}

/** A library that verifies messages. It throws, or resolves to undefined, when it rejects one. */
export interface Receiver {
  /** Whether it takes the bytes of the body, or what the application has decoded. */
  readonly decodes: boolean
  /** Whether it parses the body, or leaves that to the application. */
  readonly parses: boolean
  /** Whether the protocol signs a time. */
  readonly signsTime: boolean
  readonly signatureHeader: string
  /** Absent: a signed time is in the signature header. */
  readonly timeHeader?: string
  /** A header that the application reads, besides signature and time. */
  readonly readHeader?: string
  /** A message as its sender sends it, or as a stranger does who has another key. */
  sign(body: Buffer, how?: { secondsAgo?: number; stranger?: boolean }): Delivery | Promise<Delivery>
  receive(delivery: Delivery): Promise<Accepted | undefined>
  /** Receives it on another path than the one that the sender used. */
  receiveElsewhere?(delivery: Delivery): Promise<Accepted | undefined>
  /** Receives the result of a body parser. Resolves to what the library says, if it rejects. */
  receiveParsed?(delivery: Delivery): Promise<Accepted | string>
  /** How often the application runs when the same delivery arrives twice. */
  countRuns?(delivery: Delivery): Promise<number>
  /** What someone without the key can send: headers that name another algorithm, or none. */
  otherAlgorithms?(body: Buffer): Delivery[]
  /** An HMAC whose secret is the text of the public key. */
  confuseKey?(body: Buffer): Delivery
  /** A stranger's message that names its key: `__proto__`, for example. */
  nameKey?(body: Buffer, name: string): Promise<Delivery> | Delivery
  /** The same message again, signed with the old key and with the new one of a rotation, without a version in the headers. */
  rotate?(body: Buffer): Promise<{ byOldKey: Accepted | undefined; byNewKey: Accepted | undefined }>
}

/** An event, as far as idempotency sees it. */
export interface Event {
  readonly key: string
  readonly content: Readonly<Record<string, unknown>>
  /** Minutes after the first event of the same order. Absent: another order. */
  readonly minute?: number
}

/** A library that runs an effect once for each event. It rejects when it refuses to run it. */
export interface Once {
  deliver(event: Event, effect: () => Promise<string>): Promise<string>
  /** Moves the clock. */
  pass(milliseconds: number): void
  breakStore(): void
  /** Whether it knows which events belong to one order, and when. */
  readonly ordersEvents: boolean
  /** Whether a failure is stored, as the response to the same key. */
  readonly storesFailures: boolean
  /** Whether another process takes over, while the first one is still at work. */
  readonly takesOver: boolean
  close?(): void
}

export interface ServedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface ServedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A library that sends requests. */
export interface Caller {
  readonly signsResponses: boolean
  /** Sends one request to this origin. Resolves when it was successful. */
  call(origin: string, timeoutMs?: number): Promise<unknown>
  /** The response of the genuine server. */
  respond(request: ServedRequest, how?: { secondsAgo?: number; other?: boolean }): ServedResponse
  /** The id that makes a retry known to the server. Absent: the library does not retry. */
  retryId?(request: ServedRequest, body: Buffer): string | undefined
  /** Creates a client for this URL. */
  configure?(url: string): void
}

export interface Cipher {
  /** Whether it chooses the key or the IV of each message itself. */
  readonly isRandomized: boolean
  encrypt?(text: string): Promise<{ ciphertext: Buffer }> | { ciphertext: Buffer }
  /** Throws if it rejects. `flip` changes one bit on the way. */
  roundTrip(text: string, flip: boolean): Promise<string> | string
}

/** How keys and secrets are configured. Each function creates the object, and returns how to use it. */
export interface Setup {
  privateKey?(text: string): () => Promise<boolean> | boolean
  publicKey?(text: string): () => Promise<boolean> | boolean
  /** The secret; `undefined` if an environment variable is not set. Returns whether a stranger's message is accepted. */
  unset?(secret: string | undefined): () => Promise<boolean> | boolean
  secret?(text: string): () => Promise<boolean> | boolean
}

/** An HTTP endpoint of a library. */
export interface Endpoint {
  listen(onMessage: () => Promise<void>): Promise<{ port: number; close: () => Promise<void> }>
  /** A genuine message, or one of a stranger. */
  message(stranger: boolean): Promise<{ path: string } & Delivery> | ({ path: string } & Delivery)
  /** Whether it calls the application, and responds. Otherwise the framework does. */
  readonly responds: boolean
  /** Whether it has a time limit of its own for bodies. */
  readonly limitsBodyTime: boolean
}

export const NAMES = [
  'this library',
  'alipay-sdk',
  'wechatpay-node-v3',
  'wechatpay-axios-plugin',
  'stripe',
  '@octokit/webhooks',
  'standardwebhooks',
  'svix',
  '@hookflo/tern',
  '@node-idempotency/core',
  '@aws-lambda-powertools/idempotency',
] as const
export type Name = (typeof NAMES)[number]

/** A library, with the parts that it has. */
export interface Subject {
  readonly name: Name
  readonly receiver?: Receiver
  readonly once?: () => Once
  readonly caller?: Caller
  readonly cipher?: Cipher
  readonly setup?: Setup
  readonly endpoint?: Endpoint
  /** An object that an application may log by mistake, and its secrets. */
  readonly logged?: () => { readonly objects: readonly unknown[]; readonly secrets: readonly Uint8Array[] }
  readonly close?: () => Promise<void>
}
