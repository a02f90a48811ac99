/** The bytes of a number below the order of secp224r1. */
const SIZE = 28

/** An ECDSA signature in IEEE P1363 form, and how it was encoded if that is not accepted. */
export interface DecodedEcdsa {
  readonly p1363: Uint8Array
  /** Undefined for ASN.1 DER, and for IEEE P1363 in 56 bytes. */
  readonly encoding: string | undefined
}

/** The ways to read bytes as an ECDSA signature over secp224r1, the accepted ones first. */
export function decodeEcdsa(signature: Uint8Array): DecodedEcdsa[] {
  if (signature.length === 2 * SIZE) return [{ p1363: signature, encoding: undefined }]
  const integers = readIntegers(signature)
  if (integers !== undefined) {
    const p1363 = join(integers.r, integers.s)
    if (p1363 === undefined) return []
    return [{ p1363, encoding: integers.isStrict ? undefined : 'in DER that is not canonical' }]
  }
  if (signature.length % 2 !== 0 || signature.length > 132) return []
  const half = signature.length / 2
  const p1363 = join(signature.subarray(0, half), signature.subarray(half))
  return p1363 === undefined ? [] : [{ p1363, encoding: `in P1363 form of ${signature.length} bytes instead of 56` }]
}

/** Two numbers of 28 bytes each; undefined when one is zero or too large. */
function join(r: Uint8Array, s: Uint8Array): Uint8Array | undefined {
  const joined = new Uint8Array(2 * SIZE)
  for (const [index, number] of [r, s].entries()) {
    const digits = withoutZeros(number)
    if (digits.length === 0 || digits.length > SIZE) return undefined
    joined.set(digits, (index + 1) * SIZE - digits.length)
  }
  return joined
}

function withoutZeros(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0)
  return first < 0 ? new Uint8Array() : number.subarray(first)
}

/** SEQUENCE { r INTEGER, s INTEGER }. Also reads numbers without the zero that keeps them positive, or with too many. */
function readIntegers(der: Uint8Array): { r: Uint8Array; s: Uint8Array; isStrict: boolean } | undefined {
  if (der[0] !== 0x30) return undefined
  const long = der[1] === 0x81 ? 1 : 0
  const length = der[1 + long] ?? 0
  if (length + 2 + long !== der.length) return undefined
  const r = readInteger(der, 2 + long)
  const s = r && readInteger(der, r.end)
  if (s === undefined || r === undefined || s.end !== der.length) return undefined
  return { r: r.digits, s: s.digits, isStrict: long === 0 && isCanonical(r.digits) && isCanonical(s.digits) }
}

function readInteger(der: Uint8Array, at: number): { digits: Uint8Array; end: number } | undefined {
  const length = der[at + 1] ?? 0
  const end = at + 2 + length
  if (der[at] !== 0x02 || length === 0 || length > 0x7f || end > der.length) return undefined
  return { digits: der.subarray(at + 2, end), end }
}

function isCanonical(digits: Uint8Array): boolean {
  const [first = 0, second = 0] = digits
  return first < 0x80 && (first !== 0 || second >= 0x80)
}
