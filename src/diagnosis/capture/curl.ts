import { type CaptureParts, notAMessage } from './captured-message.ts'

/** Options of curl that take a value and are ignored. */
const OTHER_VALUES =
  /^(?:-[ouAebcmxwTK]|--(?:output|user|user-agent|referer|cookie|cookie-jar|max-time|connect-timeout|proxy|cacert|cert|key|resolve|retry|write-out|upload-file|config|ciphers|interface))$/

/** Options that are followed by their value, with the short and the long name. */
const NAMES: Readonly<Record<string, 'method' | 'header' | 'data' | 'raw' | 'encoded' | 'json' | 'url'>> = {
  '-X': 'method',
  '--request': 'method',
  '-H': 'header',
  '--header': 'header',
  '-d': 'data',
  '--data': 'data',
  '--data-ascii': 'data',
  '--data-binary': 'data',
  '--data-raw': 'raw',
  '--data-urlencode': 'encoded',
  '--json': 'json',
  '--url': 'url',
}

/** Reads a curl command, as a shell would: the command that a developer ran, or "Copy as cURL" of a browser. */
export function readCurl(command: string): CaptureParts {
  const words = splitWords(command.trim().replace(/^\$ /, ''))
  const headers: [string, string][] = []
  const data: string[] = []
  let method: string | undefined
  let url: string | undefined
  let isGet = false
  let isJson = false
  for (let at = 1; at < words.length; at++) {
    const { flags, option, value, skip } = readOption(words, at)
    at += skip
    isGet ||= flags.includes('G')
    if (flags.includes('I')) method ??= 'HEAD'
    const name = Object.hasOwn(NAMES, option) ? NAMES[option] : undefined
    if (name === undefined) {
      if (option === '--get') isGet = true
      else if (option === '--head') method ??= 'HEAD'
      else if (!option.startsWith('-')) url ??= option
      continue
    }
    if (name === 'method') method = value
    else if (name === 'url') url = value
    else if (name === 'header') headers.push(splitHeader(value))
    else {
      if (value.startsWith('@') && name !== 'raw') {
        throw notAMessage(
          'The body of the curl command is in a file (@FILE). Pass JSON with the body as "bodyBase64", or raw HTTP, so that no byte is lost.',
        )
      }
      isJson ||= name === 'json'
      data.push(name === 'encoded' ? encodeData(value) : value)
    }
  }
  if (url === undefined) throw notAMessage('The curl command has no URL.')
  const body = data.join(isJson ? '' : '&')
  const has = (name: string) => headers.some(([known]) => known.toLowerCase() === name)
  if (data.length > 0 && !isGet && !has('content-type')) {
    headers.push(['Content-Type', isJson ? 'application/json' : 'application/x-www-form-urlencoded'])
  }
  const { host, path } = splitUrl(url)
  if (!has('host') && host !== '') headers.push(['Host', host])
  const query = isGet && body !== '' ? `${path.includes('?') ? '&' : '?'}${body}` : ''
  return {
    direction: 'request',
    method: method ?? (data.length > 0 && !isGet ? 'POST' : 'GET'),
    path: path + query,
    status: undefined,
    headers,
    body: Buffer.from(isGet ? '' : body),
    notes: [],
  }
}

interface CurlOption {
  /** The letters of short options without a value. */
  readonly flags: string
  readonly option: string
  readonly value: string
  /** How many words the value takes. */
  readonly skip: 0 | 1
}

/** The option at a position. `-XPOST` and `--request=POST` hold their value; `-sX POST` is `-s` and `-X POST`. */
function readOption(words: readonly string[], at: number): CurlOption {
  const word = words[at] ?? ''
  const [, long, longValue = ''] = /^(--[\w-]+)=([\s\S]*)$/.exec(word) ?? []
  if (long !== undefined) return { flags: '', option: long, value: longValue, skip: 0 }
  const next = words[at + 1] ?? ''
  if (!/^-\w/.test(word)) {
    return takesValue(word)
      ? { flags: '', option: word, value: next, skip: 1 }
      : { flags: '', option: word, value: '', skip: 0 }
  }
  const letters = [...word.slice(1)]
  const last = letters.findIndex((letter) => takesValue(`-${letter}`))
  if (last < 0) return { flags: word.slice(1), option: word, value: '', skip: 0 }
  const [flags, option, value] = [word.slice(1, last + 1), `-${letters[last]}`, word.slice(last + 2)]
  return value === '' ? { flags, option, value: next, skip: 1 } : { flags, option, value, skip: 0 }
}

function takesValue(option: string): boolean {
  return Object.hasOwn(NAMES, option) || OTHER_VALUES.test(option)
}

function splitHeader(text: string): [string, string] {
  const at = text.search(/[:;]/)
  return at < 0 ? [text, ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

function encodeData(value: string): string {
  const at = value.indexOf('=')
  return at < 0 ? encodeURIComponent(value) : value.slice(0, at + 1) + encodeURIComponent(value.slice(at + 1))
}

/** Host and request-target. Not parsed with URL: it would normalize text that curl sends unchanged. */
export function splitUrl(url: string): { host: string; path: string } {
  const [, host = '', rest = ''] = /^(?:https?:\/\/)?([^/?#]*)([^#]*)/i.exec(url) ?? []
  return { host: host.replace(/^.*@/, ''), path: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Splits a command into words by the rules of a POSIX shell, with the $'…' of bash. Expands nothing. */
function splitWords(command: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let at = 0
  const add = (text: string) => {
    word = (word ?? '') + text
  }
  while (at < command.length) {
    const rest = command.slice(at, at + 2)
    const character = command.charAt(at)
    if (rest === '\\\n' || command.startsWith('\\\r\n', at)) at += rest === '\\\n' ? 2 : 3
    else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at++
    } else if (character === "'" || rest === "$'" || character === '"') {
      const quoted = readQuoted(command, at)
      add(quoted.text)
      at = quoted.end
    } else if (character === '\\') {
      add(command.charAt(at + 1))
      at += 2
    } else if (/[;|&>]/.test(character)) break
    else {
      add(character)
      at++
    }
  }
  return word === undefined ? words : [...words, word]
}

const ANSI_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  v: '\v',
}

function readQuoted(command: string, at: number): { text: string; end: number } {
  const isAnsi = command.charAt(at) === '$'
  const from = isAnsi ? at + 2 : at + 1
  const quote = isAnsi ? "'" : command.charAt(at)
  const escapes = isAnsi || quote === '"'
  let text = ''
  for (let index = from; index < command.length; index++) {
    const character = command.charAt(index)
    if (character === quote) return { text, end: index + 1 }
    const next = command.charAt(index + 1)
    if (character !== '\\' || !escapes) text += character
    else if (isAnsi) {
      const [whole = '', x, u, octal] =
        /^(?:x([0-9a-f]{1,2})|u([0-9a-f]{1,4})|([0-7]{1,3}))/i.exec(command.slice(index + 1, index + 6)) ?? []
      const code = x ?? u
      if (code !== undefined) text += String.fromCharCode(Number.parseInt(code, 16))
      else if (octal !== undefined) text += String.fromCharCode(Number.parseInt(octal, 8))
      else text += ANSI_ESCAPES[next] ?? next
      index += whole === '' ? 1 : whole.length
    } else {
      // In double quotes, the shell removes a backslash in front of five characters only.
      if (next !== '\n') text += /["\\$`]/.test(next) ? next : `\\${next}`
      index++
    }
  }
  throw notAMessage('The curl command has an unclosed quote: it was cut off.')
}
