/** The structure of a key in DER, by its outermost tags. */
export type DerShape =
  | 'pkcs8'
  | 'pkcs1-private'
  | 'sec1'
  | 'spki'
  | 'pkcs1-public'
  | 'certificate'
  | 'encrypted'
  | 'pkcs12'

/** The tags of the first three children of the SEQUENCE, for each structure that holds a key. */
const SHAPES: Readonly<Record<string, DerShape>> = {
  '02 30 04': 'pkcs8', // version, algorithm, OCTET STRING
  '02 02 02': 'pkcs1-private', // version, n, e …
  '02 04 a0': 'sec1', // version, OCTET STRING, [0] curve
  '30 03': 'spki', // algorithm, BIT STRING
  '02 02': 'pkcs1-public', // n, e
  '30 30 03': 'certificate', // body, algorithm, BIT STRING
  '30 04': 'encrypted', // algorithm, OCTET STRING
  '02 30 30': 'pkcs12', // version, content, MAC
}

/**
 * Returns the structure of DER bytes, or undefined if they do not hold a key.
 * Reads lengths and tags only; node:crypto parses the content.
 */
export function derShape(der: Uint8Array): DerShape | undefined {
  const outer = readElement(der, 0)
  if (outer === undefined || outer.tag !== 0x30 || outer.end !== der.length) return undefined
  const tags: string[] = []
  for (let at = outer.start; at < outer.end && tags.length < 3; ) {
    const child = readElement(der, at)
    if (child === undefined || child.end > outer.end) return undefined
    tags.push(child.tag.toString(16).padStart(2, '0'))
    at = child.end
  }
  return SHAPES[tags.join(' ')]
}

function readElement(der: Uint8Array, at: number): { tag: number; start: number; end: number } | undefined {
  const tag = der[at]
  const first = der[at + 1]
  if (tag === undefined || first === undefined) return undefined
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first }
  const size = first & 0x7f
  // Four bytes can hold any length below 4 GiB; the indefinite form (0x80) is not DER.
  if (size === 0 || size > 4) return undefined
  let length = 0
  for (const byte of der.subarray(at + 2, at + 2 + size)) length = length * 256 + byte
  const start = at + 2 + size
  return { tag, start, end: start + length }
}

/** Why DER bytes are not one complete structure. Undefined if they are. */
export function derProblem(der: Uint8Array): { readonly text: string; readonly isCut: boolean } | undefined {
  const outer = readElement(der, 0)
  if (outer === undefined || outer.tag !== 0x30) return { text: 'its bytes do not begin like a key', isCut: false }
  const difference = outer.end - der.length
  if (difference > 0) return { text: `it was cut off: ${der.length} of ${outer.end} bytes are there`, isCut: true }
  if (difference < 0)
    return { text: `${-difference} more than the ${outer.end} bytes of its structure are there`, isCut: false }
  return undefined
}

/** Whether DER is PKCS#7: an object identifier, and a content in [0]. */
export function isPkcs7(der: Uint8Array): boolean {
  const outer = readElement(der, 0)
  const first = outer && readElement(der, outer.start)
  return first?.tag === 0x06 && der[first.end] === 0xa0
}

/** Whether DER with the outer form of a certificate is a certificate request: its first member is the version 0, then a name. */
export function isCertificateRequest(der: Uint8Array): boolean {
  const outer = readElement(der, 0)
  const info = outer && readElement(der, outer.start)
  const version = info && readElement(der, info.start)
  if (version?.tag !== 0x02 || version.end - version.start !== 1 || der[version.start] !== 0) return false
  const subject = readElement(der, version.end)
  const key = subject && readElement(der, subject.end)
  return key?.tag === 0x30
}
