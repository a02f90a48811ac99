import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { identifyLine } from '../../../src/cli/bulk/identify.ts'
import { type Journal, type Note, openJournal, type Route } from '../../../src/cli/bulk/journal.ts'
import { folderIn, temporaryFolder, writeTo } from '../../support/cli.ts'
import { rejectionOf } from '../../support/thrown.ts'

const folder = temporaryFolder()
const ROUTE = { clientId: 'C-1', destination: 'https://peer.example/orders' }
const newPath = () => join(folderIn(folder), 'orders.journal')

const note = (line: number, outcome: Note['outcome'] = 'succeeded'): Note => ({
  line,
  outcome,
  requestId: `R-${line}`,
  check: 0xfedc_ba00 + line,
})

/** Opens a journal, and closes it at the end of the test at the latest. */
async function open(path: string, route: Route = ROUTE): Promise<Journal> {
  const journal = await openJournal(path, route)
  let isOpen = true
  const close = () => {
    if (isOpen) journal.close()
    isOpen = false
  }
  onTestFinished(close)
  return { ...journal, close }
}

/** Writes a journal with some notes, and returns its text. */
async function written(path: string, ...notes: readonly Note[]): Promise<string> {
  const journal = await open(path)
  for (const one of notes) journal.write(one)
  journal.close()
  return readFileSync(path, 'utf8')
}

describe('a journal', () => {
  test('remembers the decisions of the peer and the salt, and nothing without a decision', async () => {
    const path = newPath()
    const first = await open(path)
    for (const one of [note(1), note(2, 'refused'), note(3, 'undelivered'), note(5, 'untrusted'), note(70_000)]) {
      first.write(one)
    }
    first.write(note(6, 'invalid'))
    first.close()
    const { salt, ledger } = await open(path)
    expect(salt).toBe(first.salt)
    const found = [1, 2, 3, 4, 5, 6, 70_000, 70_001].map((line) => ledger.find(line, note(line).check))
    expect(found).toEqual([
      'succeeded',
      'refused',
      ...[undefined, undefined, undefined, undefined],
      'succeeded',
      undefined,
    ])
    expect(ledger.find(1, note(2).check)).toBe('changed')
    expect(ledger.find(3, 0)).toBeUndefined()
  })

  test('is written synchronously, and only its owner can read it', async () => {
    const path = newPath()
    const journal = await open(path)
    journal.write(note(1))
    const [header, entry, end] = readFileSync(path, 'utf8').split('\n')
    expect(JSON.parse(header ?? '')).toEqual({
      ...{ journal: 'alipayhk-order-sync send', version: 1, salt: journal.salt },
      ...ROUTE,
    })
    expect(JSON.parse(entry ?? '')).toEqual({ line: 1, outcome: 'succeeded', requestId: 'R-1', check: 'fedcba01' })
    expect(end).toBe('')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('with an incomplete last line loses only that note, and continues after the one before', async () => {
    const path = newPath()
    const text = await written(path, note(1), note(2))
    const secondNote = text.indexOf('\n', text.indexOf('\n') + 1) + 1
    for (let length = secondNote; length < text.length; length += 7) {
      writeTo(folder, 'cut.journal', text.slice(0, length))
      const journal = await open(join(folder, 'cut.journal'))
      expect(journal.ledger.find(1, note(1).check)).toBe('succeeded')
      expect(journal.ledger.find(2, note(2).check)).toBeUndefined()
      journal.write(note(3, 'refused'))
      journal.close()
      const again = await open(join(folder, 'cut.journal'))
      expect([1, 2, 3].map((line) => again.ledger.find(line, note(line).check))).toEqual([
        'succeeded',
        undefined,
        'refused',
      ])
      again.close()
    }
  })

  test('with zeros at its end, as after a power failure, loses them', async () => {
    const path = newPath()
    writeTo(folder, 'zeros.journal', Buffer.concat([Buffer.from(await written(path, note(1))), Buffer.alloc(512)]))
    const journal = await open(join(folder, 'zeros.journal'))
    expect(journal.ledger.find(1, note(1).check)).toBe('succeeded')
  })

  test('with an incomplete first line starts again', async () => {
    const text = await written(newPath())
    for (const length of [0, 1, 20, 40, text.length - 1]) {
      const path = writeTo(folder, `start-${length}.journal`, text.slice(0, length))
      const { salt, close } = await open(path)
      close()
      expect((await open(path)).salt).toBe(salt)
    }
  })

  test.each([
    ['orders', '{"tradeNo":"T-1"}\n'],
    ['one order without end', '{"tradeNo":"T-1"}'],
    ['text', 'hello'],
    ['a journal of something else', '{"journal":"diary","version":1,"salt":"00"}\n'],
    ['a salt that is an object', '{"journal":"alipayhk-order-sync send","version":1,"salt":{"toString":1}}\n'],
    [
      'a first line without end that no run has written',
      ` {"journal":"alipayhk-order-sync send","version":1,"salt":"${'0'.repeat(32)}","clientId":"C-1","destination":"https://peer.example/orders"}`,
    ],
    ['a salt in an array', `{"journal":"alipayhk-order-sync send","version":1,"salt":["${'0'.repeat(32)}"]}\n`],
    ['a line without end', 'x'.repeat(100_000)],
    ['zeros', '\0'.repeat(10)],
  ])('never replaces another file: %s', async (name, content) => {
    const path = writeTo(folder, `other-${name}`, content)
    expect((await rejectionOf(openJournal(path, ROUTE))).message).toContain('is not a journal. It was not changed')
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

  test.each([
    ['a line that is no JSON', 'oops'],
    ['a line without a number', '{"outcome":"succeeded","check":"00000000"}'],
    ['a line without a checksum', '{"line":1,"outcome":"succeeded"}'],
    ['a checksum that is an object', '{"line":1,"outcome":"succeeded","check":{"toString":1}}'],
    ['a checksum in an array', '{"line":1,"outcome":"succeeded","check":["00000000"]}'],
    ['a number that is too large', '{"line":100000001,"outcome":"succeeded","check":"00000000"}'],
    ['a fraction', '{"line":1.5,"outcome":"succeeded","check":"00000000"}'],
    ['a line that is too long', `{"line":1,"check":"00000000","message":"${'x'.repeat(70_000)}"}`],
  ])('with %s in its middle is damaged, and stays unchanged', async (name, entry) => {
    const text = await written(newPath(), note(1))
    const path = writeTo(folder, `damaged-${name}`, `${text}${entry}\n${text.split('\n')[1]}\n`)
    const before = readFileSync(path, 'utf8')
    expect((await rejectionOf(openJournal(path, ROUTE))).message).toBe('The journal is damaged: line 3 cannot be read.')
    expect(readFileSync(path, 'utf8')).toBe(before)
  })

  test.each<[string, Partial<Route>, string]>([
    ['client id', { clientId: 'C-2' }, 'another client id: C-1, not C-2'],
    ['destination', { destination: 'https://live.example/orders' }, 'another destination: https://peer.example/orders'],
  ])('is not used for another %s', async (_, changes, message) => {
    const path = newPath()
    await written(path, note(1))
    expect((await rejectionOf(openJournal(path, { ...ROUTE, ...changes }))).message).toContain(message)
  })

  test('of another version is refused', async () => {
    const text = await written(newPath())
    const path = writeTo(folder, 'version.journal', text.replace('"version":1', '"version":2'))
    expect((await rejectionOf(openJournal(path, ROUTE))).message).toContain('by another version')
  })

  test('belongs to one process at a time, also under another name', async () => {
    const path = newPath()
    const journal = await open(path)
    symlinkSync(path, `${path}.link`)
    for (const name of [path, `${path}.link`]) {
      expect((await rejectionOf(openJournal(name, ROUTE))).message).toBe(
        'Another process is sending with this journal.',
      )
    }
    journal.close()
    await open(path)
  })

  test('must be a file that can be opened', async () => {
    expect((await rejectionOf(openJournal('/dev/null', ROUTE))).message).toBe('--journal must name a regular file.')
    const missing = join(folder, 'missing', 'journal')
    expect((await rejectionOf(openJournal(missing, ROUTE))).message).toContain(
      '--journal cannot be opened: no such file',
    )
    expect(existsSync(missing)).toBe(false)
  })
})

describe('identifyLine', () => {
  const salt = '00'.repeat(16)
  const line = Buffer.from('{"tradeNo":"T-1"}')

  test('derives the same requestId from the same line and salt, of 32 hex digits', () => {
    const identity = identifyLine(salt, line)
    expect(identity).toEqual(identifyLine(salt, Buffer.from(line)))
    expect(identity.requestId).toMatch(/^[0-9a-f]{32}$/)
  })

  test('derives another one from another line or another salt', () => {
    const { requestId, check } = identifyLine(salt, line)
    for (const other of [identifyLine(salt, Buffer.from('{"tradeNo":"T-2"}')), identifyLine('01'.repeat(16), line)]) {
      expect(other.requestId).not.toBe(requestId)
      expect(other.check).not.toBe(check)
    }
  })
})
