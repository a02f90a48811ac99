/** Styles of the output. Only for texts without control characters. */
export interface Style {
  readonly heading: (text: string) => string
  readonly name: (text: string) => string
  readonly secondary: (text: string) => string
  readonly error: (text: string) => string
}

/** The part of an output stream that is used. Only a terminal has `hasColors`, which honours `NO_COLOR`, `FORCE_COLOR` and `TERM`. */
export interface StyledStream {
  readonly isTTY?: boolean
  readonly hasColors?: () => boolean
}

const asIs = (text: string) => text

export const PLAIN: Style = { heading: asIs, name: asIs, secondary: asIs, error: asIs }

const COLORED: Style = {
  heading: (text) => `\u001B[1m${text}\u001B[22m`,
  name: (text) => `\u001B[36m${text}\u001B[39m`,
  secondary: (text) => `\u001B[2m${text}\u001B[22m`,
  error: (text) => `\u001B[31m${text}\u001B[39m`,
}

/** Uses colours only on a terminal. */
export function styleOf(stream: StyledStream): Style {
  return stream.isTTY && stream.hasColors?.() ? COLORED : PLAIN
}
