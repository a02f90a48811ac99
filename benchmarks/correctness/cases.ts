import { connect } from 'node:net'
import { inspect } from 'node:util'
import { deferred } from '../../tests/support/deferred.ts'
import { type Behaviour, neverResponds, startGateway } from '../../tests/support/gateway.ts'
import { wire } from '../../tests/support/http.ts'
import { gatewayRsa, merchantRsa, pem, weakRsa } from '../../tests/support/keys.ts'
import { order } from '../../tests/support/messages.ts'
import {
  alterSignature,
  configured,
  mustReject,
  protocol,
  received,
  replaceInBody,
  safe,
  silent,
  unsafe,
  withHeader,
  within,
} from './outcome.ts'
import { certificate } from './subjects/keys.ts'
import { secretOf } from './subjects/peer.ts'
import type {
  Caller,
  Delivery,
  Name,
  Once,
  Outcome,
  Receiver,
  ServedResponse,
  Setup,
  Subject,
} from './subjects/subject.ts'

/** One attack, trap or accident. */
export interface Case {
  readonly name: string
  /** Why it matters, in one sentence. */
  readonly why: string
  /** Runs the case, through the part of the library that it is about. Undefined: the library does not have that part. */
  readonly run: (subject: Subject) => Promise<Outcome | undefined> | undefined
  /** What to know about an outcome. For a library without an outcome: why. */
  readonly notes?: Partial<Record<Name, string>>
  /** For a case that this library does not pass: why, and what to do. Other libraries may pass it. */
  readonly loss?: string
}

export interface Category {
  readonly name: string
  /** Why libraries have no outcome in any case of the category. */
  readonly absent: Partial<Record<Name, string>>
  readonly cases: readonly Case[]
}

/** Milliseconds after which something counts as never, on a busy machine too. The time limits of the libraries are shorter. */
const PATIENCE = 20_000

const BODY = Buffer.from(JSON.stringify(order()))

const receiving =
  (run: (receiver: Receiver) => Promise<Outcome | undefined>): Case['run'] =>
  ({ receiver }) =>
    receiver && run(receiver)

/** A case for libraries with a property. */
const receivingIf = (
  has: 'decodes' | 'parses' | 'signsTime',
  run: (receiver: Receiver) => Promise<Outcome | undefined>,
): Case['run'] => receiving(async (receiver) => (receiver[has] ? run(receiver) : undefined))

const rejecting = (change: (genuine: Delivery, receiver: Receiver) => ReturnType<Parameters<typeof mustReject>[2]>) =>
  receiving((receiver) => mustReject(receiver, BODY, (genuine) => change(genuine, receiver)))

const changeSignature = (change: (value: string) => string) =>
  rejecting((genuine, { signatureHeader }) =>
    withHeader(genuine, signatureHeader, change(genuine.headers[signatureHeader] ?? '')),
  )

const IDEMPOTENCY_ONLY = 'has idempotency only'
const onlyIdempotency: Category['absent'] = {
  '@node-idempotency/core': IDEMPOTENCY_ONLY,
  '@aws-lambda-powertools/idempotency': IDEMPOTENCY_ONLY,
}

const signatures: Category = {
  name: 'Signatures',
  absent: onlyIdempotency,
  cases: [
    {
      name: 'The signature is missing or empty',
      why: 'The simplest forgery.',
      run: rejecting((genuine, { signatureHeader }) =>
        [undefined, ''].map((value) => withHeader(genuine, signatureHeader, value)),
      ),
    },
    {
      name: 'One character of the signature differs',
      why: 'A comparison that is not exact accepts it.',
      run: changeSignature(alterSignature),
    },
    {
      name: 'The signature is cut off',
      why: 'A comparison of prefixes accepts it.',
      run: changeSignature((value) => value.slice(0, -20)),
    },
    {
      name: 'A stranger signs',
      why: 'Anyone can make a well-formed signature with a key of their own.',
      run: rejecting((_genuine, receiver) => receiver.sign(BODY, { stranger: true })),
    },
    {
      name: 'The body is changed after signing',
      why: 'This is what a signature is for.',
      run: rejecting((genuine) => replaceInBody(genuine, 'PAID-STATUS', 'FREE-STATUS')),
    },
    {
      name: 'A signature of another message',
      why: 'Signatures can be captured and attached to something else.',
      run: rejecting(async (genuine, receiver) => {
        const other = await receiver.sign(Buffer.from(JSON.stringify(order({ orderStatus: 'OTHER' }))))
        return { ...other, body: genuine.body }
      }),
    },
    {
      name: 'The header names another algorithm, or none',
      why: 'If the message chooses the algorithm, the attacker does.',
      run: receiving(async (receiver) =>
        receiver.otherAlgorithms ? mustReject(receiver, BODY, () => receiver.otherAlgorithms?.(BODY) ?? []) : undefined,
      ),
      notes: {
        'alipay-sdk':
          'the sender may name RSA (SHA-1) in `sign_type`, as the protocol of Alipay allows. It has to sign with its own key',
        'wechatpay-node-v3': 'the message names no algorithm',
        'wechatpay-axios-plugin': 'the message names no algorithm',
      },
    },
    {
      name: 'HMAC with the public key as its secret',
      why: 'Key confusion: the public key is known to everyone.',
      run: receiving(async (receiver) => {
        const { confuseKey } = receiver
        return confuseKey ? mustReject(receiver, BODY, () => confuseKey(BODY)) : undefined
      }),
      notes: Object.fromEntries(
        (['stripe', '@octokit/webhooks', 'standardwebhooks', 'svix', '@hookflo/tern'] as const).map((name) => [
          name,
          'the protocol has no public keys',
        ]),
      ),
    },
    {
      name: 'The key is named `__proto__` or `constructor`',
      why: 'A look-up in an object finds something under these names.',
      run: receiving(async (receiver) => {
        const { nameKey } = receiver
        if (nameKey === undefined) return undefined
        const names = ['__proto__', 'constructor', 'toString']
        return mustReject(receiver, BODY, () => Promise.all(names.map((name) => nameKey(BODY, name))))
      }),
      notes: Object.fromEntries(
        (['stripe', '@octokit/webhooks', 'standardwebhooks', 'svix', '@hookflo/tern'] as const).map((name) => [
          name,
          'the message names no key',
        ]),
      ),
    },
    {
      name: 'The signature header arrives twice',
      why: 'Proxies join headers: the library may verify one value and trust the other.',
      run: rejecting((genuine, { signatureHeader }) => {
        const value = genuine.headers[signatureHeader] ?? ''
        const altered = replaceInBody(genuine, 'PAID-STATUS', 'FREE-STATUS')
        return [`${value}, ${alterSignature(value)}`, `${alterSignature(value)}, ${value}`].map((both) =>
          withHeader(altered, signatureHeader, both),
        )
      }),
    },
    {
      name: 'Characters outside base64 in a genuine signature',
      why: 'A decoder that skips them lets anyone make many signatures of one, for example around a list of seen signatures.',
      run: receiving(async (receiver) => {
        const genuine = await receiver.sign(BODY)
        const value = genuine.headers[receiver.signatureHeader] ?? ''
        const at = value.length - 9
        const changed = withHeader(genuine, receiver.signatureHeader, `${value.slice(0, at)}*${value.slice(at)}`)
        return (await received(() => receiver.receive(changed))) ? silent('accepted') : safe()
      }),
    },
    {
      name: 'Delivered to another path than the sender used',
      why: 'A genuine message for one endpoint must not count at another.',
      run: receiving(async (receiver) => {
        const { receiveElsewhere } = receiver
        if (receiveElsewhere === undefined) return undefined
        const delivery = await receiver.sign(BODY)
        return (await received(() => receiveElsewhere(delivery))) ? unsafe() : safe()
      }),
      notes: Object.fromEntries(
        (
          [
            ...(['alipay-sdk', 'wechatpay-node-v3', 'wechatpay-axios-plugin', 'stripe', '@octokit/webhooks'] as const),
            ...(['standardwebhooks', 'svix', '@hookflo/tern'] as const),
          ] as const
        ).map((name) => [name, 'the protocol does not sign the path']),
      ),
    },
    {
      name: 'A header that the application reads is changed',
      why: 'What the signature does not cover can be changed on the way.',
      run: receiving(async (receiver) => {
        const { readHeader } = receiver
        if (readHeader === undefined) return undefined
        const changed = withHeader(await receiver.sign(BODY), readHeader, 'issues')
        const accepted = await received(() => receiver.receive(changed))
        return accepted?.header === 'issues' ? protocol(`\`${readHeader}\` is not signed`) : safe()
      }),
      loss: 'AlipayHK does not sign `Agent-Token`. Do not authorize by `context.agentToken`.',
      notes: {
        'alipay-sdk': 'everything is in the signed form',
        stripe: 'everything else is in the signed body',
        '@hookflo/tern': 'run with the protocol of Stripe: everything else is in the signed body',
      },
    },
    {
      name: 'A rotation: old and new key sign, and no header names the key',
      why: 'During a rotation, genuine messages must not be rejected.',
      loss: 'A header without `keyVersion` means the latest key. The library does not try other keys: a sender that rotates has to send `keyVersion`.',
      run: receiving(async (receiver) => {
        if (receiver.rotate === undefined) return undefined
        const attempt = receiver.rotate(BODY).catch(() => ({ byOldKey: undefined, byNewKey: undefined }))
        const { byOldKey, byNewKey } = await attempt
        if (byOldKey && byNewKey) return safe()
        return protocol('without `keyVersion`, only the latest key is tried')
      }),
      notes: {
        'alipay-sdk': 'one key at a time; the certificate mode names the key',
        'wechatpay-node-v3': 'every message names its key: `Wechatpay-Serial`',
        'wechatpay-axios-plugin': 'every message names its key: `Wechatpay-Serial`',
        '@hookflo/tern': 'one secret at a time',
        '@octokit/webhooks': '`additionalSecrets`, which its types have and its README does not',
        stripe: 'the sender signs with both',
        standardwebhooks: 'the sender signs with both',
        svix: 'the sender signs with both',
      },
    },
  ],
}

const NO_TIME = 'the protocol signs no time'
const STATELESS = 'verifies only; the application has to recognize repetitions'

const time: Category = {
  name: 'Time',
  absent: { ...onlyIdempotency, 'alipay-sdk': NO_TIME, '@octokit/webhooks': NO_TIME },
  cases: [
    {
      name: 'A message from ten minutes ago',
      why: 'Without a limit, a captured message can be sent again forever.',
      run: receivingIf('signsTime', async (receiver) => {
        const stale = await receiver.sign(BODY, { secondsAgo: 600 })
        return (await received(() => receiver.receive(stale))) ? unsafe() : safe()
      }),
      notes: {
        'wechatpay-node-v3': '`verifySign()` compares no time: the application has to',
      },
    },
    {
      name: 'A message from ten minutes ahead',
      why: 'A time ahead of the clock extends the time in which the message can be sent again.',
      run: receivingIf('signsTime', async (receiver) => {
        const ahead = await receiver.sign(BODY, { secondsAgo: -600 })
        return (await received(() => receiver.receive(ahead)))
          ? silent('accepted; only the sender can sign it')
          : safe()
      }),
    },
    {
      name: 'An old message with a new time in the header',
      why: 'The time must be a part of what is signed.',
      run: receivingIf('signsTime', async (receiver) => {
        const old = await receiver.sign(BODY, { secondsAgo: 600 })
        const now = await receiver.sign(BODY)
        const { timeHeader, signatureHeader } = receiver
        const changed = timeHeader
          ? withHeader(old, timeHeader, now.headers[timeHeader])
          : // The time is in the signature header: `t=…,v1=…`.
            withHeader(
              old,
              signatureHeader,
              (old.headers[signatureHeader] ?? '').replace(
                /^t=\d+/,
                /^t=\d+/.exec(now.headers[signatureHeader] ?? '')?.[0] ?? '',
              ),
            )
        return (await received(() => receiver.receive(changed))) ? unsafe() : safe()
      }),
    },
    {
      name: 'The same delivery twice, within the tolerance',
      why: 'A captured message is fresh for some minutes, and senders repeat messages.',
      run: receivingIf('signsTime', async (receiver) => {
        const runs = await receiver.countRuns?.(await receiver.sign(BODY))
        if (runs === undefined) return undefined
        return runs === 1 ? safe() : unsafe(`runs ${runs} times`)
      }),
      notes: Object.fromEntries(
        (
          [
            'wechatpay-node-v3',
            'wechatpay-axios-plugin',
            'stripe',
            'standardwebhooks',
            'svix',
            '@hookflo/tern',
          ] as const
        ).map((name) => [name, STATELESS]),
      ),
    },
  ],
}

/** A genuine message with a body that another JSON parser may read in another way. */
const ambiguous = (text: string, whatHappens: (value: unknown) => string | undefined) =>
  receivingIf('parses', async (receiver) => {
    const delivery = await receiver.sign(Buffer.from(text))
    const accepted = await received(() => receiver.receive(delivery))
    if (accepted === undefined) return safe()
    const effect = whatHappens(accepted.value)
    return effect === undefined ? safe() : silent(effect)
  })

const withMember = (member: string) => BODY.toString().replace(/\}$/, `,${member}}`)
const memberOf = (value: unknown, name: string) => (value as Record<string, unknown>)[name]

/** Changes bytes of a genuine body in a way that a tolerant decoder hides. */
const hiding = (body: Buffer, change: (genuine: Delivery) => Delivery) =>
  receivingIf('decodes', async (receiver) => {
    const genuine = await receiver.sign(body)
    const before = await receiver.receive(genuine)
    if (before === undefined) throw new Error('the genuine delivery is rejected')
    const after = await received(() => receiver.receive(change(genuine)))
    if (after === undefined) return safe()
    return JSON.stringify(after.value) === JSON.stringify(before.value)
      ? silent('accepted; the application reads the same')
      : unsafe()
  })

const DECODED_ELSEWHERE = 'the application decodes the body'
const decodedElsewhere: Case['notes'] = {
  'wechatpay-node-v3': DECODED_ELSEWHERE,
  '@octokit/webhooks': `${DECODED_ELSEWHERE}; run with \`verifyAndReceive()\``,
}
const PARSED_ELSEWHERE: Case['notes'] = {
  'wechatpay-node-v3': 'the application parses the body',
  svix: 'the application parses the body',
}

const READS_NO_BODY = 'the application reads the body'

const bodies: Category = {
  name: 'Bodies',
  absent: { ...onlyIdempotency, 'alipay-sdk': 'receives a form, which the application has parsed' },
  cases: [
    {
      name: 'A body parser ran before: a genuine message with spaces arrives as an object',
      why: 'The most frequent accident with webhooks: the signature is over bytes that are gone.',
      run: receiving(async (receiver) => {
        const delivery = await receiver.sign(Buffer.from(JSON.stringify(order(), null, 2)))
        const result = await receiver.receiveParsed?.(delivery)
        if (result === undefined) return undefined
        if (typeof result === 'object') return safe()
        return /raw|string|PARSED/.test(result) ? safe() : silent('looks like a forgery')
      }),
      notes: {
        'wechatpay-node-v3':
          'accepts an object, and serializes it again: a comment warns that the order of members matters',
        'wechatpay-axios-plugin': 'reads its responses itself',
      },
    },
    {
      name: 'A byte order mark is put before a genuine body',
      why: 'Decoders drop it silently: what is verified is not what arrived.',
      run: hiding(BODY, (genuine) => ({
        ...genuine,
        body: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), genuine.body]),
      })),
      notes: decodedElsewhere,
    },
    {
      name: 'Bytes that are not UTF-8, in place of U+FFFD',
      why: 'Decoders replace them by U+FFFD: different bytes have the same signature.',
      run: hiding(Buffer.from(JSON.stringify(order({ orderStatus: 'A\ufffdB' }))), (genuine) =>
        replaceInBody(genuine, '\ufffd', Buffer.from([0xff])),
      ),
      notes: decodedElsewhere,
    },
    {
      name: 'A JSON key occurs twice',
      why: 'Two parsers choose different values: the one that checks, and the one that acts.',
      run: ambiguous(withMember('"orderStatus":"SECOND"'), () => 'the last one wins'),
      notes: PARSED_ELSEWHERE,
    },
    {
      name: 'A number above 2⁵³',
      why: '`JSON.parse()` changes its digits.',
      run: ambiguous(withMember('"id":9007199254740993'), (value) =>
        String(memberOf(value, 'id')) === '9007199254740993' ? undefined : `becomes ${String(memberOf(value, 'id'))}`,
      ),
      notes: PARSED_ELSEWHERE,
    },
    {
      name: 'A fraction, such as 1.5, in a genuine message',
      why: 'JSON allows it, and a sender may add it at any time.',
      run: receivingIf('parses', async (receiver) => {
        const accepted = await received(async () =>
          receiver.receive(await receiver.sign(Buffer.from(withMember('"rate":1.5')))),
        )
        if (accepted === undefined) return silent('rejected')
        return memberOf(accepted.value, 'rate') === 1.5 ? safe() : silent('changed')
      }),
      loss: 'Only safe integers are accepted, because amounts must not be fractions. `allowFractions: true` accepts them.',
      notes: PARSED_ELSEWHERE,
    },
    {
      name: 'A member called `__proto__`',
      why: 'Code that copies members sets the prototype.',
      run: ambiguous(withMember('"__proto__":{"polluted":1}'), (value) =>
        (value as { polluted?: number }).polluted === undefined && !('polluted' in {})
          ? undefined
          : 'sets the prototype',
      ),
      notes: PARSED_ELSEWHERE,
    },
    {
      name: 'JSON that is 100,000 levels deep, from a stranger',
      why: 'Recursion over it overflows the stack, or costs much.',
      run: receivingIf('parses', async (receiver) => {
        const deep = withMember(`"x":${'['.repeat(100_000)}${']'.repeat(100_000)}`)
        const delivery = await receiver.sign(Buffer.from(deep), { stranger: true })
        const start = performance.now()
        if (await received(() => receiver.receive(delivery))) return unsafe()
        return performance.now() - start < PATIENCE ? safe() : unsafe()
      }),
      notes: PARSED_ELSEWHERE,
    },
    {
      name: 'A body of 64 MB, from a stranger',
      why: 'Without a limit, strangers fill the memory.',
      run: async ({ endpoint }) => {
        if (endpoint === undefined) return undefined
        const server = await endpoint.listen(async () => {})
        try {
          const { path, headers } = await endpoint.message(true)
          const sent = await floodMegabytes(server.port, { method: 'POST', path, headers }, 64)
          return sent < 64 ? safe() : unsafe('all of it is read')
        } finally {
          await server.close()
        }
      },
      notes: {
        ...{ 'wechatpay-node-v3': READS_NO_BODY, stripe: READS_NO_BODY, standardwebhooks: READS_NO_BODY },
        ...{ svix: READS_NO_BODY, 'wechatpay-axios-plugin': 'see the responses to the client' },
        '@octokit/webhooks': '`createNodeMiddleware()`. A proxy with a limit in front of it helps',
        '@hookflo/tern': 'its middleware for Express. `express.raw()` with a limit before it helps',
      },
    },
    {
      name: 'A body that never ends, from a stranger',
      why: 'Slow strangers hold connections and memory.',
      run: async ({ endpoint }) => {
        if (!endpoint?.limitsBodyTime) return undefined
        const server = await endpoint.listen(async () => {})
        try {
          const { path, headers, body } = await endpoint.message(true)
          const half = wire({ method: 'POST', path, headers, body: body.subarray(0, 20) }, body.length)
          return (await within(PATIENCE, firstBytes(server.port, half))) === 'timed out' ? unsafe() : safe()
        } finally {
          await server.close()
        }
      },
      notes: {
        ...{ 'wechatpay-node-v3': READS_NO_BODY, stripe: READS_NO_BODY, standardwebhooks: READS_NO_BODY },
        ...{ svix: READS_NO_BODY, 'wechatpay-axios-plugin': 'see the responses to the client' },
        '@octokit/webhooks': 'leaves it to `requestTimeout` of node:http, 300 s',
        '@hookflo/tern': 'leaves it to `requestTimeout` of node:http, 300 s',
      },
    },
    {
      name: 'The code of the application never finishes',
      why: 'The sender needs a response, and the connection must end.',
      run: async ({ endpoint }) => {
        if (!endpoint?.responds) return undefined
        const stuck = deferred()
        const server = await endpoint.listen(() => stuck.promise)
        try {
          const { path, headers, body } = await endpoint.message(false)
          const first = await within(PATIENCE, firstBytes(server.port, wire({ method: 'POST', path, headers, body })))
          return first === 'timed out' ? silent('no response') : safe()
        } finally {
          stuck.resolve()
          await server.close()
        }
      },
      notes: {
        ...{ 'wechatpay-node-v3': READS_NO_BODY, stripe: READS_NO_BODY, standardwebhooks: READS_NO_BODY },
        ...{ svix: READS_NO_BODY, 'wechatpay-axios-plugin': 'has no endpoint' },
        '@hookflo/tern': 'a middleware: the response is that of the application',
      },
    },
    {
      name: 'The code of the application rejects',
      why: 'A rejection that nobody handles ends the process.',
      run: async ({ endpoint }) => {
        if (endpoint === undefined) return undefined
        let unhandled = 0
        const count = () => {
          unhandled++
        }
        process.on('unhandledRejection', count)
        const server = await endpoint.listen(() => Promise.reject(new Error('out of stock')))
        try {
          const { path, headers, body } = await endpoint.message(false)
          const first = await within(PATIENCE, firstBytes(server.port, wire({ method: 'POST', path, headers, body })))
          await new Promise((resolve) => setImmediate(resolve))
          if (unhandled > 0) return unsafe('unhandled rejection')
          return first === 'timed out' ? silent('no response') : safe()
        } finally {
          process.off('unhandledRejection', count)
          await server.close()
        }
      },
      notes: {
        ...{ 'wechatpay-node-v3': READS_NO_BODY, stripe: READS_NO_BODY, standardwebhooks: READS_NO_BODY },
        ...{ svix: READS_NO_BODY, 'wechatpay-axios-plugin': 'has no endpoint' },
        '@hookflo/tern': 'Express handles it',
      },
    },
  ],
}

/** Writes a body to a socket until a response comes, or the connection ends. Resolves to the megabytes that were taken. */
function floodMegabytes(
  port: number,
  message: Omit<Delivery, 'body'> & { method: string; path: string },
  megabytes: number,
) {
  return new Promise<number>((resolve) => {
    const chunk = Buffer.alloc(1_048_576, ' ')
    const socket = connect(port, '127.0.0.1')
    let sent = 0
    let isDone = false
    const done = () => {
      isDone = true
      socket.destroy()
      resolve(sent)
    }
    const write = () => {
      if (isDone) return
      if (sent === megabytes) return
      // The next megabyte follows when the kernel has taken this one.
      socket.write(chunk, () => {
        sent++
        write()
      })
    }
    socket.on('connect', () => {
      socket.write(wire({ ...message, body: Buffer.alloc(0) }, megabytes * 1_048_576))
      write()
    })
    socket.on('data', done)
    socket.on('error', done)
    socket.on('close', done)
  })
}

/** The first bytes of the response; empty if the connection ends without any. */
function firstBytes(port: number, request: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.on('error', () => {})
    socket.on('close', () => resolve(''))
    socket.on('data', (bytes) => {
      resolve(bytes.toString('latin1'))
      socket.destroy()
    })
  })
}

const NO_ENCRYPTION = 'has no encryption'

const encryption: Category = {
  name: 'Encryption',
  absent: {
    ...onlyIdempotency,
    ...{ stripe: NO_ENCRYPTION, '@octokit/webhooks': NO_ENCRYPTION, standardwebhooks: NO_ENCRYPTION },
    ...{ svix: NO_ENCRYPTION, '@hookflo/tern': NO_ENCRYPTION },
    'alipay-sdk': 'one AES key for all messages, with an IV of zeros, as the protocol of Alipay says: not comparable',
  },
  cases: [
    {
      name: 'One bit of the ciphertext is changed',
      why: 'Without authentication, an attacker can change the text without the key.',
      run: async ({ cipher }) => {
        if (cipher === undefined) return undefined
        const text = 'amount=100'
        if ((await cipher.roundTrip(text, false)) !== text) throw new Error('the round trip fails')
        try {
          const changed = await cipher.roundTrip(text, true)
          return changed === text ? safe() : unsafe(`\`${text}\` becomes \`${changed}\``)
        } catch {
          return safe()
        }
      },
      notes: {
        'wechatpay-node-v3':
          '`decipher_gcm()` does not call `final()`, so it does not check the authentication tag. `verifySign()`, if the application calls it before, does protect the message',
      },
    },
    {
      name: 'The same text twice',
      why: 'Equal ciphertexts show that the texts are equal.',
      run: async ({ cipher }) => {
        if (cipher?.encrypt === undefined || !cipher.isRandomized) return undefined
        const [first, second] = [await cipher.encrypt('text'), await cipher.encrypt('text')]
        return first.ciphertext.equals(second.ciphertext) ? unsafe() : safe()
      },
      notes: {
        'wechatpay-node-v3': 'decrypts only',
        'wechatpay-axios-plugin': 'the application chooses the IV',
      },
    },
    {
      name: 'A text with equal blocks',
      why: 'ECB shows which blocks of a text are equal.',
      loss: "The gateway requires ECB. Where it allows CBC, use `encryption: { aesMode: 'CBC' }`.",
      run: async ({ cipher }) => {
        if (cipher?.encrypt === undefined) return undefined
        const { ciphertext } = await cipher.encrypt('A'.repeat(320))
        const blocks = new Set<string>()
        const count = Math.floor(ciphertext.length / 16)
        for (let block = 0; block < count; block++) blocks.add(ciphertext.toString('hex', block * 16, block * 16 + 16))
        return blocks.size < count ? protocol("the gateway requires ECB; `aesMode: 'CBC'` where it allows it") : safe()
      },
      notes: { 'wechatpay-node-v3': 'decrypts only' },
    },
  ],
}

const VERIFIES_ONLY = 'has no idempotency: the application has to recognize repetitions'

const idempotent =
  (run: (once: Once) => Promise<Outcome | undefined>): Case['run'] =>
  async ({ once: create }) => {
    if (create === undefined) return undefined
    const once = create()
    try {
      return await run(once)
    } finally {
      once.close?.()
    }
  }

/** An effect that counts how often it runs. */
function counted(result: string, then: () => Promise<unknown> = async () => {}) {
  const counter = {
    runs: 0,
    async effect() {
      counter.runs++
      await then()
      return result
    },
  }
  return counter
}

const CONTENT = { status: 'PAID', amount: { value: '100', currency: 'HKD' } }
const EVENT = { key: 'R-1', content: CONTENT }

const idempotency: Category = {
  name: 'Idempotency',
  absent: Object.fromEntries(
    (
      [
        ...(['alipay-sdk', 'wechatpay-node-v3', 'wechatpay-axios-plugin', 'stripe', '@octokit/webhooks'] as const),
        ...(['standardwebhooks', 'svix', '@hookflo/tern'] as const),
      ] as const
    ).map((name) => [name, VERIFIES_ONLY]),
  ),
  cases: [
    {
      name: 'The same event again, later',
      why: 'Senders repeat an event when they did not get the response.',
      run: idempotent(async (once) => {
        const { deliver } = once
        const counter = counted('A-1')
        const responses = [await deliver(EVENT, counter.effect), await deliver(EVENT, counter.effect)]
        if (counter.runs !== 1) return unsafe(`runs ${counter.runs} times`)
        return responses[0] === responses[1] ? safe() : silent('another response')
      }),
    },
    {
      name: 'Two copies of an event at the same instant',
      why: 'A check before the run does not see a copy that runs at this moment.',
      run: idempotent(async ({ deliver }) => {
        const work = deferred()
        const counter = counted('A-1', () => work.promise)
        const both = [deliver(EVENT, counter.effect), deliver(EVENT, counter.effect)]
        const ended = Promise.allSettled(both)
        await waitUntil(() => counter.runs >= 1)
        // Time for the other copy to run too.
        for (let turn = 0; turn < 1_000; turn++) await new Promise((resolve) => setImmediate(resolve))
        work.resolve()
        await ended
        return counter.runs === 1 ? safe() : unsafe(`runs ${counter.runs} times`)
      }),
    },
    {
      name: 'The same key with another content',
      why: 'A key that is used twice hides an event.',
      run: idempotent(async ({ deliver }) => {
        const other = { ...EVENT, content: { ...CONTENT, status: 'REFUNDED' } }
        const counter = counted('A-1')
        await deliver(EVENT, counter.effect)
        const second = await deliver(other, counter.effect).catch(() => undefined)
        if (counter.runs > 1) return unsafe()
        return second === undefined ? safe() : silent('the stored response')
      }),
    },
    {
      name: 'The same content with its members in another order',
      why: 'A sender that serializes a retry again may change the order of members.',
      run: idempotent(async ({ deliver }) => {
        const counter = counted('A-1')
        const reordered = Object.fromEntries(Object.entries(CONTENT).reverse())
        await deliver(EVENT, counter.effect)
        const second = await deliver({ ...EVENT, content: reordered }, counter.effect).catch(() => undefined)
        if (counter.runs > 1) return unsafe()
        return second === 'A-1' ? safe() : silent('refused as another content')
      }),
    },
    {
      name: 'The effect throws, and the event comes again',
      why: 'An event that failed must not count as processed.',
      run: idempotent(async ({ deliver, storesFailures }) => {
        const failing = counted('', () => Promise.reject(new Error('out of stock')))
        const working = counted('A-1')
        await deliver(EVENT, failing.effect).catch(() => {})
        await deliver(EVENT, working.effect).catch(() => {})
        if (working.runs === 1) return safe()
        return storesFailures ? protocol('the error is the stored response') : unsafe()
      }),
      notes: {
        '@node-idempotency/core':
          'by the Idempotency-Key draft of the IETF, a client that wants another attempt takes another key. A sender of events does not',
      },
    },
    {
      name: 'The process dies during the effect, and the event comes again an hour later',
      why: 'The note that an event is in progress must end by itself.',
      run: idempotent(async ({ deliver, pass }) => {
        const stuck = deferred()
        const dying = counted('', () => stuck.promise)
        const working = counted('A-1')
        const first = deliver(EVENT, dying.effect).catch(() => {})
        await waitUntil(() => dying.runs === 1)
        pass(3_600_000)
        await deliver(EVENT, working.effect).catch(() => {})
        stuck.resolve()
        await first
        return working.runs === 1 ? safe() : unsafe('does not run')
      }),
      notes: {
        '@node-idempotency/core': 'in progress for `cacheTTLMS`, a day, which is also how long responses are kept',
        '@aws-lambda-powertools/idempotency': 'after the time that the platform leaves the invocation',
      },
    },
    {
      name: 'The store is down when an event arrives',
      why: 'An effect that runs without a note runs again with every copy.',
      run: idempotent(async ({ deliver, breakStore }) => {
        const counter = counted('A-1')
        breakStore()
        await deliver(EVENT, counter.effect).catch(() => {})
        return counter.runs === 0 ? safe() : unsafe()
      }),
    },
    {
      name: 'An older event after a newer one',
      why: 'Deliveries overtake each other: "paid" must not overwrite "refunded".',
      run: idempotent(async ({ deliver, ordersEvents }) => {
        if (!ordersEvents) return undefined
        const counter = counted('A-1')
        await deliver({ key: 'R-2', content: { status: 'REFUNDED' }, minute: 2 }, counter.effect)
        await deliver({ key: 'R-1', content: { status: 'PAID' }, minute: 1 }, counter.effect)
        return counter.runs === 1 ? safe() : unsafe()
      }),
      notes: {
        '@node-idempotency/core': 'knows keys, not orders',
        '@aws-lambda-powertools/idempotency': 'knows keys, not orders',
      },
    },
    {
      name: 'A process that outlived its lease stores its result late',
      why: 'The late result must not replace that of the process which took over.',
      run: idempotent(async ({ deliver, pass, takesOver }) => {
        if (!takesOver) return undefined
        const slow = deferred()
        const late = counted('LATE', () => slow.promise)
        const first = deliver(EVENT, late.effect).catch(() => {})
        await waitUntil(() => late.runs === 1)
        pass(3_600_000)
        await deliver(EVENT, counted('A-1').effect)
        slow.resolve()
        await first
        return (await deliver(EVENT, counted('').effect)) === 'A-1' ? safe() : unsafe()
      }),
      notes: {
        '@node-idempotency/core': 'has no lease',
        '@aws-lambda-powertools/idempotency': 'the platform ends an invocation before its lease ends',
      },
    },
  ],
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

const REDIRECTS = 'its HTTP client follows redirects by default. Only the server that TLS authenticated can redirect'
const TLS = 'does not sign responses: TLS authenticates the server'

/** A server of the genuine peer, and what a caller makes of its response. */
async function answered(caller: Caller, ...behaviours: Behaviour[]) {
  const gateway = await startGateway(...behaviours)
  try {
    const result = await within(
      PATIENCE,
      caller.call(gateway.url).then(
        (value) => ({ value }),
        () => undefined,
      ),
    )
    return { result, requests: gateway.requests }
  } finally {
    await gateway.close()
  }
}

const genuinely =
  (
    caller: Caller,
    how: Parameters<Caller['respond']>[1] = {},
    change: (response: ServedResponse) => ServedResponse = (r) => r,
  ): Behaviour =>
  (response, request) => {
    const { status, headers, body } = change(caller.respond(request, how))
    response.writeHead(status, headers).end(body)
  }

/** A response that must not count as a success. */
const distrusting =
  (
    how: Parameters<Caller['respond']>[1],
    change: (response: ServedResponse) => ServedResponse,
    accepted = unsafe(),
  ): Case['run'] =>
  async ({ caller }) => {
    if (!caller?.signsResponses) return undefined
    const genuine = await answered(caller, genuinely(caller))
    if (genuine.result === undefined || genuine.result === 'timed out')
      throw new Error('the genuine response is rejected')
    const { result } = await answered(caller, genuinely(caller, how, change))
    return result === undefined ? safe() : accepted
  }

const responses: Category = {
  name: 'Responses to the client',
  absent: {
    ...onlyIdempotency,
    ...{ '@octokit/webhooks': 'has no client', standardwebhooks: 'has no client', '@hookflo/tern': 'has no client' },
    'wechatpay-node-v3': 'its client has a fixed host, so it could not be run here',
  },
  cases: [
    {
      name: 'The response is not signed',
      why: 'A proxy, or someone who can change traffic, responds in place of the peer.',
      run: distrusting({}, (response) => ({
        ...response,
        headers: { 'content-type': response.headers['content-type'] ?? 'application/json' },
      })),
      notes: { stripe: TLS, svix: TLS },
    },
    {
      name: 'The body of the response is changed',
      why: 'The result says whether the order was taken.',
      run: distrusting({}, (response) => ({
        ...response,
        body: Buffer.from(response.body.toString().replace('A-1', 'B-2')),
      })),
      notes: { stripe: TLS, svix: TLS },
    },
    {
      name: 'A response from ten minutes ago',
      why: 'A captured success hides a failure.',
      run: distrusting({ secondsAgo: 600 }, (response) => response, protocol('accepted')),
      notes: { stripe: TLS, svix: TLS, 'alipay-sdk': 'checks the signature, as its protocol says, and no time' },
    },
    {
      name: 'A fresh response to another request',
      why: 'A captured success of one order hides the failure of another.',
      loss: 'A response of AlipayHK does not name its request, and the signature does not cover its request either. Use https: only.',
      run: distrusting({ other: true }, (response) => response, protocol('the response does not name its request')),
      notes: { stripe: TLS, svix: TLS },
    },
    {
      name: 'The server accepts the request, and is silent',
      why: 'A call without a time limit never ends.',
      run: async ({ caller }) => {
        if (caller === undefined) return undefined
        const { result } = await answered({ ...caller, call: (origin) => caller.call(origin, 500) }, neverResponds)
        return result === undefined ? safe() : unsafe()
      },
      notes: {
        'this library': 'default: 10 s for each attempt',
        'alipay-sdk': 'default: 5 s',
        'wechatpay-axios-plugin': 'with `timeout` of axios. Default: no limit',
        stripe: 'default: 80 s',
        svix: 'with `requestTimeout`',
      },
    },
    {
      name: 'HTTP 503 with the body of a success',
      why: 'Proxies and overloaded servers send anything.',
      run: async ({ caller }) => {
        if (caller === undefined) return undefined
        const { result } = await answered(
          caller,
          genuinely(caller, {}, (response) => ({ ...response, status: 503, headers: {} })),
        )
        return result === undefined ? safe() : silent('counts as a success')
      },
      notes: { stripe: 'a JSON body without `error` is the result, whatever the status, after its retries' },
    },
    {
      name: 'A retry after HTTP 503',
      why: 'The peer must recognize it, or the order counts twice.',
      run: async ({ caller }) => {
        if (caller?.retryId === undefined) return undefined
        const { retryId } = caller
        const unavailable: Behaviour = (response) => void response.writeHead(503).end()
        const { result, requests } = await answered(caller, unavailable, genuinely(caller))
        const ids = new Set(requests.map((request) => retryId(request, request.body)))
        if (requests.length < 2 || result === undefined || result === 'timed out') return silent('no retry')
        return ids.size === 1 && !ids.has(undefined) ? safe() : unsafe()
      },
      notes: {
        'alipay-sdk': 'does not retry: the application has to',
        'wechatpay-axios-plugin': 'does not retry: the application has to',
      },
    },
    {
      name: 'A redirect (HTTP 307) to another server',
      why: 'The other server reads the order.',
      run: async ({ caller }) => {
        if (caller === undefined) return undefined
        const other = await startGateway(genuinely(caller))
        try {
          await answered(
            caller,
            (response, { path }) => void response.writeHead(307, { location: `${other.url}${path}` }).end(),
          )
          const [request] = other.requests
          if (request === undefined) return safe()
          return request.body.length > 0
            ? silent('the other server gets the body')
            : silent('followed, without the body')
        } finally {
          await other.close()
        }
      },
      notes: { 'alipay-sdk': REDIRECTS, 'wechatpay-axios-plugin': REDIRECTS, svix: REDIRECTS },
    },
    {
      name: 'A response of 64 MB',
      why: 'A faulty peer must not fill the memory.',
      run: async ({ caller }) => {
        if (caller === undefined) return undefined
        let megabytes = 0
        const flood: Behaviour = (response) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          const write = () => {
            if (response.destroyed) return
            if (megabytes === 64) return void response.end()
            megabytes++
            response.write(Buffer.alloc(1_048_576, ' '), write)
          }
          write()
        }
        await answered(caller, flood)
        return megabytes < 64 ? safe() : silent('all of it is read')
      },
    },
    {
      name: 'The URL is http:, not https:',
      why: 'Everyone on the way reads and changes the traffic.',
      run: async ({ caller }) => {
        const configure = caller?.configure
        if (configure === undefined) return undefined
        try {
          configure('http://gateway.example')
          return silent('accepted')
        } catch {
          return safe()
        }
      },
      notes: { stripe: "takes no URL; `protocol: 'http'` has to be asked for" },
    },
  ],
}

/** A case about how a key is written. Libraries with secrets in place of keys have the same case, if there is one. */
const writing =
  (privateKey: () => string, secret?: () => string): Case['run'] =>
  async ({ setup }) => {
    if (setup?.privateKey) return configured(() => setup.privateKey?.(privateKey()) ?? (() => false))
    if (setup?.secret && secret) return configured(() => setup.secret?.(secret()) ?? (() => false))
    return undefined
  }

const publicKey =
  (text: () => string, isRefused = false): Case['run'] =>
  async ({ setup }) => {
    if (setup?.publicKey === undefined) return undefined
    const outcome = await configured(() => setup.publicKey?.(text()) ?? (() => false))
    // A wrong key must be refused.
    return isRefused && outcome.note === 'works' ? silent('accepted') : outcome
  }

const privatePem = () => pem(merchantRsa().privateKey)
const oneLine = (text: string) => text.replaceAll('\n', '\\n')
const pkcs1 = () => merchantRsa().privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()

const SECRETS_ONLY = 'has a secret, not a key pair'
const secretsOnly: Case['notes'] = {
  ...{ stripe: SECRETS_ONLY, '@octokit/webhooks': SECRETS_ONLY, standardwebhooks: SECRETS_ONLY },
  ...{ svix: SECRETS_ONLY, '@hookflo/tern': SECRETS_ONLY },
}
const DOWNLOADS = 'downloads the keys of the peer'

/** A setting that is absent: whether a stranger's message is then accepted. */
async function unsetOutcome(setup: Setup, value: string | undefined): Promise<Outcome> {
  const { unset } = setup
  if (unset === undefined) return safe()
  let use: ReturnType<NonNullable<Setup['unset']>>
  try {
    use = unset(value)
  } catch {
    return safe()
  }
  try {
    return (await use()) ? unsafe() : silent('every message is rejected')
  } catch (error) {
    return /no .*secret/i.test(String(error)) ? safe() : silent('every message is rejected')
  }
}

const accidents: Category = {
  name: 'Accidents',
  absent: onlyIdempotency,
  cases: [
    {
      name: 'The key or the secret is not set, or empty',
      why: 'A library that goes on with an empty secret accepts what anyone signs with it.',
      run: async ({ setup }) => {
        if (setup?.unset === undefined) return undefined
        const outcomes = [await unsetOutcome(setup, undefined), await unsetOutcome(setup, '')]
        return (
          outcomes.find(({ verdict }) => verdict === 'unsafe') ??
          outcomes.find(({ verdict }) => verdict === 'silent') ??
          outcomes[0]
        )
      },
      notes: {
        'wechatpay-node-v3': DOWNLOADS,
        stripe: 'the secret is an argument of each call',
        '@hookflo/tern':
          'the secret is an argument of each call. With `undefined`, every message is rejected; with an empty text, a stranger can sign',
      },
    },
    {
      name: 'A key or secret in quotes',
      why: 'Files and consoles for environment variables keep quotes.',
      run: writing(
        () => `"${privatePem()}"`,
        () => `"${secretOf()}"`,
      ),
    },
    {
      name: 'A key with \\n in place of line breaks',
      why: 'Environment variables with one line have keys in this form.',
      run: writing(() => oneLine(privatePem())),
      notes: secretsOnly,
    },
    {
      name: 'A line break after a secret or a key',
      why: 'Files end with one, and it is copied with them.',
      run: writing(
        () => `${privatePem()}\n`,
        () => `${secretOf()}\n`,
      ),
      notes: { stripe: 'its error says that the secret contains white space' },
    },
    {
      name: 'A private key in PKCS#1',
      why: 'Old tools write this format.',
      run: writing(pkcs1),
      notes: { ...secretsOnly, 'alipay-sdk': "with `keyType: 'PKCS1'`, its default" },
    },
    {
      name: 'The public key in place of the private key',
      why: 'The two are stored side by side.',
      run: writing(() => pem(merchantRsa().publicKey)),
      notes: secretsOnly,
    },
    {
      name: 'A certificate in place of the public key of the peer',
      why: 'Consoles offer both for download.',
      run: publicKey(() => certificate(gatewayRsa().privateKey)),
      notes: { ...secretsOnly, 'wechatpay-node-v3': DOWNLOADS, 'alipay-sdk': 'certificates have options of their own' },
    },
    {
      name: 'Your own public key in place of that of the peer',
      why: 'Every genuine message is then rejected, and your own messages are accepted.',
      run: publicKey(() => pem(merchantRsa().publicKey), true),
      notes: { ...secretsOnly, 'wechatpay-node-v3': DOWNLOADS },
    },
    {
      name: 'A private RSA key of 1024 bits',
      why: 'Such keys can be broken.',
      run: async ({ setup }) => {
        if (setup?.privateKey === undefined) return undefined
        const { privateKey } = setup
        try {
          privateKey(pem(weakRsa().privateKey))
          return silent('accepted')
        } catch {
          return safe('refused at once')
        }
      },
      notes: secretsOnly,
    },
    {
      name: 'The error about a damaged key',
      why: 'Errors are logged: they must not quote the key.',
      run: async ({ setup }) => {
        const create = setup?.privateKey ?? setup?.secret
        if (create === undefined) return undefined
        const whole = setup?.privateKey ? privatePem() : secretOf()
        const damaged = `${whole.slice(0, -30)}!${whole.slice(-28)}`
        const errors: unknown[] = []
        try {
          await create(damaged)()
        } catch (error) {
          errors.push(error)
        }
        const text = errors.map((error) => inspect(error, { depth: 10, showHidden: true })).join()
        const secret = whole.replace(/-----.*?-----/g, '').trim()
        return windows(secret).some((part) => text.includes(part)) ? unsafe('the error quotes it') : safe()
      },
    },
    {
      name: 'The object is logged: `console.log()`, `JSON.stringify()`',
      why: 'Objects end up in logs with the request that they belong to.',
      run: async ({ logged }) => {
        if (logged === undefined) return undefined
        const { objects, secrets } = logged()
        const text = objects
          .flatMap((object) => [inspect(object), jsonOf(object)])
          .join('\n')
          .replace(/\s+/g, ' ')
        const shown = secrets.some((secret) => formsOf(secret).some((form) => text.includes(form)))
        return shown ? unsafe('shows the key') : safe()
      },
      notes: { '@hookflo/tern': 'has no object that keeps the secret' },
    },
  ],
}

/** Parts of a text that are long enough to be no accident. */
const windows = (text: string) => {
  const flat = text.replace(/\s+/g, '\n').split('\n')
  return flat.filter((line) => line.length >= 16).flatMap((line) => [line.slice(0, 16), line.slice(-16)])
}

/** How a part of a secret looks when it is printed: as text, or as bytes in the ways of inspect() and JSON. */
function formsOf(secret: Uint8Array): string[] {
  // Base64 encodes three bytes at a time. A long key begins with its format, which is no secret.
  const start = secret.length > 100 ? 60 : 0
  const bytes = [...secret.subarray(start, start + 12)]
  const part = Buffer.from(bytes)
  return [
    part.toString('base64'),
    part.toString('latin1'),
    part.toString('hex'),
    part.toString('hex').replace(/..(?=.)/g, '$& '),
    bytes.join(','),
    bytes.join(', '),
    bytes.map((byte, index) => `"${start + index}":${byte}`).join(','),
  ]
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return ''
  }
}

export const CATEGORIES: readonly Category[] = [
  ...[signatures, time, bodies, encryption],
  ...[idempotency, responses, accidents],
]
