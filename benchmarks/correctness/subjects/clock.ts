/** A clock for libraries that read `Date.now`: replaces it until `restore()`. */
export function createClock() {
  const real = Date.now
  let offset = 0
  return {
    pass(milliseconds: number) {
      offset += milliseconds
      Date.now = () => real() + offset
    },
    restore() {
      Date.now = real
    },
  }
}
