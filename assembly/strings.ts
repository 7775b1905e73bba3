/** Strings and escapes: what is in them has no meaning. Most blocks have none. */

import { between, placesOf, spread } from './block'

const QUOTE: u8 = 34
const BACKSLASH: u8 = 92

/** What the blocks before leave to this one. */
let open: u64 = 0
let wasEscape: u64 = 0

/** Where a string begins. */
export let opening: u64 = 0
/** Strings with their quotes. */
export let string: u64 = 0
/** Bytes that stand for themselves. */
export let hidden: u64 = 0
/** What needs a closer look: a line that goes on behind its newline, or an escape that is escaped. */
export let strange: u64 = 0

/** Begins with a block that begins a line. */
export function reset(): void {
  open = 0
  wasEscape = 0
}

/** Whether `read` would find anything. */
export function areThere(a: v128, b: v128, c: v128, d: v128): bool {
  const here = v128.or(v128.or(special(a), special(b)), v128.or(special(c), special(d)))
  return v128.any_true(here) || (open | wasEscape) !== 0
}

function special(x: v128): v128 {
  return v128.or(i8x16.eq(x, i8x16.splat(QUOTE)), i8x16.eq(x, i8x16.splat(BACKSLASH)))
}

export function read(newline: u64, a: v128, b: v128, c: v128, d: v128): void {
  const backslash = placesOf(BACKSLASH, a, b, c, d)
  const escaped = (backslash << 1) | wasEscape
  const quote = placesOf(QUOTE, a, b, c, d) & ~escaped
  const inside = between(quote) ^ open
  opening = quote & inside
  string = inside | quote
  hidden = inside | escaped
  strange = (escaped & backslash) | (hidden & newline)
  open = spread(inside)
  wasEscape = backslash >> 63
}
