import { onTestFinished, vi } from 'vitest'

/** Replaces `process.emitWarning` until the end of the test, so that warnings are recorded and not printed. */
export function recordWarnings() {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  onTestFinished(() => emitWarning.mockRestore())
  return emitWarning
}
