/** What a server lacks, of all writes that were acknowledged before a query came. */

import type { Backend } from '../backend/backend.ts'
import type { LaneMark } from '../delivery/lane.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Clock } from '../runtime.ts'

export interface Behind {
  /** Bytes of line protocol that the server has yet to take. */
  readonly bytes: number
  /** Points that it will not get, as far as they could be counted: see the gap ledger. */
  readonly points: number
  /** Since when, ms since the Unix epoch. */
  readonly since: number
}

/** About what a point is in line protocol, to compare points that are lost with bytes that wait. */
const POINT_BYTES = 64
/** The same for a write whose points could not be counted. */
const WRITE_POINTS = 1000

export class Reading {
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
    return { bytes, points, since }
  }
}

/** A number that is greater the more a server lacks. */
export function weightOf({ bytes, points }: Behind): number {
  return bytes + points * POINT_BYTES
}

/** The value of `X-Relay-Behind`: what the server lacks, and since when. */
export function describeBehind(output: string, { bytes, points, since }: Behind): string {
  const name = encodeURIComponent(output)
  return `output=${name}; bytes=${bytes}; points=${points}; since=${timeOf(since)}`
}

/** RFC 3339, in milliseconds. */
export function timeOf(sinceEpoch: number): string {
  return Number.isFinite(sinceEpoch) ? new Date(Math.floor(sinceEpoch)).toISOString() : 'unknown'
}
