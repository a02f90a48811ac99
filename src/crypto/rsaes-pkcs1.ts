/** The lengths that an AES key can have, in bytes. */
export const AES_KEY_LENGTHS: readonly number[] = [16, 24, 32]

/**
 * Removes RSAES-PKCS1-v1_5 padding (`00 02`, at least eight non-zero bytes, `00`, AES key). Returns the substitute when
 * the padding is wrong or the content does not have the length of an AES key. There are no branches or look-ups that
 * depend on the block, as far as JavaScript allows: RFC 8017 section 7.2.2 warns of attackers who can tell a bad
 * padding from a good one.
 *
 * @param block As long as the modulus.
 * @param substitute 32 random bytes.
 * @see docs/protocol.md section 4.2
 */
export function unpad(block: Uint8Array, substitute: Uint8Array): Uint8Array {
  const size = block.length
  let good = isZero(block[0] ?? 1) & isZero((block[1] ?? 0) ^ 2)
  let found = 0
  let separator = 0
  for (let index = 2; index < size; index++) {
    const first = isZero(block[index] ?? 1) & (found ^ 1)
    separator |= -first & index
    found |= first
  }
  let fits = 0
  for (const length of AES_KEY_LENGTHS) fits |= isZero(separator ^ (size - 1 - length))
  // A separator at 10 or later leaves the eight bytes of padding; with a modulus of 2048 bits it always does.
  good &= found & fits & ((9 - separator) >>> 31)
  const length = select(good, size - 1 - separator, substitute.length)
  const key = new Uint8Array(length)
  for (let index = 0; index < length; index++) {
    key[index] = select(good, block[size - length + index] ?? 0, substitute[index] ?? 0)
  }
  return key
}

/** 1 when the number is zero, otherwise 0; for numbers from 0 to 2³¹. */
function isZero(value: number): number {
  return ((value - 1) & ~value) >>> 31
}

/** `yes` when the flag is 1, `no` when it is 0. */
function select(flag: number, yes: number, no: number): number {
  return (-flag & yes) | ((flag - 1) & no)
}
