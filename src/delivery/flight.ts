/** What a durable lane has on its way to its backend. */

import type { Write } from '../influxdb/write.ts'
import type { Buffers } from '../runtime.ts'
import type { Mark, Portion } from './handoff-log.ts'
import type { Entry } from './queued-write.ts'

export interface Flight {
  readonly writes: readonly Write[]
  /** Those of the writes whose deliveries are known, by their place. */
  readonly entries: readonly (Entry | undefined)[]
  /** Whether the writes were read from disk, and so are views of memory that is nobody else's. */
  readonly isReplay: boolean
  /** The last one's record, if they are the first on disk. */
  last: Mark | undefined
  /** Whether the disk had no place for them: later ones may be on it, behind which they must not go. */
  givenUp: boolean
  /**
   * Why the disk has not taken them although they must not be lost. The backend is well and may yet answer
   * them; if it does not, their clients learn of this.
   */
  refusal: string | undefined
}

/** Writes that are only in memory. */
export function flightOf(entries: readonly Entry[]): Flight {
  const writes = entries.map(({ write }) => write)
  const fate = { last: undefined, givenUp: false, refusal: undefined }
  return { writes, entries, isReplay: false, ...fate }
}

/** Writes from disk. */
export function replayOf({ writes, entries, last }: Portion): Flight {
  return { writes, entries, isReplay: true, last, givenUp: false, refusal: undefined }
}

/** Gives back the memory of writes that were stored, if nobody else looks at it. */
export function recycleWrites({ writes, isReplay }: Flight, buffers: Buffers): void {
  if (isReplay) for (const { points } of writes) buffers.give(points.bytes)
}
