/** What a function throws; fails when it throws nothing, or no error. */
export function thrownBy(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return assertError(error)
  }
  throw new Error('Nothing was thrown')
}

/** What a promise is rejected with; fails when it is fulfilled, or rejected with no error. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const settled = await promise.then(
    () => ({ fulfilled: true as const }),
    (error: unknown) => ({ fulfilled: false as const, error }),
  )
  if (settled.fulfilled) throw new Error('The promise was not rejected')
  return assertError(settled.error)
}

function assertError(error: unknown): Error {
  if (error instanceof Error) return error
  throw new Error('What was thrown is no error')
}
