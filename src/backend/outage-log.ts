/** Tells the log when a backend begins to fail, that it still does, and when it is well again. */

import type { Failure } from '../delivery/outcome.ts'
import type { Fields, Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Clock } from '../runtime.ts'

/** More ailing lanes than this are not told apart. */
const MAX_LANES = 1000

export class OutageLog {
  private readonly clock: Clock
  private readonly log: Log
  private readonly warning: RepeatedWarning
  /** Lanes whose last attempt failed; true if the backend at least answered it. */
  private readonly ailing = new Map<string, boolean>()
  private since = 0

  constructor(clock: Clock, log: Log) {
    this.clock = clock
    this.log = log
    this.warning = new RepeatedWarning(clock, log, 'backend failed')
  }

  failed(lane: string, failure: Failure, fields: Fields): void {
    if (this.ailing.size === 0) this.since = this.clock.now()
    if (this.ailing.size < MAX_LANES) this.ailing.set(lane, failure.answer !== undefined)
    this.warning.report({ ...fields, reason: failure.reason })
  }

  /** Any success shows that the backend can be reached; only a lane's own shows more. */
  succeeded(lane: string, fields: Fields): void {
    if (this.ailing.size === 0) return
    this.ailing.delete(lane)
    for (const [other, answered] of this.ailing) if (!answered) this.ailing.delete(other)
    if (this.ailing.size > 0) return
    this.warning.flush()
    const seconds = (this.clock.now() - this.since) / 1000
    this.log.info('backend recovered', { after_seconds: seconds.toFixed(1), ...fields })
  }

  flush(): void {
    this.warning.flush()
  }
}
