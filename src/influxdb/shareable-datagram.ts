/** Bodies that can share a datagram: every InfluxDB 1.x accepts each of their points. */

const WORD = '[A-Za-z0-9_.:/%-]+'
const INTEGER = '-?(?:0|[1-9]\\d{0,14})'
const NUMBER = `${INTEGER}(?:i|\\.\\d{1,15})?`
const TAG = `,(?!time=)${WORD}=${WORD}`
const FIELD = `(?!time=)${WORD}=${NUMBER}`

/** Timestamps, by precision, that are well inside the years 1677 to 2262 that influxd stores. */
const TIMESTAMPS: Readonly<Record<string, string>> = {
  n: '[1-8]\\d{18}|\\d{1,18}',
  u: '[1-8]\\d{15}|\\d{1,15}',
  ms: '[1-8]\\d{12}|\\d{1,12}',
  s: '[1-8]\\d{9}|\\d{1,9}',
  m: '\\d{1,8}',
  h: '\\d{1,6}',
}

/**
 * Makes a test for bodies whose every line is a point that no InfluxDB 1.x rejects. It accepts stamped
 * points of the most common form only.
 *
 * A server's UDP input drops a whole datagram if it cannot parse one line. So a body that fails the
 * test must not share a datagram with others.
 *
 * @param precision the unit of the timestamps; an unknown one means nanoseconds, as in influxd
 */
export function datagramTest(precision: string): (body: Uint8Array) => boolean {
  const timestamp = TIMESTAMPS[precision] ?? TIMESTAMPS.n
  const point = new RegExp(`^${WORD}((?:${TAG})*) ${FIELD}(?:,${FIELD})* (?:${timestamp})$`)
  const isAccepted = (line: string) => {
    const [, tags] = point.exec(line) ?? []
    return tags !== undefined && !hasDuplicateKeys(tags)
  }
  return ({ buffer, byteOffset, length }) => {
    const text = Buffer.from(buffer, byteOffset, length).toString('latin1')
    return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n').every(isAccepted)
  }
}

/** Whether two of some tags, each with a comma before it, have the same key. */
function hasDuplicateKeys(tags: string): boolean {
  const keys = tags.split(',').map((tag) => tag.slice(0, tag.indexOf('=')))
  return new Set(keys).size < keys.length
}
