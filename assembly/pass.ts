import { BLOCK, before, placesOf } from './block'
import { begin, wrongIn } from './form'
import { GAPS, INPUT } from './memory'

const NUL: u8 = 0
const TAB: u8 = 9
const NEWLINE: u8 = 10
const SPACE: u8 = 32
const HASH: u8 = 35

/** How many lines the last call of `pass` passed over. */
export let passed: i32 = 0

/**
 * Passes over points of the most usual form, 64 bytes at a time and without a branch for each byte.
 * Returns where the first line begins that is of another form, or has no newline in the window.
 *
 * @param from where a line begins
 * @param to where the window ends
 * @param stamped whether all points have a timestamp, or all lack one: then line ends are noted as gaps
 * @param origin what to add to a place in the window when it is noted
 */
export function pass(from: i32, to: i32, stamped: bool, origin: i32): i32 {
  const end = INPUT + to
  let line = INPUT + from
  let count: i32 = 0
  let isKnown = true
  begin()
  for (let at = line; at < end && isKnown; at += BLOCK) {
    const a = v128.load(at)
    const b = v128.load(at, 16)
    const c = v128.load(at, 32)
    const d = v128.load(at, 48)
    let newline = placesOf(NEWLINE, a, b, c, d)
    const wrong = wrongIn(newline, stamped, a, b, c, d)
    if (wrong !== 0) {
      isKnown = false
      newline &= before(wrong)
    }
    if (at + BLOCK > end) newline &= ((1 as u64) << (end - at)) - 1
    for (; newline !== 0; newline &= newline - 1) {
      const place = at + i32(ctz(newline))
      if (!beginsPoint(line) || (stamped && !endsInWord(place))) {
        isKnown = false
        break
      }
      if (!stamped) store<i32>(GAPS + (count << 2), place - INPUT + origin)
      count++
      line = place + 1
    }
  }
  passed = count
  return line - INPUT
}

/** Neither a comment nor white space. */
function beginsPoint(line: i32): bool {
  const first = load<u8>(line)
  return first > SPACE && first !== HASH
}

/**
 * Whether something follows the last space of a line: a timestamp, or what influxd will reject. Both
 * go on as they are.
 */
function endsInWord(end: i32): bool {
  const last = load<u8>(end - 1)
  return last !== TAB && last !== NUL
}
