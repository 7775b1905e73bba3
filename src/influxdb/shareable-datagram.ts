/** Points that no InfluxDB 1.x can find fault with. */

const WORD = '[A-Za-z0-9_.:/%-]+'
const INTEGER = '-?(?:0|[1-9]\\d{0,14})'
const NUMBER = `${INTEGER}(?:i|\\.\\d{1,15})?`
const TAG = `,(?!time=)${WORD}=${WORD}`
const FIELD = `(?!time=)${WORD}=${NUMBER}`

/** Timestamps of a precision that lie well between 1677 and 2262, as influxd demands. */
const TIMESTAMPS: Readonly<Record<string, string>> = {
  n: '[1-8]\\d{18}|\\d{1,18}',
  u: '[1-8]\\d{15}|\\d{1,15}',
  ms: '[1-8]\\d{12}|\\d{1,12}',
  s: '[1-8]\\d{9}|\\d{1,9}',
  m: '\\d{1,8}',
  h: '\\d{1,6}',
}

/**
 * Makes a test for bodies of which every InfluxDB 1.x takes every line: stamped points of the most usual
 * kind. A body that fails it may be just as good.
 *
 * A server's UDP input drops a datagram whole if it cannot read one line of it, so only such bodies can
 * share one.
 *
 * @param precision what the timestamps count; anything unknown stands for nanoseconds, as in influxd
 */
export function datagramTest(precision: string): (body: Uint8Array) => boolean {
  const timestamp = TIMESTAMPS[precision] ?? TIMESTAMPS.n
  const point = new RegExp(`^${WORD}((?:${TAG})*) ${FIELD}(?:,${FIELD})* (?:${timestamp})$`)
  const isSound = (line: string) => {
    const [, tags] = point.exec(line) ?? []
    return tags !== undefined && !hasTwins(tags)
  }
  return ({ buffer, byteOffset, length }) => {
    const text = Buffer.from(buffer, byteOffset, length).toString('latin1')
    return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n').every(isSound)
  }
}

/** Whether two tags, each with a comma before it, have one key. */
function hasTwins(tags: string): boolean {
  const keys = tags.split(',').map((tag) => tag.slice(0, tag.indexOf('=')))
  return new Set(keys).size < keys.length
}
