import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { createRecording } from '../../src/cli/recording.ts'
import { temporaryFolder } from '../support/cli.ts'
import { thrownBy } from '../support/thrown.ts'

const folder = temporaryFolder()
let count = 0
const newPath = () => join(folder, `recording-${++count}.jsonl`)
const message = (id: string) => ({ id, receivedAt: '', method: 'POST', path: '/', headers: {}, bodyBase64: '' })
const idsIn = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).id)

describe.skipIf(process.platform === 'win32')('createRecording', () => {
  test('appends to a file that only this user can read, a new one or its own', async () => {
    const path = newPath()
    await createRecording(path)(message('1'))
    await createRecording(path)(message('2'))
    expect(idsIn(path)).toEqual(['1', '2'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('refuses a file that other users can read, and leaves it as it is', () => {
    const path = newPath()
    writeFileSync(path, 'kept')
    for (const mode of [0o644, 0o640, 0o602]) {
      chmodSync(path, mode)
      expect(String(thrownBy(() => createRecording(path)))).toMatch(
        /^UsageError: --record must name a file .* chmod 600/,
      )
    }
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['kept', 0o602])
  })

  test('refuses a symbolic link, to a file and to nothing', () => {
    for (const target of [newPath(), newPath()]) {
      if (target.endsWith('3.jsonl')) writeFileSync(target, 'kept', { mode: 0o600 })
      symlinkSync(target, `${target}.link`)
      expect(String(thrownBy(() => createRecording(`${target}.link`)))).toMatch(/--record .* symbolic link/)
      expect(existsSync(target) && readFileSync(target, 'utf8')).toBe(target.endsWith('3.jsonl') && 'kept')
    }
  })

  test('refuses what is no file: a folder, a device, and a pipe that nobody reads', () => {
    const pipe = newPath()
    execFileSync('mkfifo', [pipe])
    for (const path of [folder, '/dev/null', pipe]) {
      expect(String(thrownBy(() => createRecording(path)))).toContain('UsageError: --record ')
    }
  })

  test('writes nothing through a link that replaces the file later', async () => {
    const warn = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const [path, target] = [newPath(), newPath()]
    const record = createRecording(path)
    writeFileSync(target, 'kept', { mode: 0o600 })
    execFileSync('ln', ['-sf', target, path])
    await record(message('1'))
    expect(readFileSync(target, 'utf8')).toBe('kept')
    expect(warn.mock.calls.join()).toMatch(/the message 1 could not be recorded/)
  })
})
