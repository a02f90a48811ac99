import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createMeter,
  formatSeconds,
  type Progress,
  renderBar,
  renderLine,
  startProgress,
} from '../../../src/cli/bulk/progress.ts'

const at = (orders: number, changes: Partial<Progress> = {}): Progress => ({
  orders,
  failed: 0,
  bytes: orders * 100,
  totalBytes: 100_000,
  ...changes,
})

describe('createMeter', () => {
  test('measures orders a second, and the time left by the bytes of the file', () => {
    const measure = createMeter(0, at(0))
    expect(measure(at(100), 1_000)).toMatchObject({ ordersPerSecond: 100, secondsLeft: 9 })
    expect(measure(at(1_000), 10_000)).toMatchObject({ ordersPerSecond: 100, secondsLeft: 0 })
  })

  test('ignores progress that is older than ten seconds', () => {
    const measure = createMeter(0, at(0))
    for (let second = 1; second <= 30; second++) measure(at(second), second * 1_000)
    for (let second = 31; second < 41; second++) measure(at(30 + (second - 30) * 50), second * 1_000)
    expect(measure(at(580), 41_000).ordersPerSecond).toBeCloseTo(50, 0)
  })

  test('has no remaining time without a size or without progress', () => {
    const measure = createMeter(0, at(0, { totalBytes: undefined }))
    expect(measure(at(5, { totalBytes: undefined }), 1_000).secondsLeft).toBeUndefined()
    expect(createMeter(0, at(0))(at(0), 1_000)).toMatchObject({ ordersPerSecond: 0, secondsLeft: undefined })
  })
})

describe('rendering', () => {
  const measured = { ...at(410, { failed: 3 }), ordersPerSecond: 849.6, secondsLeft: 69.2 }

  test('a line has orders, share, rate, failures and time left', () => {
    expect(renderLine(measured)).toBe('410 orders, 41 %, 850/s, 3 failed, 1 min 10 s left')
    expect(renderLine({ ...measured, orders: 41_000, totalBytes: undefined, secondsLeft: undefined })).toBe(
      '41,000 orders, 850/s, 3 failed',
    )
  })

  test('a bar shows the share, and fits the terminal', () => {
    expect(renderBar(measured, 100)).toBe(
      '[################------------------------] 410 orders, 41 %, 850/s, 3 failed, 1 min 10 s left',
    )
    for (let columns = 10; columns < 140; columns++) {
      expect(renderBar(measured, columns).length, `${columns}`).toBeLessThan(columns)
    }
    expect(renderBar({ ...measured, totalBytes: undefined }, 100)).not.toContain('[')
  })

  test('the end is 100 %, also of an empty file, or of one that has grown', () => {
    expect(renderLine({ ...measured, bytes: 0, totalBytes: 0 })).toContain('100 %')
    expect(renderLine({ ...measured, bytes: 200, totalBytes: 100 })).toContain('100 %')
  })

  test.each([
    [0.2, '1 s'],
    [59, '59 s'],
    [60, '1 min 0 s'],
    [3_599.5, '1 h 0 min'],
    [7_500, '2 h 5 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})

describe('startProgress', () => {
  function start(stream: { isTTY?: boolean; columns?: number }, terminal = 'xterm') {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const output: string[] = []
    let orders = 0
    const progress = startProgress({
      stream: { ...stream, write: (text) => output.push(text) },
      now: () => Date.now(),
      read: () => at(orders),
      terminal,
    })
    return {
      output,
      progress,
      advance: (milliseconds: number, more: number) => {
        orders += more
        vi.advanceTimersByTime(milliseconds)
      },
    }
  }

  test('redraws a bar on a terminal, and removes it', () => {
    const { output, progress, advance } = start({ isTTY: true, columns: 90 })
    advance(400, 40)
    expect(output).toHaveLength(2)
    expect(output[1]?.slice(0, 4)).toBe('\r\u001b[K')
    expect(output[1]?.slice(4)).toMatch(/^\[#-+\] 40 orders, 4 %, \d+\/s, 0 failed, \d+ s left$/)
    progress.clear()
    progress.stop()
    expect(output.slice(2)).toEqual(['\r\u001b[K', '\r\u001b[K'])
    advance(1_000, 1)
    expect(output).toHaveLength(4)
  })

  test.each([
    ['a pipe', {}, 'xterm'],
    ['a terminal that is dumb', { isTTY: true }, 'dumb'],
  ])('prints a line every ten seconds on %s', (_, stream, terminal) => {
    const { output, progress, advance } = start(stream, terminal)
    advance(9_999, 500)
    expect(output).toEqual([])
    advance(1, 0)
    expect(output).toEqual(['500 orders, 50 %, 50/s, 0 failed, 10 s left\n'])
    progress.clear()
    progress.stop()
    expect(output).toHaveLength(1)
  })
})
