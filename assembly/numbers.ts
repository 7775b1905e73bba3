/** Bytes of numbers, sixteen at a time: two tables, one for each half of a byte, agree in a bit. */

import { bitsOf } from './block'

const SIGN_OR_POINT: u8 = 1
const DIGIT: u8 = 2
const PLUS: u8 = 4
const E_OR_U: u8 = 8
const I: u8 = 16

const FIRST: u8 = SIGN_OR_POINT | DIGIT
const LATER: u8 = 255

/**
 * Bytes that no number has, those not in `+-.0123456789eEiu`; and of those at `initial` also the ones
 * that no number begins with, those not in `-.0123456789`.
 */
export function nonNumeric(initial: u64, a: v128, b: v128, c: v128, d: v128): u64 {
  const i = kindsOf(a)
  const j = kindsOf(b)
  const k = kindsOf(c)
  const l = kindsOf(d)
  const later = bitsOf(isNone(i, LATER), isNone(j, LATER), isNone(k, LATER), isNone(l, LATER))
  const first = bitsOf(isNone(i, FIRST), isNone(j, FIRST), isNone(k, FIRST), isNone(l, FIRST))
  return later | (first & initial)
}

function isNone(kinds: v128, wanted: u8): v128 {
  return i8x16.eq(v128.and(kinds, i8x16.splat(wanted)), i8x16.splat(0))
}

function kindsOf(x: v128): v128 {
  const low = i8x16.swizzle(
    // biome-ignore format: as the halves 0 to 9, and a to f
    i8x16(
      DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, DIGIT | E_OR_U, DIGIT, DIGIT, DIGIT, DIGIT | I,
      0, PLUS, 0, SIGN_OR_POINT, SIGN_OR_POINT, 0,
    ),
    v128.and(x, i8x16.splat(15)),
  )
  const high = i8x16.swizzle(
    i8x16(0, 0, SIGN_OR_POINT | PLUS, DIGIT, E_OR_U, 0, E_OR_U | I, E_OR_U, 0, 0, 0, 0, 0, 0, 0, 0),
    i8x16.shr_u(x, 4),
  )
  return v128.and(low, high)
}
