/** 64 bytes as the bits of a u64, the first byte in the lowest bit. */

export const BLOCK: i32 = 64

/** Which bytes of four vectors of flags are set. */
export function bitsOf(a: v128, b: v128, c: v128, d: v128): u64 {
  const low = u32(i8x16.bitmask(a)) | (u32(i8x16.bitmask(b)) << 16)
  const high = u32(i8x16.bitmask(c)) | (u32(i8x16.bitmask(d)) << 16)
  return u64(low) | (u64(high) << 32)
}

/** Where a byte is. */
export function placesOf(byte: u8, a: v128, b: v128, c: v128, d: v128): u64 {
  const x = i8x16.splat(byte)
  return bitsOf(i8x16.eq(a, x), i8x16.eq(b, x), i8x16.eq(c, x), i8x16.eq(d, x))
}

/** From each first, third, fifth ... bit to before the next: what lies between two toggles. */
export function between(toggles: u64): u64 {
  let bits = toggles
  bits ^= bits << 1
  bits ^= bits << 2
  bits ^= bits << 4
  bits ^= bits << 8
  bits ^= bits << 16
  bits ^= bits << 32
  return bits
}

/** The last bit, in all places: what `between` goes on with in the next block. */
export function spread(bits: u64): u64 {
  return u64(i64(bits) >> 63)
}

/** What lies before the first bit. */
export function before(bits: u64): u64 {
  return (bits & (0 - bits)) - 1
}
