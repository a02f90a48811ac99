/** The error that a function throws. Fails when the function throws nothing, or another value. */
export function thrownBy(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return assertError(error)
  }
  throw new Error('Nothing was thrown')
}

/** The error that a promise is rejected with. Fails when the promise is fulfilled, or rejected with another value. */
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
  throw new Error('The thrown value is not an Error')
}
