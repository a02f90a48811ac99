import { DeliveryError, isOrderSyncError, OrderRefusedError, UntrustedResponseError } from 'alipayhk-order-sync'
import { UsageError } from './usage-error.ts'

/** 1: the peer refused. 2: the outcome is unknown. 3: the response cannot be trusted. 64: something is wrong on this side (EX_USAGE). */
type ExitCode = 1 | 2 | 3 | 64

/** Returns the lines for standard error and the exit status. Leaves out the stack, which does not help the user. */
export function describeFailure(error: unknown): { lines: string[]; exitCode: ExitCode } {
  return { lines: linesOf(error), exitCode: exitCodeOf(error) }
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof OrderRefusedError) return 1
  if (error instanceof DeliveryError) return 2
  return error instanceof UntrustedResponseError ? 3 : 64
}

function linesOf(error: unknown): string[] {
  if (error instanceof UsageError) return [error.message]
  const { message, code } = error as NodeJS.ErrnoException
  const codes = causeCodesOf(error).filter((causeCode) => !message.includes(causeCode))
  if (!isOrderSyncError(error)) return [[message, ...codes].join(': ')]
  const lines = [`${[message, ...codes].join(' ')} (${code})`]
  if (error instanceof OrderRefusedError && error.resultMessage)
    lines.push(`The peer says: ${JSON.stringify(error.resultMessage)}`)
  if (error instanceof UntrustedResponseError || error instanceof DeliveryError) {
    if (error.httpStatus !== undefined) lines.push(`HTTP status: ${error.httpStatus}`)
    if (error.excerpt) lines.push(`The response begins: ${JSON.stringify(error.excerpt)}`)
  }
  if ('requestId' in error && error.requestId) lines.push(`requestId: ${error.requestId}`)
  return lines
}

/** Such as `ECONNREFUSED`: fetch only says "fetch failed", and keeps the reason in the cause of its cause. */
function causeCodesOf(error: unknown): string[] {
  const codes: string[] = []
  for (let { cause } = error as Error; cause instanceof Error && !isOrderSyncError(cause); cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined) codes.push(code)
  }
  return codes
}
