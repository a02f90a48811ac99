/** The user called the command incorrectly. The command prints only the message. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
