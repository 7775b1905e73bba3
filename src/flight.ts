/** What a durable lane has on its way to its backend. */

import type { BufferPool } from './buffer-pool.ts'
import type { Entry } from './entry.ts'
import type { Mark, Portion } from './handoff.ts'
import { join } from './line.ts'
import type { Write } from './write.ts'

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

/** The body of the request that carries them. */
export function bodyOf({ writes }: Flight, buffers: BufferPool): Uint8Array {
  const bodies = writes.map(({ points }) => points.bytes)
  return join(bodies, (length) => buffers.take(length))
}

/** Gives back the memory of a body that was stored, and of the writes in it that nobody else looks at. */
export function recycle({ writes, isReplay }: Flight, body: Uint8Array, buffers: BufferPool): void {
  if (body !== writes[0]?.points.bytes) buffers.give(body)
  if (isReplay) for (const { points } of writes) buffers.give(points.bytes)
}
