// Rewrites JSON text without reading its values: numbers, duplicate keys and broken ends stay as they are. The text is
// not verified, so nothing here recurses without a limit or takes more than one pass.

/** Strings, punctuation, white space, and runs of anything else. Open strings end with the text. */
const TOKENS = /"(?:[^"\\]+|\\[\s\S])*"?|[{}[\],:]|[ \t\r\n]+|[^"{}[\],: \t\r\n]+/g

const isSpace = (token: string) => /^[ \t\r\n]/.test(token)

/** Removes the white space of JSON. */
export function compact(text: string): string {
  return text.replace(/("(?:[^"\\]+|\\[\s\S])*"?)|[ \t\r\n]+/g, '$1')
}

/** The maximum growth of a text by indentation, as a factor. */
const MAX_GROWTH = 8

/** How a serializer writes white space. Without `indent`, everything is on one line. */
export interface Layout {
  readonly colon: string
  readonly comma: string
  readonly indent?: string
  readonly newline?: string
  /** Between the brackets of an empty object or array. */
  readonly empty?: string
}

/** Writes JSON text with other white space. Undefined if deep nesting would make it much longer. */
export function layOut(text: string, { colon, comma, indent, newline = '\n', empty = '' }: Layout): string | undefined {
  const maxLength = text.length * MAX_GROWTH + 1_024
  const tokens = (text.match(TOKENS) ?? []).filter((token) => !isSpace(token))
  let depth = 0
  let result = ''
  const lineBreak = () => (indent === undefined ? '' : newline + indent.repeat(Math.min(depth, 64)))
  for (const [index, token] of tokens.entries()) {
    if (result.length > maxLength) return undefined
    const next = tokens[index + 1]
    if (token === '{' || token === '[') {
      depth++
      result += token + (next === '}' || next === ']' ? empty : lineBreak())
    } else if (token === '}' || token === ']') {
      depth = Math.max(0, depth - 1)
      const before = tokens[index - 1]
      result += (before === '{' || before === '[' ? '' : lineBreak()) + token
    } else if (token === ',') result += indent === undefined ? comma : `,${lineBreak()}`
    else if (token === ':') result += colon
    else result += token
  }
  return result
}

/** Rewrites the strings of JSON text; undefined when one cannot be read. */
export function rewriteStrings(text: string, write: (value: string) => string): string | undefined {
  let isReadable = true
  const rewritten = text.replace(/"(?:[^"\\]+|\\[\s\S])*"?/g, (token) => {
    try {
      return `"${write(JSON.parse(token))}"`
    } catch {
      isReadable = false
      return token
    }
  })
  return isReadable ? rewritten : undefined
}

/** A member of an object, as text without the white space around it, which keeps its place in the object. */
export interface Member {
  readonly key: string
  readonly text: string
}

/** Returns the members of an object in another order; undefined leaves them as they are. */
export type Reorder = (members: readonly Member[], depth: number) => readonly Member[] | undefined

const MAX_DEPTH = 64

/** Writes JSON text with the members of its objects in another order; undefined when it is not JSON. */
export function reorder(text: string, order: Reorder): string | undefined {
  const tokens = text.match(TOKENS) ?? []
  let at = 0
  const space = () => (isSpace(tokens[at] ?? '') ? (tokens[at++] ?? '') : '')

  const value = (depth: number): string | undefined => {
    const token = tokens[at++]
    if (token === '{') return depth > MAX_DEPTH ? undefined : object(depth)
    if (token === '[') return depth > MAX_DEPTH ? undefined : array(depth)
    return token === undefined || /^[}\],:]/.test(token) ? undefined : token
  }

  const array = (depth: number): string | undefined => {
    let result = `[${space()}`
    if (tokens[at] === ']') return result + (tokens[at++] ?? '')
    for (;;) {
      const item = value(depth + 1)
      if (item === undefined) return undefined
      result += item + space()
      const end = tokens[at++]
      if (end === ']') return `${result}]`
      if (end !== ',') return undefined
      result += `,${space()}`
    }
  }

  const object = (depth: number): string | undefined => {
    const leads = [space()]
    const trails: string[] = []
    const members: Member[] = []
    if (tokens[at] === '}') return `{${leads[0]}${tokens[at++]}`
    for (;;) {
      const key = tokens[at++]
      if (key === undefined || !key.startsWith('"')) return undefined
      const beforeColon = space()
      if (tokens[at++] !== ':') return undefined
      const afterColon = space()
      const item = value(depth + 1)
      if (item === undefined) return undefined
      members.push({ key: key.slice(1, -1), text: `${key}${beforeColon}:${afterColon}${item}` })
      trails.push(space())
      const end = tokens[at++]
      if (end === '}') break
      if (end !== ',') return undefined
      leads.push(space())
    }
    const ordered = order(members, depth) ?? members
    return `{${ordered.map(({ text }, index) => `${leads[index] ?? ''}${text}${trails[index] ?? ''}`).join(',')}}`
  }

  const lead = space()
  const result = value(0)
  const trail = space()
  return result === undefined || at < tokens.length ? undefined : lead + result + trail
}

/** The number of members of the outermost object; 0 when there is none. */
export function countMembers(text: string): number {
  let count = 0
  reorder(text, (members, depth) => {
    if (depth === 0) count = members.length
    return undefined
  })
  return count
}
