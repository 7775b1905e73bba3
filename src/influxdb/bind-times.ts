/** DELETE and SELECT INTO mean the same points whenever they are executed, once they are bound. */

import { type Clause, InfluxqlReader } from './influxql-reader.ts'
import type { InfluxqlScanner, TokenType } from './influxql-scanner.ts'
import { identifierOf, type Parameters, statementsOf } from './statement.ts'

/** Nanoseconds since 1970. */
export interface BindingTimes {
  /** What `now()` stands for. */
  readonly now: bigint
  /**
   * The end of the time range of a statement that names none: no point behind it is deleted or
   * copied. Without it, such a statement stays open, as in InfluxDB.
   */
  readonly latest?: bigint
}

/**
 * Replaces what InfluxDB takes from its clock when it executes a DELETE or SELECT INTO:
 *
 * - `now()`
 * - the open end of a time range with GROUP BY time, which is `now()`, in subqueries too
 *
 * and closes other open ends if `latest` is given. Everything else stays as it is, byte for byte, and
 * so do other statements.
 *
 * @param parameters what names in the text stand for; it still needs them
 */
export function bindTimes(text: string, times: BindingTimes, parameters?: Parameters): string {
  let bound = ''
  let copied = 0
  for (const { kind, start, end } of statementsOf(text, { database: '' })) {
    if (kind !== 'DELETE' && kind !== 'SELECT INTO') continue
    bound += text.slice(copied, start) + bindStatement(text.slice(start, end), times, parameters)
    copied = end
  }
  return bound + text.slice(copied)
}

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The time range of a statement or subquery, as far as it has been read. */
interface TimeRange {
  /** Where the condition begins and ends; -1 without a WHERE. */
  conditionStart: number
  conditionEnd: number
  /** Where a WHERE can be added. */
  sourcesEnd: number
  hasOr: boolean
  hasEnd: boolean
  isGroupedByTime: boolean
  /** The duration in GROUP BY time(duration, now()). */
  interval: string
}

interface Token {
  readonly type: TokenType
  readonly start: number
  readonly end: number
  readonly clause: Clause
  /** Empty if it is no identifier, nor a parameter that stands for one. */
  readonly name: string
}

const NO_TOKEN: Token = { type: '', start: 0, end: 0, clause: 'other', name: '' }

function bindStatement(
  text: string,
  { now, latest }: BindingTimes,
  parameters: Parameters | undefined,
): string {
  const reader = new InfluxqlReader(text)
  const { scanner } = reader
  const edits: Edit[] = []
  const ranges: TimeRange[] = []
  const close = () => {
    const range = ranges.pop() as TimeRange
    const end = range.isGroupedByTime ? now : ranges.length === 0 ? latest : undefined
    if (end !== undefined && !range.hasEnd) edits.push(...editsToEnd(range, end))
  }
  let [before, previous] = [NO_TOKEN, NO_TOKEN]
  for (let type = reader.next(); ; type = reader.next()) {
    const { clause } = reader
    const name = nameOf(scanner, parameters)
    const token = { type, start: scanner.start, end: scanner.end, clause, name }
    const innermost = ranges.at(-1)
    if (isNowCall(before, previous, token)) {
      const isOffset = before.clause === 'group'
      const bound = isOffset ? offsetOf(now, innermost?.interval ?? '') : literal(now)
      edits.push({ start: before.start, end: token.end, text: bound })
    } else if (isNowName(before, previous, token)) {
      edits.push({ start: previous.start, end: previous.end, text: literal(now) })
    }
    if (innermost && isEndOfTime(before, previous, token)) innermost.hasEnd = true
    if (type === 'end') break
    while (ranges.length > reader.depth + 1) close()
    while (ranges.length < reader.depth + 1) ranges.push(newRange())
    extend(ranges[reader.depth] as TimeRange, reader, token, previous)
    before = previous
    previous = token
  }
  while (ranges.length > 0) close()
  return edited(text, edits)
}

const newRange = (): TimeRange => ({
  ...{ conditionStart: -1, conditionEnd: -1, sourcesEnd: -1 },
  ...{ hasOr: false, hasEnd: false, isGroupedByTime: false, interval: '' },
})

function nameOf(scanner: InfluxqlScanner, parameters: Parameters | undefined): string {
  if (scanner.type === 'identifier') return scanner.name
  return scanner.type === 'parameter' ? (identifierOf(parameters, scanner.name) ?? '') : ''
}

const isTime = (name: string) => name.toLowerCase() === 'time'

const isNowCall = ({ name, clause }: Token, { type }: Token, after: Token) =>
  (clause === 'where' || clause === 'group') &&
  name.toLowerCase() === 'now' &&
  type === '(' &&
  after.type === ')'

/** InfluxDB takes a name `"now()"` in a condition for now(), too. */
const isNowName = (before: Token, { name, clause }: Token, after: Token) =>
  clause === 'where' && name === 'now()' && before.type !== '.' && !['.', '('].includes(after.type)

const ARITHMETIC = ['+', '-', '*', '/', '%', '&', '|', '^']

/**
 * Whether the token in the middle is `time` in a comparison that ends the time range. InfluxDB
 * intersects all comparisons with `time` in a condition, even if OR joins them.
 */
function isEndOfTime(before: Token, { clause, name }: Token, after: Token): boolean {
  if (clause !== 'where' || !isTime(name)) return false
  const isLeft =
    ['<', '<=', '='].includes(after.type) && !['.', ...ARITHMETIC].includes(before.type)
  const isRight =
    ['>', '>=', '='].includes(before.type) && !['.', '(', '::', ...ARITHMETIC].includes(after.type)
  return isLeft || isRight
}

/** Adds a token to the time range of its statement or subquery. */
function extend(range: TimeRange, reader: InfluxqlReader, token: Token, previous: Token): void {
  const { clause, parentheses, scanner } = reader
  if (clause === 'where' && token.type !== 'WHERE') {
    if (range.conditionStart < 0) range.conditionStart = scanner.start
    range.conditionEnd = scanner.end
    if (token.type === 'OR' && parentheses === 0) range.hasOr = true
  } else if (clause === 'sources') {
    range.sourcesEnd = scanner.end
  } else if (clause === 'group' && parentheses === 1) {
    const isCall = token.type === '(' && scanner.isAdjacent
    if (isCall && isTime(previous.name)) range.isGroupedByTime = true
    const isInterval = previous.type === '(' && token.type === 'duration'
    if (isInterval) range.interval = scanner.text.slice(scanner.start, scanner.end)
  }
}

/** Ends a time range at a time, inclusive. */
function editsToEnd(range: TimeRange, time: bigint): Edit[] {
  const { conditionStart, conditionEnd, sourcesEnd, hasOr } = range
  const condition = `time <= ${literal(time)}`
  if (conditionStart < 0) return [insertion(sourcesEnd, ` WHERE ${condition}`)]
  if (!hasOr) return [insertion(conditionEnd, ` AND ${condition}`)]
  return [insertion(conditionStart, '('), insertion(conditionEnd, `) AND ${condition}`)]
}

const insertion = (at: number, text: string): Edit => ({ start: at, end: at, text })

function edited(text: string, edits: readonly Edit[]): string {
  let result = ''
  let copied = 0
  for (const edit of [...edits].sort((a, b) => a.start - b.start || a.end - b.end)) {
    result += text.slice(copied, edit.start) + edit.text
    copied = edit.end
  }
  return result + text.slice(copied)
}

const NS_PER_SECOND = 1_000_000_000n

/** A time as a string in RFC 3339 with nanoseconds, which conditions take wherever they take `now()`. */
function literal(time: bigint): string {
  const seconds = new Date(Number(time / NS_PER_SECOND) * 1000).toISOString().slice(0, 19)
  return `'${seconds}.${String(time % NS_PER_SECOND).padStart(9, '0')}Z'`
}

/** The nanoseconds from the year 1, in which InfluxDB's intervals begin, to 1970. */
const YEAR_1_TO_1970 = 62_135_596_800n * NS_PER_SECOND

const UNITS: Readonly<Record<string, bigint>> = {
  ...{ ns: 1n, u: 1_000n, µ: 1_000n, ms: 1_000_000n, s: NS_PER_SECOND, m: 60n * NS_PER_SECOND },
  ...{ h: 3600n * NS_PER_SECOND, d: 86_400n * NS_PER_SECOND, w: 604_800n * NS_PER_SECOND },
}

/**
 * What `now()` means as the offset of GROUP BY time: how far it is behind the beginning of its interval,
 * as a duration. InfluxDB takes no other time there.
 */
function offsetOf(now: bigint, interval: string): string {
  let length = 0n
  for (const [, count, unit] of interval.matchAll(/(\d+)(ns|ms|[uµsmhdw])/g)) {
    length += BigInt(count as string) * (UNITS[unit as string] as bigint)
  }
  return length === 0n ? 'now()' : `${(now + YEAR_1_TO_1970) % length}ns`
}
