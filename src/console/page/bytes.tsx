import { useMemo, useState } from 'preact/hooks'
import type { ShownBytes } from '../wire.ts'
import { bytesOf } from './format.ts'

const HEX_ROWS = 64
const COLUMNS = 16

/** Bytes as text with visible control characters, as formatted JSON, or one by one. */
export function BytesView({ bytes, label }: { readonly bytes: ShownBytes; readonly label: string }) {
  const decoded = useMemo(() => decode(bytes), [bytes.base64])
  const [mode, setMode] = useState<'json' | 'text' | 'bytes'>('text')
  const [rows, setRows] = useState(HEX_ROWS)
  if (decoded === undefined) {
    return (
      <p class="quiet">{bytes.size === 0 ? 'Empty, or not read.' : 'Dropped to limit the memory of the console.'}</p>
    )
  }
  const { raw, json } = decoded
  const modes = [...(json === undefined ? [] : (['json'] as const)), 'text', 'bytes'] as const
  const note = [
    bytesOf(bytes.size),
    ...(raw.length < bytes.size ? [`the first ${bytesOf(raw.length)} are shown`] : []),
    ...(bytes.isMasked ? ['masked: letters are x, digits are 0'] : []),
  ].join(' · ')
  return (
    <div class="bytes">
      <div class="modes">
        <span class="quiet">{note}</span>
        {modes.map((name) => (
          <button type="button" key={name} aria-pressed={mode === name} onClick={() => setMode(name)}>
            {{ json: 'JSON', text: 'Text', bytes: 'Bytes' }[name]}
          </button>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must be reachable by keyboard. */}
      <section class="box" tabIndex={0} aria-label={label}>
        {mode === 'json' && <pre>{json}</pre>}
        {mode === 'text' && (
          <pre>
            <VisibleText text={decoded.text} />
          </pre>
        )}
        {mode === 'bytes' && <Hex raw={raw} rows={rows} />}
      </section>
      {mode === 'bytes' && raw.length > rows * COLUMNS && (
        <button type="button" onClick={() => setRows(rows * 4)}>
          Show more bytes
        </button>
      )}
    </div>
  )
}

function decode({ base64 }: ShownBytes) {
  if (base64 === undefined) return undefined
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const text = new TextDecoder().decode(raw)
  let json: string | undefined
  try {
    json = JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    // Not JSON, or not all of it is here.
  }
  return { raw, text, json }
}

/** Invisible characters. The last range is the symbols for control characters in an explanation. */
const INVISIBLE = /([\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00a0\ufffd\u2400-\u2421])/u

/** Text with a name for each invisible character. A line feed also ends the line. */
export function VisibleText({ text }: { readonly text: string }) {
  // Every second part is a character that matches.
  return text.split(INVISIBLE).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <>
        <span class="control" title={codePoint(part)}>
          {nameOf(part)}
        </span>
        {part === '\n' || part === '\u240a' ? '\n' : ''}
      </>
    ),
  )
}

const codePoint = (character: string) =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

/** Names, because many fonts lack the signs of Unicode for control characters. */
const NAMES =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  )

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const control = code >= 0x2400 ? code - 0x2400 : code
  return NAMES[control] ?? (control === 0x7f || control === 0x21 ? 'DEL' : codePoint(character))
}

function Hex({ raw, rows }: { readonly raw: Uint8Array; readonly rows: number }) {
  const lines: string[] = []
  for (let at = 0; at < raw.length && lines.length < rows; at += COLUMNS) {
    const row = [...raw.subarray(at, at + COLUMNS)]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const signs = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
    lines.push(`${at.toString(16).padStart(5, '0')}  ${hex.padEnd(COLUMNS * 3)} ${signs.join('')}`)
  }
  return <pre class="hex">{lines.join('\n')}</pre>
}
