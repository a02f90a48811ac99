/** The SQL dialect of a text. MariaDB parses texts like MySQL. */
export type Dialect = 'postgres' | 'mysql'

/** The start of a comment or a literal. */
const SPECIAL = {
  // A dollar in a name begins no literal.
  postgres: /['";]|--|\/\*|(?<![\w$\u0080-\uffff])\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/gi,
  // In MySQL, `--` needs a space after it: 1--1 is 2.
  mysql: /['"`;#]|--(?=[\s\0]|$)|\/\*(?:M?!\d*)?|\*\//g,
} as const

/**
 * The statements of a text, without comments, with `''` in place of literals. A comment that MySQL executes is code.
 * Linear in the length of the text, also when a quote or a comment has no end.
 */
export function statementsOf(text: string, dialect: Dialect): string[] {
  const statements: string[] = []
  let code = ''
  let at = 0
  // A new regular expression, because `lastIndex` is state.
  const special = new RegExp(SPECIAL[dialect])
  for (;;) {
    special.lastIndex = at
    const found = special.exec(text)
    code += text.slice(at, found?.index)
    if (found === null || found[0] === ';') {
      if (code.trim() !== '') statements.push(code.trim())
      if (found === null) return statements
      code = ''
      at = special.lastIndex
    } else {
      const { end, meaning } = read(text, { start: found.index, opener: found[0], dialect })
      code += meaning
      at = end
    }
  }
}

interface Part {
  readonly start: number
  readonly opener: string
  readonly dialect: Dialect
}

/** The end of a comment or a literal, and its replacement. */
function read(text: string, { start, opener, dialect }: Part): { readonly end: number; readonly meaning: string } {
  const inside = start + opener.length
  if (opener === '--' || opener === '#') return { end: after(text, '\n', inside), meaning: ' ' }
  // The comments that MySQL executes.
  if (opener === '*/' || /^\/\*M?!/.test(opener)) return { end: inside, meaning: ' ' }
  if (opener === '/*') {
    return { end: dialect === 'mysql' ? after(text, '*/', inside) : endOfNested(text, inside), meaning: ' ' }
  }
  if (opener.startsWith('$')) return { end: after(text, opener, inside), meaning: "''" }
  const hasEscapes = dialect === 'mysql' ? opener !== '`' : isEscapeString(text, start)
  const end = endOfQuoted(text, { inside, quote: opener, hasEscapes })
  // The name of a variable may stand in backquotes.
  return { end, meaning: opener === '`' ? text.slice(inside, end - 1) : "''" }
}

/** Whether an `E` precedes the quote, which is not the end of a name. */
function isEscapeString(text: string, quote: number): boolean {
  return /(?<![\w$])e$/i.test(text.slice(Math.max(0, quote - 2), quote))
}

function after(text: string, closer: string, from: number): number {
  const index = text.indexOf(closer, from)
  return index === -1 ? text.length : index + closer.length
}

/** In PostgreSQL, comments contain comments. */
function endOfNested(text: string, inside: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = inside
  for (let depth = 1; depth > 0; ) {
    const found = mark.exec(text)
    if (found === null) return text.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return mark.lastIndex
}

interface Quoted {
  readonly inside: number
  readonly quote: string
  /** Whether a backslash makes a quote part of the literal. A doubled quote always is. */
  readonly hasEscapes: boolean
}

function endOfQuoted(text: string, { inside, quote, hasEscapes }: Quoted): number {
  for (let at = inside; at < text.length; at++) {
    if (text[at] === '\\' && hasEscapes) at++
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1
      at++
    }
  }
  return text.length
}
