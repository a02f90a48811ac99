// Repairs what editors, chat programs, shells, environment files and secret managers do to the text of a key. It removes only
// characters that cannot be part of PEM or base64, so it never guesses.

/** Invisible characters, and the byte order mark, even if its bytes were read as Latin-1. */
const INVISIBLE = /^\u00ef\u00bb\u00bf|\p{Cf}/gu

/** Removes the end marks of C strings and of files of old systems: NUL and Ctrl-Z. */
export function withoutTerminator(text: string): string {
  let end = text.length
  while (end > 0 && ['\0', '\u001a'].includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

const QUOTES = '"\'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb'
const QUOTED = new RegExp(`^\\\\*[${QUOTES}]([\\s\\S]*?)\\\\*[${QUOTES}]$`, 'u')

/** Hyphens, dashes and minus signs of Unicode. Word processors replace two hyphens with one dash. */
const DASHES = '\u2010-\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d'
const RUN = `[-${DASHES}]*[${DASHES}][-${DASHES}]*`
const DASHED_LINE = new RegExp(`${RUN}(?=\\s*(?:BEGIN|END)\\b)|(?<=(?:KEY|CERTIFICATE)\\s*)${RUN}`, 'gu')

/** How often quotes and punctuation are removed: a value can be quoted by a file and by the program that wrote it. */
const MAX_LAYERS = 4

/** Repairs common damage to the text of a key. It leaves the inside of JSON unchanged, because JSON has its own escapes. */
export function repairKeyText(text: string): string {
  const plain = unquote(withoutTerminator(text.replace(INVISIBLE, '')))
  if (/^\{|^\[\s*["{]/.test(plain)) return plain
  const unescaped = plain
    .replace(/\\+r/g, '')
    .replace(/\\+n/g, '\n')
    .replace(/\\+t/g, ' ')
    .replace(/\\+\//g, '/')
    .replace(DASHED_LINE, '-----')
  return unquote(unescaped)
}

/** Removes quotes and white space around a text, and a final `,` or `;`, as after a value in a list or a program. */
export function unquote(text: string): string {
  let plain = text.trim()
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    const inner = plain
      .replace(/(?<![,;])[,;]+$/, '')
      .trim()
      .replace(QUOTED, '$1')
      .trim()
    if (inner === plain) break
    plain = inner
  }
  return plain
}
