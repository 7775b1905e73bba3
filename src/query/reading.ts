/** What a server lacks by this relay's own word, of all writes that were acknowledged before a query came. */

import type { Backend } from '../backend/backend.ts'
import type { LaneMark } from '../delivery/lane.ts'
import type { Databases } from '../losses/shortage.ts'
import { type Behind, NOTHING, type Reading } from '../peers/reading.ts'
import type { Clock } from '../runtime.ts'

/** About what a point is in line protocol, to compare points that are lost with bytes that wait. */
const POINT_BYTES = 64
/** The same for a write whose points could not be counted. */
const WRITE_POINTS = 1000

export class OwnReading implements Reading {
  private readonly backends: readonly Backend[]
  private readonly databases: Databases
  private readonly clock: Clock
  private marks: readonly LaneMark[]

  /** @param backends all outputs of this process that write to the server */
  constructor(backends: readonly Backend[], databases: Databases, clock: Clock) {
    this.backends = backends
    this.databases = databases
    this.clock = clock
    this.marks = backends.flatMap(({ queue }) => queue.marks(databases))
  }

  /** Whether the server has applied everything. */
  get isComplete(): boolean {
    return !this.hasGap && this.isApplied
  }

  /** Whether the server lacks something for good, so that there is nothing to wait for. */
  get hasGap(): boolean {
    return this.backends.some((backend) => backend.shortage(this.databases) !== undefined)
  }

  private get isApplied(): boolean {
    this.marks = this.marks.filter((mark) => !mark.isReached)
    return this.marks.length === 0
  }

  get behind(): Behind {
    const epochMs = Number(this.clock.wallNanoseconds() / 1_000_000n) - this.clock.now()
    let bytes = 0
    let points = 0
    let since = Number.POSITIVE_INFINITY
    for (const mark of this.marks) {
      if (mark.isReached) continue
      bytes += mark.bytes
      since = Math.min(since, mark.since(epochMs))
    }
    // Outputs of one name share their entries in the gap ledger.
    for (const backend of new Map(this.backends.map((one) => [one.name, one])).values()) {
      const shortage = backend.shortage(this.databases)
      if (!shortage) continue
      points += shortage.points + shortage.writes * WRITE_POINTS
      since = Math.min(since, shortage.since)
    }
    return { ...NOTHING, bytes, points, since }
  }

  /** Calls back each time that the server may have applied more. */
  onChange(callback: () => void): () => void {
    const stops = this.backends.map(({ queue }) => queue.onApplied(callback))
    return () => {
      for (const stop of stops) stop()
    }
  }
}

/** An amount that is not known counts as more than any that is. */
const UNKNOWN_BYTES = 2 ** 50

/** A number that is greater the more a server lacks. */
export function weightOf({ bytes, points, unheard }: Behind): number {
  return bytes + points * POINT_BYTES + unheard.length * UNKNOWN_BYTES
}

/** The value of `X-Relay-Behind`: what the server lacks, and since when. */
export function describeBehind(output: string, { bytes, points, since, unheard }: Behind): string {
  const name = encodeURIComponent(output)
  const known = `output=${name}; bytes=${bytes}; points=${points}; since=${timeOf(since)}`
  return unheard.length === 0 ? known : `${known}; unheard=${unheard.join(',')}`
}

/** RFC 3339, in milliseconds. */
export function timeOf(sinceEpoch: number): string {
  return Number.isFinite(sinceEpoch) ? new Date(Math.floor(sinceEpoch)).toISOString() : 'unknown'
}
