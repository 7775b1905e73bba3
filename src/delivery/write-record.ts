/**
 * A write as a record of a lane's log, and back.
 *
 * A record names all of its destination, the credentials too: a lane's writes can be delivered if the lane's
 * file is damaged.
 */

import { type Destination, laneDestination, recordedDestination } from '../influxdb/destination.ts'
import { parameters } from '../influxdb/query-string.ts'
import { scan } from '../influxdb/scan.ts'
import { opaque, type Write } from '../influxdb/write.ts'
import { HEADER_BYTES, type LogRecord } from '../segments/record.ts'
import { withNote, withoutNote } from './failure-note.ts'
import type { QueuedWrite } from './queued-write.ts'

/** The number of each kind of write in a record: its position here. Only ever append to this list. */
const KINDS: readonly Write['kind'][] = ['points', 'statement', 'remote-write']

/**
 * The bit of a record's kind that says that its query is followed by a line with the client's credentials. An
 * earlier version of the relay takes that for a kind it does not know, and delivers nothing.
 */
const WITH_CREDENTIALS = 0x40

/** The bit of a record's kind that says that its body begins with a `FailureNote`. */
const NOTED = 0x80

const FLAGS = WITH_CREDENTIALS | NOTED

/** A record that is about to be appended, and its write. */
export interface WriteRecord extends LogRecord {
  readonly queued: QueuedWrite
  readonly isNoted: boolean
}

/** The records of writes. Those whose clients were told that they failed say so. */
export function recordsOf(writes: readonly QueuedWrite[], acceptedAt: number): WriteRecord[] {
  return writes.map((queued) => {
    const { kind, destination, points } = queued.write
    const { note } = queued.tracker
    const flags =
      (destination.authorization === undefined ? 0 : WITH_CREDENTIALS) | (note ? NOTED : 0)
    return {
      kind: KINDS.indexOf(kind) | flags,
      acceptedAt,
      query: queryOf(destination),
      body: note ? withNote(note, points.bytes) : points.bytes,
      queued,
      isNoted: note !== undefined,
    }
  })
}

function queryOf({ query, authorization }: Destination): string {
  return authorization === undefined ? query : `${query}\n${authorization}`
}

/** Whether this version knows the kind of a record. */
export function isKnown({ kind }: Pick<LogRecord, 'kind'>): boolean {
  return KINDS[kind & ~FLAGS] !== undefined
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
  const kind = KINDS[record.kind & ~FLAGS] ?? 'points'
  return {
    kind,
    destination: recordedDestination(query, authorization),
    points: kind === 'remote-write' ? opaque(bytes) : { bytes, ...scan(bytes) },
    consistency: 'one',
  }
}

export function hasNote({ kind }: Pick<LogRecord, 'kind'>): boolean {
  return (kind & NOTED) !== 0
}

/** The lane that a record belongs to. */
export function recordedLane(record: Pick<LogRecord, 'kind' | 'query'>): Destination {
  const { query, authorization } = partsOf(record)
  const names = parameters(query)
  return laneDestination(names.get('db') ?? '', names.get('rp') ?? '', authorization)
}

function partsOf({ kind, query }: Pick<LogRecord, 'kind' | 'query'>) {
  const end = (kind & WITH_CREDENTIALS) === 0 ? -1 : query.indexOf('\n')
  if (end < 0) return { query, authorization: undefined }
  return { query: query.slice(0, end), authorization: query.slice(end + 1) }
}

/** What records take in a log. */
export function recordBytes(records: readonly LogRecord[]): number {
  let sum = 0
  for (const { query, body } of records) sum += HEADER_BYTES + query.length + body.length
  return sum
}
