import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { createSavepoints, guardQuery } from '../../src/stores/savepoints.ts'
import type { Dialect } from '../../src/stores/statements.ts'

/** What is sent in place of each text. */
const sendAll = (texts: readonly string[], dialect: Dialect = 'postgres') => {
  const { stepFor } = createSavepoints(dialect)
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
  'UPDATE a SET b = 1; COMMIT',
  `INSERT INTO a VALUES ('it''s;'); /* ; */ COMMIT -- end`,
  'SELECT 1;;ROLLBACK;',
  'COMMIT AND CHAIN',
])('%s throws ERR_TRANSACTION, also if the first error is ignored', (text) => {
  const { stepFor, assertEnded } = createSavepoints('postgres')
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
  'SELECT 1; DROP TABLE a',
])('%s is rejected in MySQL, where it would commit, and sent in PostgreSQL', (text) => {
  expect(sendAll([text], 'mysql')).toEqual([expect.stringContaining('would commit it')])
  expect(sendAll([text])).toEqual([text])
})

test('a temporary table is sent in MySQL', () => {
  const sent = ['CREATE TEMPORARY TABLE a (b int)', 'DROP TEMPORARY TABLE a']
  expect(sendAll(sent, 'mysql')).toEqual(sent)
})

test('a transaction that is still open at the end is an error', () => {
  const { stepFor, assertEnded } = createSavepoints('postgres')
  stepFor('BEGIN')
  expect(assertEnded).toThrow('was still open when "onOrder" returned: await it')
  stepFor('COMMIT')
  expect(assertEnded).not.toThrow()
})

test('accepts the query forms of drivers: text, objects, callbacks and query objects', async () => {
  const sent: unknown[][] = []
  const query = guardQuery({
    send: (...args) => sent.push(args),
    savepoints: createSavepoints('postgres'),
    isOver: () => false,
  })
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
  const refusal = await new Promise((resolve) => query('BEGIN READ ONLY', [], resolve))
  expect(refusal).toMatchObject({ code: 'ERR_TRANSACTION' })
})

test.each<[Dialect, string]>([
  ['postgres', '/* a /* nested */ comment */ COMMIT'],
  ['postgres', `SELECT $a$ ' $a$; COMMIT`],
  ['postgres', `SELECT E'\\''; COMMIT; --'`],
  ['postgres', `SELECT 'a\\'; COMMIT; --'`],
  ['postgres', 'SELECT 1 /*! ; */; COMMIT'],
  ['mysql', '/*!50000 COMMIT */'],
  ['mysql', '/*M!100000 COMMIT */'],
  ['mysql', 'SELECT 1 /*! ; COMMIT */'],
  ['mysql', '# a comment\nCOMMIT'],
  ['mysql', `SELECT 'a\\'; COMMIT', ""; COMMIT`],
  ['mysql', 'SELECT 1--1; COMMIT'],
  ['mysql', 'SELECT `a;`; COMMIT'],
  ['mysql', 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, autocommit = 1'],
  ['mysql', 'SET @a = 1, autocommit = 1'],
  ['mysql', 'SET @@session.autocommit := 1'],
  ['mysql', 'SET LOCAL autocommit = 1'],
  ['mysql', 'SET `autocommit` = 1'],
  ['mysql', `SET PASSWORD = 'a'`],
])('%s: %s throws ERR_TRANSACTION', (dialect, text) => {
  expect(createSavepoints(dialect).stepFor(text)).toMatchObject({ kind: 'refuse', error: { code: 'ERR_TRANSACTION' } })
})

test.each<[Dialect, string]>([
  ['postgres', `INSERT INTO a VALUES ('it''s; COMMIT')`],
  ['postgres', `INSERT INTO a VALUES (E'\\'; COMMIT')`],
  ['postgres', `INSERT INTO a VALUES ('\\'); SELECT '; COMMIT'`],
  ['postgres', 'DO $$ BEGIN; COMMIT; END $$; SELECT 1'],
  ['postgres', 'SELECT "; COMMIT" FROM a -- ; COMMIT'],
  ['postgres', 'SELECT 1 /* /* */ ; COMMIT; */; SELECT $1'],
  ['mysql', `INSERT INTO a VALUES ('\\'; COMMIT', "; COMMIT", "\\"; COMMIT")`],
  ['mysql', 'SELECT `; COMMIT` FROM a # ; COMMIT'],
  ['mysql', 'SELECT 1 /* ; COMMIT */ -- ; COMMIT'],
  ['mysql', 'SET @autocommit = 1'],
  ['mysql', 'UPDATE a SET autocommit = 1'],
  ['mysql', `SET @a = 'autocommit = 1'`],
  ['mysql', 'ANALYZE SELECT 1'],
  ['mysql', 'CREATE OR REPLACE TEMPORARY TABLE a (b int)'],
])('%s: %s is sent', (dialect, text) => {
  expect(sendAll([text], dialect)).toEqual([text])
})

test.each<[Dialect, string]>([
  ['postgres', '/* a /* nested */ comment */ BEGIN -- the end'],
  ['mysql', '/*!50000 START TRANSACTION */'],
  ['mysql', 'START /* a */ TRANSACTION; # the end'],
])('%s: %s becomes a savepoint', (dialect, text) => {
  expect(sendAll([text], dialect)).toEqual(['SAVEPOINT order_sync_1'])
})

test('parses a text of a megabyte in linear time', () => {
  const before = performance.now()
  for (const part of ["'", '/*', '$a', '(', '-- ', '; ', "E'\\", '/*!', '$$', ' ', 'set ', 'autocommit,']) {
    for (const dialect of ['postgres', 'mysql'] as const) {
      createSavepoints(dialect).stepFor(`SET ${part.repeat(2 ** 20 / part.length)}`)
    }
  }
  // Each takes some ten milliseconds. Quadratic time would be minutes.
  expect(performance.now() - before).toBeLessThan(20_000)
})

test('a rejected statement that is not awaited causes no unhandled rejection', async () => {
  const query = guardQuery({ send: () => undefined, savepoints: createSavepoints('postgres'), isOver: () => false })
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  query('COMMIT')
  const handled: unknown[] = []
  const cursor = { text: 'COMMIT', submit() {}, handleError: (error: unknown) => handled.push(error) }
  expect(query(cursor)).toBe(cursor)
  const silent = {
    text: 'COMMIT',
    submit() {},
    handleError: (error: unknown) => new EventEmitter().emit('error', error),
  }
  expect(query(silent)).toBe(silent)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', listen)
  expect(unhandled).toEqual([])
  expect(handled).toMatchObject([{ code: 'ERR_TRANSACTION' }])
})

test('sends a replaced statement unprepared, because MySQL cannot prepare SAVEPOINT', () => {
  const sent: string[] = []
  const query = guardQuery({
    send: (text) => sent.push(`execute ${text}`),
    sendReplaced: (text) => sent.push(`query ${text}`),
    savepoints: createSavepoints('mysql'),
    isOver: () => false,
  })
  for (const text of ['START TRANSACTION', 'SELECT 1', 'COMMIT']) query(text)
  expect(sent).toEqual(['query SAVEPOINT order_sync_1', 'execute SELECT 1', 'query RELEASE SAVEPOINT order_sync_1'])
})

test('rejects preparing a statement that begins or ends a transaction, because it could run at any depth', () => {
  for (const text of ['BEGIN', 'COMMIT', 'CREATE TABLE a (b int)']) {
    const { assertPreparable, assertEnded } = createSavepoints('mysql')
    expect(() => assertPreparable('SELECT 1')).not.toThrow()
    expect(assertEnded).not.toThrow()
    expect(() => assertPreparable(text)).toThrow(expect.objectContaining({ code: 'ERR_TRANSACTION' }))
    expect(assertEnded).toThrow(expect.objectContaining({ code: 'ERR_TRANSACTION' }))
  }
})

test('after a deadlock, sends only the ROLLBACK of ORMs', () => {
  const { stepFor, noteRolledBack } = createSavepoints('mysql')
  stepFor('BEGIN')
  noteRolledBack()
  for (const text of ['ROLLBACK', 'ROLLBACK TO SAVEPOINT a']) {
    expect(stepFor(text)).toEqual({ kind: 'replace', text: 'SELECT 1' })
  }
  for (const text of ['BEGIN', 'INSERT INTO a VALUES (1)', 'COMMIT', 'ROLLBACK; SELECT 1']) {
    expect(stepFor(text)).toMatchObject({ kind: 'refuse', error: { message: expect.stringContaining('deadlock') } })
  }
})
