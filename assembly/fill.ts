import { GAPS, INPUT, OUTPUT, TIMESTAMP } from './memory'

/** Writes the window with a timestamp in every gap, and returns how many bytes that makes. */
export function fill(length: i32, gaps: i32, timestampBytes: i32): i32 {
  const begin = v128.load(TIMESTAMP)
  const rest = v128.load(TIMESTAMP, 16)
  let from = INPUT
  let to = OUTPUT
  for (let i = 0; i < gaps; i++) {
    const gap = INPUT + load<i32>(GAPS + (i << 2))
    copy(from, gap, to)
    to += gap - from
    from = gap
    v128.store(to, begin)
    v128.store(to, rest, 16)
    to += timestampBytes
  }
  copy(from, INPUT + length, to)
  return to + INPUT + length - from - OUTPUT
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
