import { expect, test } from 'vitest'
import { createSavepoints, guardQuery } from '../../src/stores/savepoints.ts'

/** What is sent in place of each text. */
const sendAll = (texts: readonly string[], options?: Parameters<typeof createSavepoints>[0]) => {
  const { stepFor } = createSavepoints(options)
  return texts.map((text) => {
    const step = stepFor(text)
    return step.kind === 'pass' ? text : step.kind === 'replace' ? step.text : step.error.message
  })
}

test.each([
  [
    ['BEGIN', 'COMMIT'],
    ['SAVEPOINT order_sync_1', 'RELEASE SAVEPOINT order_sync_1'],
  ],
  [
    ['begin transaction;', 'ROLLBACK;'],
    ['SAVEPOINT order_sync_1', 'ROLLBACK TO SAVEPOINT order_sync_1'],
  ],
  [
    ['/* orm */ START TRANSACTION', '-- end\nEND'],
    ['SAVEPOINT order_sync_1', 'RELEASE SAVEPOINT order_sync_1'],
  ],
  [
    ['BEGIN', 'BEGIN', 'COMMIT', 'ABORT'],
    [
      'SAVEPOINT order_sync_1',
      'SAVEPOINT order_sync_2',
      'RELEASE SAVEPOINT order_sync_2',
      'ROLLBACK TO SAVEPOINT order_sync_1',
    ],
  ],
  [['BEGIN ISOLATION LEVEL READ COMMITTED'], ['SAVEPOINT order_sync_1']],
  [['SET TRANSACTION ISOLATION LEVEL READ COMMITTED'], ['SELECT 1']],
  [['SAVEPOINT a', 'ROLLBACK TO a', 'ROLLBACK TO SAVEPOINT a', 'RELEASE SAVEPOINT a'], undefined],
  [
    [
      `INSERT INTO a VALUES ('; COMMIT')`,
      'SELECT commit FROM begins',
      'beginning',
      'UPDATE a SET b = 1; DELETE FROM c',
    ],
    undefined,
  ],
])('%j is sent as %j', (sent, expected) => {
  expect(sendAll(sent)).toEqual(expected ?? sent)
})

test.each([
  'COMMIT',
  'ROLLBACK',
  'END',
  'BEGIN ISOLATION LEVEL SERIALIZABLE',
  'BEGIN READ ONLY',
  'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
  'BEGIN; UPDATE a SET b = 1; COMMIT',
  `PREPARE TRANSACTION 'a'`,
  `COMMIT PREPARED 'a'`,
  'SET autocommit = 1',
  'SET SESSION autocommit=0',
  'XA START 1',
])('%s is refused with ERR_TRANSACTION, also when the refusal is ignored', (text) => {
  const { stepFor, assertEnded } = createSavepoints()
  expect(stepFor(text)).toMatchObject({
    kind: 'refuse',
    error: { name: 'ConfigurationError', code: 'ERR_TRANSACTION' },
  })
  expect(assertEnded).toThrow('cannot be completed')
})

test.each([
  'CREATE TABLE a (b int)',
  'alter table a add c int',
  'TRUNCATE a',
  '/* x */ DROP TABLE a',
  'LOCK TABLES a READ',
])('%s is refused in MySQL, where it would commit, and sent in PostgreSQL', (text) => {
  expect(sendAll([text], { hasImplicitCommits: true })).toEqual([expect.stringContaining('would have committed')])
  expect(sendAll([text])).toEqual([text])
})

test('a temporary table is sent in MySQL', () => {
  const sent = ['CREATE TEMPORARY TABLE a (b int)', 'DROP TEMPORARY TABLE a']
  expect(sendAll(sent, { hasImplicitCommits: true })).toEqual(sent)
})

test('a transaction that has not ended is an error', () => {
  const { stepFor, assertEnded } = createSavepoints()
  stepFor('BEGIN')
  expect(assertEnded).toThrow('had not ended when it returned: await it')
  stepFor('COMMIT')
  expect(assertEnded).not.toThrow()
})

test('the forms of drivers are understood: text, objects, callbacks and query objects', async () => {
  const sent: unknown[][] = []
  const query = guardQuery((...args) => sent.push(args), createSavepoints())
  const callback = () => {}
  query('BEGIN', callback)
  query({ text: 'COMMIT', name: 'prepared', rowMode: 'array' }, [])
  query({ sql: 'START TRANSACTION' })
  query({ sql: 'SELECT ?', values: [1] }, callback)
  expect(sent).toEqual([
    ['SAVEPOINT order_sync_1', callback],
    [{ text: 'RELEASE SAVEPOINT order_sync_1', name: undefined, rowMode: 'array' }, []],
    [{ sql: 'SAVEPOINT order_sync_1', name: undefined }],
    [{ sql: 'SELECT ?', values: [1] }, callback],
  ])
  await expect(query({ text: 'COMMIT', submit() {} })).rejects.toThrow('not as a query object')
  const refusal = await new Promise((resolve) => query('BEGIN READ ONLY', [], resolve))
  expect(refusal).toMatchObject({ code: 'ERR_TRANSACTION' })
})
