/** Logs when a backend begins to fail, that it still fails, and when it has recovered. */

import type { Failure } from '../delivery/outcome.ts'
import type { Fields, Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Clock } from '../runtime.ts'

/** How many failing lanes are remembered. */
const MAX_LANES = 1000

export class OutageLog {
  private readonly clock: Clock
  private readonly log: Log
  private readonly warning: RepeatedWarning
  /** Lanes whose last attempt failed; true if the backend answered it. */
  private readonly failing = new Map<string, boolean>()
  private since = 0

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
    for (const isAnswered of this.failing.values()) if (!isAnswered) return true
    return false
  }

  failed(lane: string, failure: Failure, fields: Fields): void {
    if (!this.isOngoing) this.since = this.clock.now()
    if (this.failing.size < MAX_LANES) this.failing.set(lane, failure.answer !== undefined)
    this.warning.report({ ...fields, reason: failure.reason })
  }

  /** A success ends the outage of its own lane, and of all lanes that got no answer from the backend. */
  succeeded(lane: string, fields: Fields): void {
    if (!this.isOngoing) return
    this.failing.delete(lane)
    for (const [other, isAnswered] of this.failing) if (!isAnswered) this.failing.delete(other)
    if (this.isOngoing) return
    this.warning.flush()
    const seconds = (this.clock.now() - this.since) / 1000
    this.log.info('backend recovered', { after_seconds: seconds.toFixed(1), ...fields })
  }

  flush(): void {
    this.warning.flush()
  }
}
