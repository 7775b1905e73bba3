import { GAPS, INPUT, MAX_GAPS, OUTPUT, TIMESTAMP } from './memory'

/** How many gaps the last call of `fill` filled. */
export let filled: i32 = 0

/**
 * Writes the window with a timestamp in every gap, up to the last of `MAX_GAPS` if it has so many, and
 * returns how many bytes that makes.
 *
 * @param gaps how many are noted; those behind the window are not looked at
 * @param origin what to take off a noted place for the place in the window
 */
export function fill(length: i32, gaps: i32, timestampBytes: i32, origin: i32): i32 {
  const begin = v128.load(TIMESTAMP)
  const rest = v128.load(TIMESTAMP, 16)
  const end = INPUT + length
  let from = INPUT
  let to = OUTPUT
  let count = 0
  for (; count < gaps; count++) {
    const gap = INPUT + load<i32>(GAPS + (count << 2)) - origin
    if (gap > end) break
    copy(from, gap, to)
    to += gap - from
    from = gap
    v128.store(to, begin)
    v128.store(to, rest, 16)
    to += timestampBytes
  }
  filled = count
  if (count === MAX_GAPS) return to - OUTPUT
  copy(from, end, to)
  return to + end - from - OUTPUT
}

/** Copies some bytes too many rather than look how many. */
function copy(from: i32, end: i32, to: i32): void {
  for (; from < end; from += 64, to += 64) {
    const a = v128.load(from)
    const b = v128.load(from, 16)
    const c = v128.load(from, 32)
    const d = v128.load(from, 48)
    v128.store(to, a)
    v128.store(to, b, 16)
    v128.store(to, c, 32)
    v128.store(to, d, 48)
  }
}
