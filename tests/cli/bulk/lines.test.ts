import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Line, readLines } from '../../../src/cli/bulk/lines.ts'

async function* chunksOf(bytes: Buffer, size: number) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

async function linesOf(text: string, { maxBytes = 100, chunk = 7 } = {}): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of readLines(chunksOf(Buffer.from(text), chunk), maxBytes)) lines.push(line)
  return lines
}

const textsOf = (lines: readonly Line[]) => lines.map(({ number, bytes }) => [number, bytes?.toString()])

describe('readLines', () => {
  test('numbers the lines, and leaves out empty ones and the ends of lines', async () => {
    const lines = await linesOf('a\r\n\n  \nb\n\u{1f600}')
    expect(textsOf(lines)).toEqual([
      [1, 'a'],
      [4, 'b'],
      [5, '\u{1f600}'],
    ])
    expect(lines.map(({ isComplete }) => isComplete)).toEqual([true, true, false])
  })

  test('returns no line for an empty file, or one with empty lines only', async () => {
    expect(await linesOf('')).toEqual([])
    expect(await linesOf('\n\r\n \n')).toEqual([])
  })

  test('a line over the limit has no bytes, and the next one is whole', async () => {
    const lines = await linesOf(`${'x'.repeat(10)}\n${'y'.repeat(11)}\nz\n`, { maxBytes: 10 })
    expect(textsOf(lines)).toEqual([
      [1, 'x'.repeat(10)],
      [2, undefined],
      [3, 'z'],
    ])
  })

  test('keeps no bytes of an endless line', async () => {
    let given = 0
    async function* endless() {
      for (; given < 200; given++) yield Buffer.alloc(1_048_576, 'x')
    }
    const before = process.memoryUsage().arrayBuffers
    for await (const line of readLines(endless(), 1_000)) expect(line.bytes).toBeUndefined()
    expect(given).toBe(200)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150 * 1_048_576)
  })

  test('gives the same lines for any division into chunks; their sizes and ends are positions in the file', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', ' ', '漢'), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        async (parts, chunk) => {
          const text = parts.join('')
          const lines = await linesOf(text, { chunk })
          expect(lines).toEqual(await linesOf(text, { chunk: 1_000 }))
          expect(textsOf(lines).map(([, line]) => line)).toEqual(
            text
              .split('\n')
              .map((line) => line.replace(/\r$/, ''))
              .filter((line) => line.replace(/[ \t]/g, '') !== ''),
          )
          const bytes = Buffer.from(text)
          let sum = 0
          for (const line of lines) {
            sum += line.size
            expect(sum).toBe(line.end)
            expect(bytes.subarray(0, line.end).toString().trimEnd().endsWith(`${line.bytes}`.trimEnd())).toBe(true)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
