import { createClock } from './clock.ts'
import { importPeer } from './peer.ts'
import type { Event, Subject } from './subject.ts'

interface IdempotencyRecord {
  readonly idempotencyKey: string
  readonly status: string
  readonly expiryTimestamp?: number
  readonly inProgressExpiryTimestamp?: number
}
interface Powertools {
  makeIdempotent<Argument, Result>(
    effect: (event: Argument) => Promise<Result>,
    options: { persistenceStore: object; config: object },
  ): (event: Argument) => Promise<Result>
  readonly IdempotencyConfig: new (options: object) => { registerLambdaContext(context: object): void }
}
interface Persistence {
  readonly BasePersistenceLayer: new () => object
}
interface Errors {
  readonly IdempotencyItemAlreadyExistsError: new (message: string, record?: IdempotencyRecord) => Error
  readonly IdempotencyItemNotFoundError: new () => Error
}

const PATH = '@aws-lambda-powertools/idempotency/lib/esm'
/** What the platform leaves an invocation. */
const REMAINING_MS = 30_000

/**
 * As "Function wrapper" of its README, with a persistence layer in memory: a subclass of BasePersistenceLayer, as the README
 * proposes, with the condition of its layer for DynamoDB. Payload validation is on.
 */
export async function powertools(): Promise<Subject> {
  const { makeIdempotent, IdempotencyConfig, ...errors } = await importPeer<Powertools & Errors>(`${PATH}/index.js`)
  const { BasePersistenceLayer } = await importPeer<Persistence>(`${PATH}/persistence/index.js`)

  class MemoryLayer extends BasePersistenceLayer {
    readonly #records: Map<string, IdempotencyRecord>
    readonly #isBroken: () => boolean
    constructor(records: Map<string, IdempotencyRecord>, isBroken: () => boolean) {
      super()
      this.#records = records
      this.#isBroken = isBroken
    }
    async _putRecord(record: IdempotencyRecord) {
      if (this.#isBroken()) throw new Error('connection refused')
      const known = this.#records.get(record.idempotencyKey)
      const isExpired = known !== undefined && (known.expiryTimestamp ?? 0) < Date.now() / 1_000
      const isAbandoned =
        known?.status === 'INPROGRESS' && (known.inProgressExpiryTimestamp ?? Number.POSITIVE_INFINITY) < Date.now()
      if (known !== undefined && !isExpired && !isAbandoned) {
        throw new errors.IdempotencyItemAlreadyExistsError('exists', known)
      }
      this.#records.set(record.idempotencyKey, record)
    }
    async _getRecord(key: string) {
      const record = this.#records.get(key)
      if (record === undefined) throw new errors.IdempotencyItemNotFoundError()
      return record
    }
    async _updateRecord(record: IdempotencyRecord) {
      this.#records.set(record.idempotencyKey, record)
    }
    async _deleteRecord({ idempotencyKey }: IdempotencyRecord) {
      this.#records.delete(idempotencyKey)
    }
  }

  return {
    name: '@aws-lambda-powertools/idempotency',
    once() {
      const records = new Map<string, IdempotencyRecord>()
      const clock = createClock()
      let isBroken = false
      return {
        ...{ ordersEvents: false, takesOver: false, storesFailures: false },
        async deliver(event: Event, effect) {
          const config = new IdempotencyConfig({ eventKeyJmesPath: 'key', payloadValidationJmesPath: 'content' })
          config.registerLambdaContext({ getRemainingTimeInMillis: () => REMAINING_MS })
          const persistenceStore = new MemoryLayer(records, () => isBroken)
          return makeIdempotent(effect as (event: Event) => Promise<string>, { persistenceStore, config })(event)
        },
        pass: clock.pass,
        breakStore() {
          isBroken = true
        },
        close: clock.restore,
      }
    },
  }
}
