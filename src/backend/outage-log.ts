/** Logs when a backend begins to fail, what still fails, and when it has recovered. */

import type { Failure } from '../delivery/outcome.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Clock } from '../runtime.ts'

/** How many failing lanes are remembered. */
const MAX_LANES = 1000

/** How many databases a line names, and at most how much of each name. */
const MAX_NAMES = 10
const MAX_NAME_LENGTH = 64

/** A lane that has not been tried for so long has nothing to deliver: each pause is shorter. */
const FORGET_MS = 10 * 60_000

/** The fields of a line about one attempt. */
interface Attempt {
  readonly db: string
  readonly rp: string | undefined
  readonly undelivered_bytes: number
}

interface FailingLane {
  readonly database: string
  /** Whether the backend answered the last attempt. */
  readonly isAnswered: boolean
  /** When it was, by the clock. */
  readonly at: number
}

export class OutageLog {
  private readonly clock: Clock
  private readonly log: Log
  private readonly warning: RepeatedWarning
  /** Lanes whose last attempt failed. */
  private readonly failing = new Map<string, FailingLane>()
  private since = 0
  private sinceTime = ''

  constructor(clock: Clock, log: Log) {
    this.clock = clock
    this.log = log
    this.warning = new RepeatedWarning(clock, log, 'backend failed')
  }

  /** Whether the last attempt of some lane failed. */
  get isOngoing(): boolean {
    return this.failing.size > 0
  }

  /** Whether the last attempt of some lane got no answer. */
  get isUnreachable(): boolean {
    for (const { isAnswered } of this.failing.values()) if (!isAnswered) return true
    return false
  }

  failed(lane: string, { answer, reason }: Failure, attempt: Attempt): void {
    const now = this.clock.now()
    this.forgetLanes((one) => now - one.at > FORGET_MS)
    if (!this.isOngoing) {
      this.since = now
      this.sinceTime = new Date(Number(this.clock.wallNanoseconds() / 1_000_000n)).toISOString()
    }
    if (this.failing.size < MAX_LANES || this.failing.has(lane)) {
      // Inserted anew, so that the oldest is the first.
      this.failing.delete(lane)
      this.failing.set(lane, { database: attempt.db, isAnswered: answer !== undefined, at: now })
    }
    this.warning.report(() => ({ ...attempt, reason, ...this.summary() }))
  }

  /** A success ends the outage of its own lane, and of all lanes that got no answer from the backend. */
  succeeded(lane: string, attempt: Attempt): void {
    if (!this.isOngoing) return
    this.failing.delete(lane)
    const now = this.clock.now()
    this.forgetLanes(({ isAnswered, at }) => !isAnswered || now - at > FORGET_MS)
    if (this.isOngoing) return
    this.warning.flush()
    const seconds = (this.clock.now() - this.since) / 1000
    this.log.info('backend recovered', { after_seconds: seconds.toFixed(1), ...attempt })
  }

  flush(): void {
    this.warning.flush()
  }

  private forgetLanes(isOver: (lane: FailingLane) => boolean): void {
    for (const [lane, failing] of this.failing) if (isOver(failing)) this.failing.delete(lane)
  }

  /** Since when the backend fails, and the databases for which it does, if there are several. */
  private summary() {
    const databases = new Set(Array.from(this.failing.values(), ({ database }) => database))
    const names = Array.from(databases, (name) => name.slice(0, MAX_NAME_LENGTH))
    const more = names.length - MAX_NAMES
    const named = names.slice(0, MAX_NAMES).join(', ')
    return {
      databases: names.length > 1 ? named + (more > 0 ? ` and ${more} more` : '') : undefined,
      since: this.sinceTime,
    }
  }
}
