import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes } from '../crypto/node.ts'
import type { OpenObject } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import {
  anyValue,
  assertStandardSchema,
  flag,
  functionWithDefault,
  type OptionRules,
  positiveNumber,
  type Resolved,
  resolveOptions,
  textOrFunction,
} from '../option-rules.ts'
import { STRICT_JSON } from '../protocol/json.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import { optionThrew } from './failures.ts'
import type { IncomingRequest } from './http.ts'

/** Options of {@link verifyRequest}. A handler has them too. */
export interface VerifyRequestOptions<ExtInfo = OpenObject> {
  /**
   * Your keys and the peer's. For several tenants, a function that returns them for the `Client-Id` of a request.
   * Return the same object for the same tenant, so that its keys are parsed only once. @group Required
   */
  credentials: Credentials | ((clientId: string) => Credentials | undefined | Promise<Credentials | undefined>)
  /** Narrows `extInfo`: any Standard Schema validator (zod, valibot, arktype …). @group Orders @defaultValue an open object */
  extInfoSchema?: StandardSchema<unknown, ExtInfo> | undefined
  /** The path that the sender signed, if a proxy rewrites it. @group Partners that differ @defaultValue the path as received, with its query string */
  signedPath?: string | ((request: IncomingRequest) => string) | undefined
  /** How far a `Request-Time` may differ from the local clock, in seconds, in either direction. @group Time limits @defaultValue 300 */
  clockToleranceSeconds?: number | undefined
  /** The largest accepted body, in bytes. @group Size and load @defaultValue 1_048_576 */
  maxBodyBytes?: number | undefined
  /** Time limit for receiving a body, in milliseconds. @group Time limits @defaultValue 5_000 */
  bodyTimeoutMs?: number | undefined
  /**
   * Time limit of a request, in milliseconds. After it, the response is `UNKNOWN_EXCEPTION`, even if work still runs. A remote
   * signer then has the same time again to sign the response. @group Time limits @defaultValue 10_000
   */
  timeoutMs?: number | undefined
  /** How far an `orderModifyTime` may be ahead of the local clock, in milliseconds. @group Orders @defaultValue 86_400_000 */
  maxFutureMs?: number | undefined
  /** Encryption parameters, if your gateway differs from the default. @group Partners that differ @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  encryption?: EncryptionOptions | undefined
  /** Respond with HTTP 200 to every request, even a rejected one. Only the result code then shows the rejection. @group Partners that differ @defaultValue false */
  alwaysStatus200?: boolean | undefined
  /** Accept fractions, such as 1.5, in `extInfo` and in unknown members. @group Orders @defaultValue false */
  allowFractions?: boolean | undefined
  /** The clock, in milliseconds since the epoch. @group For tests @defaultValue Date.now */
  now?: (() => number) | undefined
  /** The source of random bytes. @group For tests @defaultValue randomBytes of node:crypto */
  randomBytes?: RandomBytes | undefined
}

/** Each of these options: its default, and the check of its value. */
export const verifyRequestOptionRules = () =>
  ({
    // Keys are parsed here: a wrong key is found now, not by the first order.
    credentials: {
      required: true,
      assert: (value: unknown) => void (typeof value === 'function' || parseCredentials(value as Credentials)),
    },
    extInfoSchema: { assert: assertStandardSchema },
    signedPath: textOrFunction(),
    clockToleranceSeconds: positiveNumber(300),
    maxBodyBytes: positiveNumber(1_048_576),
    bodyTimeoutMs: positiveNumber(5_000, { isTimer: true }),
    timeoutMs: positiveNumber(10_000, { isTimer: true }),
    maxFutureMs: positiveNumber(86_400_000),
    encryption: anyValue(),
    alwaysStatus200: flag(false),
    allowFractions: flag(false),
    now: functionWithDefault(() => Date.now()),
    randomBytes: functionWithDefault<RandomBytes>(secureRandomBytes),
  }) as const satisfies OptionRules<VerifyRequestOptions>

type VerifyRules = ReturnType<typeof verifyRequestOptionRules>

/** Checks the options of {@link verifyRequest}, and fills in the defaults. */
export function resolveVerifyOptions<ExtInfo>(options: VerifyRequestOptions<ExtInfo>): VerifySettings<ExtInfo> {
  return toVerifySettings(
    resolveOptions<VerifyRequestOptions<ExtInfo>, VerifyRules>('verifyRequest', verifyRequestOptionRules(), options),
  )
}

/** The options that the steps from a request to its order need. */
export function toVerifySettings<ExtInfo>(resolved: Resolved<VerifyRequestOptions<ExtInfo>, VerifyRules>) {
  const { allowFractions, encryption } = resolved
  const randomBytes = named('randomBytes', resolved.randomBytes)
  return {
    ...resolved,
    now: named('now', resolved.now),
    randomBytes,
    json: { ...STRICT_JSON, allowFractions },
    encryption: { options: resolveEncryptionOptions(encryption), randomBytes },
  }
}

export type VerifySettings<ExtInfo> = ReturnType<typeof toVerifySettings<ExtInfo>>

/** A function of the options whose errors name the option. */
function named<Parameters extends unknown[], Value>(name: string, option: (...parameters: Parameters) => Value) {
  return (...parameters: Parameters): Value => {
    try {
      return option(...parameters)
    } catch (error) {
      throw optionThrew(name, error)
    }
  }
}
