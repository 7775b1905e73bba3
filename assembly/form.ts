/**
 * The form that most points have:
 *
 *     measurement,tag=value field=1.5,field="text" 1700000000000000000
 *
 * No word is empty, names and values alternate, one space begins the fields and another ends them.
 * Whatever else line protocol allows is wrong here.
 */

import { between, placesOf, spread } from './block'
import { nonNumeric } from './numbers'
import { areThere, hidden, opening, read, reset, strange, string } from './strings'

const SPACE: u8 = 32
const COMMA: u8 = 44
const EQUALS: u8 = 61

/** What the blocks before leave to this one. */
let wasSeparator: u64 = 0
let wasEquals: u64 = 0
let wereFields: u64 = 0
let wasName: u64 = 0

/** Begins with a block that begins a line. */
export function begin(): void {
  // No word has come yet.
  wasSeparator = 1
  wasEquals = 0
  wereFields = 0
  wasName = 0
  reset()
}

/**
 * Where a block is not of the form: at a line's newline at the latest, and right up to there only.
 *
 * @param stamped whether all points have a timestamp, or all lack one
 */
export function wrongIn(newline: u64, stamped: bool, a: v128, b: v128, c: v128, d: v128): u64 {
  let space = placesOf(SPACE, a, b, c, d)
  let comma = placesOf(COMMA, a, b, c, d)
  let equals = placesOf(EQUALS, a, b, c, d)
  const strings = areThere(a, b, c, d)
  if (strings) {
    read(newline, a, b, c, d)
    space &= ~hidden
    comma &= ~hidden
    equals &= ~hidden
  }
  const separator = newline | space | comma | equals
  const fields = between(stamped ? space : space | newline) ^ wereFields
  const start = comma | (space & fields)
  const name = between(start | equals) ^ wasName
  const initial = (equals << 1) | wasEquals

  let wrong = separator & ((separator << 1) | wasSeparator)
  wrong |= (start & ~name) | (separator & ~start & name) | (newline & fields)
  if (strings) wrong |= strange | (opening & ~(initial & fields))
  if (!stamped) {
    const bare = fields & ~name & ~equals & ~(strings ? string : 0)
    wrong |= space & ~fields
    wrong |= bare & nonNumeric(initial, a, b, c, d)
  }
  wasSeparator = separator >> 63
  wasEquals = equals >> 63
  wereFields = spread(fields)
  wasName = spread(name)
  return wrong
}
