/** What InfluxDB 2.x takes and answers at `/api/v2/write`, in the terms of InfluxDB 1.x. */

import { type Answer, errorAnswer } from './answer.ts'
import type { Destination } from './destination.ts'
import { scaleTimestamps } from './scale-timestamps.ts'

export interface V2Options {
  readonly org: string
  /** Buckets by `database/retention-policy`, or by `database` for writes to the default policy. */
  readonly buckets: ReadonlyMap<string, string>
}

/** The name that InfluxDB 1.x gives to a database's first policy, and `influxd upgrade` to its bucket. */
const DEFAULT_POLICY = 'autogen'

/** The precisions of 1.x that 2.x has, too. As in 1.x, any other but `m` and `h` means nanoseconds. */
const PRECISIONS = new Map([
  ['u', 'us'],
  ['ms', 'ms'],
  ['s', 's'],
])

/** How many seconds a unit has that 2.x lacks. */
const SECONDS = new Map([
  ['m', 60n],
  ['h', 3600n],
])

/** The query string of a write. */
export function v2Query(
  { org, buckets }: V2Options,
  { database, retentionPolicy, precision }: Destination,
): string {
  const known = retentionPolicy === '' ? database : `${database}/${retentionPolicy}`
  const bucket = buckets.get(known) ?? `${database}/${retentionPolicy || DEFAULT_POLICY}`
  const unit = SECONDS.has(precision) ? 's' : (PRECISIONS.get(precision) ?? 'ns')
  return `org=${encodeURIComponent(org)}&bucket=${encodeURIComponent(bucket)}&precision=${unit}`
}

/** The body of a write: line protocol whose timestamps have a unit that 2.x knows. */
export function v2Body(body: Uint8Array, { precision }: Destination): Uint8Array {
  const seconds = SECONDS.get(precision)
  return seconds === undefined ? body : scaleTimestamps(body, seconds)
}

/**
 * An error of 2.x, `{"code":"…","message":"…"}`, in the form of 1.x.
 *
 * @param authorization the header that was sent: a server that quotes it must not bring it to a log
 */
export function asV1Answer(answer: Answer, authorization: string | undefined): Answer {
  if (answer.status < 300) return answer
  const text = new TextDecoder().decode(answer.body)
  const token = authorization?.replace(/^Token /, '')
  const message = messageIn(text) ?? text
  const { body, error, contentType } = errorAnswer(
    answer.status,
    token ? message.replaceAll(token, '***') : message,
  )
  return { ...answer, body, error, contentType }
}

function messageIn(json: string): string | undefined {
  try {
    const { message } = Object(JSON.parse(json))
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}
