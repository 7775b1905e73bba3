/**
 * A write as a record of a lane's log, and back.
 *
 * A record names all of its destination, the credentials too: a lane's writes can be delivered if the lane's
 * file is damaged.
 */

import { type Destination, laneDestination, recordedDestination } from '../influxdb/destination.ts'
import { parameters } from '../influxdb/query-string.ts'
import { scan } from '../influxdb/scan.ts'
import type { Write } from '../influxdb/write.ts'
import { HEADER_BYTES, type LogRecord } from '../segments/record.ts'
import type { QueuedWrite } from './queued-write.ts'

/** The number of each kind of write in a record: its position here. Only ever append to this list. */
const KINDS: readonly Write['kind'][] = ['points', 'statement', 'remote-write']

/**
 * Added to the kind of a record whose query is followed by a line with the client's credentials. An earlier
 * version of the relay takes that for a kind it does not know, and delivers nothing.
 */
const WITH_CREDENTIALS = 64

export function recordOf({ kind, destination, points }: Write, acceptedAt: number): LogRecord {
  const { authorization } = destination
  return {
    kind: KINDS.indexOf(kind) + (authorization === undefined ? 0 : WITH_CREDENTIALS),
    acceptedAt,
    query: queryOf(destination),
    body: points.bytes,
  }
}

function queryOf({ query, authorization }: Destination): string {
  return authorization === undefined ? query : `${query}\n${authorization}`
}

/** Whether this version knows the kind of a record. */
export function isKnown({ kind }: Pick<LogRecord, 'kind'>): boolean {
  return KINDS[kind & ~WITH_CREDENTIALS] !== undefined
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
  return {
    kind: KINDS[record.kind & ~WITH_CREDENTIALS] ?? 'points',
    destination: recordedDestination(query, authorization),
    points: { bytes: record.body, ...scan(record.body) },
    consistency: 'one',
  }
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

/** What writes take in a log. */
export function recordBytes(writes: readonly QueuedWrite[]): number {
  let sum = 0
  for (const { bytes, write } of writes) {
    sum += HEADER_BYTES + queryOf(write.destination).length + bytes
  }
  return sum
}
