import { DeliveryError, isOrderSyncError, RefusalError, ReplyError } from 'alipayhk-order-sync'
import { UsageError } from './arguments.ts'

/** What to print on standard error, and the exit status. No stack: it would say more of us than of what is wrong. */
export function describeFailure(error: unknown): { lines: string[]; exitCode: 1 | 2 | 3 } {
  return { lines: linesOf(error), exitCode: exitCodeOf(error) }
}

function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (error instanceof DeliveryError) return 2
  return error instanceof ReplyError ? 3 : 1
}

function linesOf(error: unknown): string[] {
  if (error instanceof UsageError) return [error.message]
  const { message, code } = error as NodeJS.ErrnoException
  if (code?.startsWith('ERR_PARSE_ARGS')) return [message.split('. ')[0] ?? message]
  if (!isOrderSyncError(error)) return [message]
  const lines = [`${[message, ...causesOf(error)].join(' ')} (${code})`]
  if (error instanceof RefusalError && error.resultMessage)
    lines.push(`The peer says: ${JSON.stringify(error.resultMessage)}`)
  if (error instanceof ReplyError || error instanceof DeliveryError) {
    if (error.httpStatus !== undefined) lines.push(`HTTP status: ${error.httpStatus}`)
    if (error.excerpt) lines.push(`The answer begins: ${JSON.stringify(error.excerpt)}`)
  }
  if ('requestId' in error && error.requestId) lines.push(`requestId: ${error.requestId}`)
  return lines
}

/** `ECONNREFUSED`: fetch says no more than "fetch failed", and keeps the reason in the cause of the cause. */
function causesOf(error: Error): string[] {
  const causes: string[] = []
  for (let { cause } = error; cause instanceof Error && !isOrderSyncError(cause); cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined) causes.push(code)
  }
  return causes
}
