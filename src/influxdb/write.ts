/** The write: what one client sent in one request, and where it goes. */

import type { ConsistencyLevel } from './consistency.ts'
import type { Destination } from './destination.ts'
import type { StampedLines } from './stamp.ts'

/** What the body of a write is. A record on disk says it, so that a later version can add kinds. */
export type WriteKind = 'points' | 'statement' | 'remote-write'

/**
 * A request with statements, at least one of which changes something.
 *
 * @param form its parameters, as a server gets them
 */
export function statementWrite(destination: Destination, form: Uint8Array): Write {
  const points = { bytes: form, count: 1, endsCleanly: false }
  return { kind: 'statement', destination, points, consistency: 'one' }
}

/** One accepted body and its destination. */
export interface Write {
  readonly kind: WriteKind
  readonly destination: Destination
  /** Of a statement, the form, which counts as one point. */
  readonly points: StampedLines
  /** How many backends must have the write before the client is answered. No effect afterwards. */
  readonly consistency: ConsistencyLevel
  /** Takes the memory of the points back once nothing will read them again; not always called. */
  readonly recycle?: (bytes: Uint8Array) => void
}
