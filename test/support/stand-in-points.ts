/**
 * Line protocol as the stand-in reads it. Written apart from the relay's own reader on purpose: one
 * mistake in both would hide itself.
 */

/** One line, with names and values already in the text that rows() shows. */
export interface Point {
  /** Measurement and sorted tags. */
  readonly series: string
  readonly fields: ReadonlyMap<string, string>
  /** As written, in the precision of the request; undefined for "now". */
  readonly time: string | undefined
}

/** A line that influxd would refuse, in influxd's words. */
export class LineError extends Error {
  constructor(line: string, reason: string) {
    super(`unable to parse '${line}': ${reason}`)
  }
}

/** Up to the first space, a newline ends a line; behind it, strings can hide newlines. */
const LINE = /(?:\\.?|[^\\\n ])*(?: (?:\\.?|"(?:\\.|[^"\\])*(?:"|$)|[^\\\n"])*)?/gs
const KEY = /^(?:[^ ]|(?<=\\) )+/
const TAG = /^(.*?)(?<!\\)=(.*)$/s
const FIELD = /((?:\\.|[^\\,= ])*)=("(?:\\.|[^"\\])*"|[^, ]*)(,|$|(?= ))/sy
const TIME = /^ *(-?\d+)? *$/
const INTEGER = /^-?\d+(?=i$)/
const FLOAT = /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const TRUE = ['t', 'T', 'true', 'True', 'TRUE']
const FALSE = ['f', 'F', 'false', 'False', 'FALSE']

/** The lines of a body that hold points. A newline inside a string ends no line. */
export function pointLines(body: string): string[] {
  const lines = (body.match(LINE) ?? []).map((line) => line.trimStart())
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

/** @throws LineError */
export function parsePoint(line: string): Point {
  const refuse = (reason: string): never => {
    throw new LineError(line, reason)
  }
  const [key] = KEY.exec(line) ?? ['']
  const series = parseSeries(key, refuse)
  if (key === line) refuse('missing fields')
  const { fields, rest } = parseFields(line.slice(key.length).trimStart(), refuse)
  const time = TIME.exec(rest) ?? refuse('bad timestamp')
  return { series, fields, time: time[1] }
}

type Refuse = (reason: string) => never

/** In names and tags a character is escaped by the backslash before it, even by an escaped one. */
function parseSeries(key: string, refuse: Refuse): string {
  const [measurement = '', ...pairs] = key.split(/(?<!\\),/)
  if (measurement === '') refuse('missing measurement')
  const tags = new Map(pairs.map((pair) => parseTag(pair, refuse)))
  if (tags.size < pairs.length) refuse('duplicate tags')
  const shown = [...tags].map(([name, value]) => `,${showKey(name)}=${showKey(value)}`)
  const name = measurement.replace(/\\([, ])/g, '$1')
  return oneLine(name.replace(/[\\, ]/g, '\\$&')) + shown.sort().join('')
}

function parseTag(pair: string, refuse: Refuse): [name: string, value: string] {
  const [, name, value] = TAG.exec(pair) ?? refuse('missing tag value')
  if (!name) return refuse('missing tag key')
  if (!value) return refuse('missing tag value')
  if (/(?<!\\)=/.test(value)) refuse('invalid tag format')
  return [unescapeKey(name), unescapeKey(value)]
}

function parseFields(text: string, refuse: Refuse) {
  const fields = new Map<string, string>()
  let at = 0
  for (let end = ','; end === ','; at = FIELD.lastIndex) {
    FIELD.lastIndex = at
    const found = FIELD.exec(text) ?? refuse('invalid field format')
    const [, key = '', value = ''] = found
    if (key === '') refuse('missing field key')
    fields.set(showKey(unescapeKey(key)), parseValue(value, refuse))
    end = found[3] ?? ''
  }
  return { fields, rest: text.slice(at) }
}

/** A value as its one canonical literal, so that `t` equals `TRUE` and `1.0` equals `1`. */
function parseValue(text: string, refuse: Refuse): string {
  if (text === '') return refuse('missing field value')
  if (text.startsWith('"')) return parseString(text, refuse)
  if (TRUE.includes(text)) return 'true'
  if (FALSE.includes(text)) return 'false'
  if (!/^[-.\d]/.test(text)) return refuse('invalid boolean')
  const [integer] = INTEGER.exec(text) ?? []
  if (integer !== undefined) return `${BigInt(integer)}i`
  if (!FLOAT.test(text)) return refuse('invalid number')
  const float = Number(text)
  if (!Number.isFinite(float)) return refuse('invalid float')
  return Object.is(float, -0) ? '-0' : String(float)
}

function parseString(text: string, refuse: Refuse): string {
  if (text.length < 2 || !text.endsWith('"')) return refuse('unbalanced quotes')
  return JSON.stringify(text.slice(1, -1).replace(/\\(["\\])/g, '$1'))
}

const unescapeKey = (text: string) => text.replace(/\\([,= "])/g, '$1')
const showKey = (text: string) => oneLine(text.replace(/[\\,= ]/g, '\\$&'))
const oneLine = (text: string) => text.replaceAll('\n', '\\n')
