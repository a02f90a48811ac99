import { AssertionError } from 'node:assert'
import { describe, expect, test } from 'vitest'
import { storeCases } from '../../src/testing/store-cases.ts'
import { rejectionOf } from '../support/thrown.ts'
import { brokenStores, correctStore, type FakeDatabase } from './broken-stores.ts'

const newDatabase = (): FakeDatabase => ({ orders: new Map(), requests: new Map() })

describe('storeCases', () => {
  test.each(storeCases)('a correct store passes: $name', async ({ run }) => {
    const database = newDatabase()
    await run({ createStore: () => correctStore(database) })
  })

  test.each(brokenStores)('the cases find a store that $flaw', async ({ fails, create }) => {
    const failing = storeCases.find(({ name }) => name === fails)
    expect(failing?.name).toBe(fails)
    const database = newDatabase()
    const error = await rejectionOf(failing?.run({ createStore: () => create(database) }) ?? Promise.resolve())
    expect(error).toBeInstanceOf(AssertionError)
  })
})
