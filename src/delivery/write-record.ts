/**
 * A write as a record of a lane's log, and back.
 *
 * A record names all of its destination, the credentials too: a lane's writes can be delivered if the lane's
 * file is damaged.
 */

import {
  type Destination,
  laneDestination,
  recordedDestination,
  recordedStatement,
} from '../influxdb/destination.ts'
import { parameters } from '../influxdb/query-string.ts'
import { scan } from '../influxdb/scan.ts'
import { opaque, statementWrite, type Write } from '../influxdb/write.ts'
import { HEADER_BYTES, type LogRecord } from '../segments/record.ts'
import { withNote, withoutNote } from './failure-note.ts'
import type { LaneIdentity } from './lane-file.ts'
import type { QueuedWrite } from './queued-write.ts'

/** The number of each kind of write in a record: its position here. Only ever append to this list. */
const KINDS: readonly Write['kind'][] = ['points', 'statement', 'remote-write']

/**
 * The bit of a record's kind that says that its query is followed by a line with the client's credentials. An
 * earlier version of the relay takes that for a kind it does not know, and delivers nothing.
 */
const WITH_CREDENTIALS = 0x40

/**
 * The bit of a record's kind that says that its query is followed by a line with the order number of its lane,
 * before that with credentials. An earlier version of the relay delivers nothing of such a lane.
 */
const ORDERED = 0x20

/** The bit of a record's kind that says that its body begins with a `FailureNote`. */
const NOTED = 0x80

const FLAGS = ORDERED | WITH_CREDENTIALS | NOTED

/** A record that is about to be appended, and its write. */
export interface WriteRecord extends LogRecord {
  readonly queued: QueuedWrite
  readonly isNoted: boolean
}

/**
 * The records of writes. Those whose clients were told that they failed say so.
 *
 * @param order the order number of their lane
 */
export function recordsOf(
  writes: readonly QueuedWrite[],
  acceptedAt: number,
  order: number,
): WriteRecord[] {
  return writes.map((queued) => {
    const { kind, destination, points } = queued.write
    const { note } = queued.tracker
    const flags =
      (destination.authorization === undefined ? 0 : WITH_CREDENTIALS) |
      (order === 0 ? 0 : ORDERED) |
      (note ? NOTED : 0)
    return {
      kind: KINDS.indexOf(kind) | flags,
      acceptedAt,
      query: queryOf(destination, order),
      body: note ? withNote(note, points.bytes) : points.bytes,
      queued,
      isNoted: note !== undefined,
    }
  })
}

function queryOf({ query, authorization }: Destination, order: number): string {
  const lines = [query]
  if (order !== 0) lines.push(String(order))
  if (authorization !== undefined) lines.push(authorization)
  return lines.join('\n')
}

/** Undefined if this version does not know the kind of a record. */
export function kindOf({ kind }: Pick<LogRecord, 'kind'>): Write['kind'] | undefined {
  return KINDS[kind & ~FLAGS]
}

/**
 * The write that a record holds. A record of an unknown kind counts as line protocol: it is never delivered,
 * and only its loss can be recorded.
 *
 * @param lane gives the credentials of records of earlier versions, which lack them
 */
export function recordedWrite(
  record: Pick<LogRecord, 'kind' | 'query' | 'body'>,
  lane: Destination,
): Write {
  const { query, authorization = lane.authorization } = partsOf(record)
  const bytes = hasNote(record) ? withoutNote(record.body) : record.body
  const kind = kindOf(record) ?? 'points'
  if (kind === 'statement') {
    return statementWrite(recordedStatement(query, authorization), bytes)
  }
  const destination = recordedDestination(query, authorization)
  const points = kind === 'remote-write' ? opaque(bytes) : { bytes, ...scan(bytes) }
  return { kind, destination, points, consistency: 'one' }
}

export function hasNote({ kind }: Pick<LogRecord, 'kind'>): boolean {
  return (kind & NOTED) !== 0
}

/** The lane that a record belongs to. */
export function recordedLane(record: Pick<LogRecord, 'kind' | 'query'>): LaneIdentity {
  const { query, order, authorization } = partsOf(record)
  const names = parameters(query)
  const destination =
    kindOf(record) === 'statement'
      ? recordedStatement(query, authorization)
      : laneDestination(names.get('db') ?? '', names.get('rp') ?? '', authorization)
  return { destination, order }
}

function partsOf({ kind, query }: Pick<LogRecord, 'kind' | 'query'>) {
  const lines = query.split('\n')
  return {
    query: lines.shift() ?? '',
    order: (kind & ORDERED) === 0 ? 0 : Number(lines.shift()),
    authorization: (kind & WITH_CREDENTIALS) === 0 ? undefined : lines.shift(),
  }
}

/** What records take in a log. */
export function recordBytes(records: readonly LogRecord[]): number {
  let sum = 0
  for (const { query, body } of records) sum += HEADER_BYTES + query.length + body.length
  return sum
}
