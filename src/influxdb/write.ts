/** The write: what one client sent in one request, and where it goes. */

import type { ConsistencyLevel } from './consistency.ts'
import type { Destination } from './destination.ts'
import type { StampedLines } from './stamp.ts'

/** What the body of a write is. A record on disk says it, so that a later version can add kinds. */
export type WriteKind = 'points' | 'statement' | 'remote-write'

/**
 * A body that is no line protocol. It counts as one point, and no other body can follow it in a batch. The loss of
 * one is counted in writes.
 */
export function opaque(bytes: Uint8Array): StampedLines {
  return { bytes, count: 1, endsCleanly: false }
}

/**
 * A request with one statement or more that change something, and perhaps others.
 *
 * @param form its parameters, as a server gets them
 */
export function statementWrite(destination: Destination, form: Uint8Array): Write {
  return { kind: 'statement', destination, points: opaque(form), consistency: 'one' }
}

/** One accepted body and its destination. */
export interface Write {
  readonly kind: WriteKind
  readonly destination: Destination
  /** What was sent; `opaque` unless it is line protocol. */
  readonly points: StampedLines
  /** How many backends must have the write before the client is answered. No effect afterwards. */
  readonly consistency: ConsistencyLevel
  /** Takes the memory of the points back once nothing will read them again; not always called. */
  readonly recycle?: (bytes: Uint8Array) => void
}

/** How many points a write has at most. The points of a remote write cannot be counted. */
export function maxPoints({ kind, points }: Pick<Write, 'kind' | 'points'>): number {
  return kind === 'remote-write' ? Number.MAX_SAFE_INTEGER : points.count
}
