/** One write on its way to all backends, and the answer to its client. */

import type { Backend } from '../backend/backend.ts'
import type { Failure } from '../delivery/outcome.ts'
import type { Ownership, QueuedWrite, WriteTracker } from '../delivery/queued-write.ts'
import { faultOf } from '../disk/disk.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { backendsNeeded } from '../influxdb/consistency.ts'
import { leftNothing } from '../influxdb/verdict.ts'
import type { Write } from '../influxdb/write.ts'

/** The answer to a write that is stored: the same as influxd's. */
export const STORED: Answer = {
  status: 204,
  body: new Uint8Array(0),
  contentType: undefined,
  error: undefined,
  challenge: undefined,
  retryAfter: undefined,
}

/** The seconds after which a client may send a write again that no backend has taken. */
const RETRY_AFTER = '1'

export class FanOut implements WriteTracker {
  ownership: Ownership
  private readonly write: Write
  private readonly respond: (answer: Answer) => void
  private readonly queued: QueuedWrite[] = []
  private backendCount = 0
  /** The answer so far. */
  private answered: 'nothing' | 'stored' | 'failed'
  private worst: Failure | undefined
  /** Queues that dropped the write before it was acknowledged, and their reasons. */
  private readonly unrecordedLosses: [QueuedWrite, string][] = []
  /** How many backends have let go of the write's bytes. */
  private releasedCount = 0

  /** @param ownership `client` for a write whose client waits, `relay` for one that needs no answer */
  constructor(write: Write, ownership: 'client' | 'relay', respond: (answer: Answer) => void) {
    this.write = write
    this.ownership = ownership
    this.answered = ownership === 'relay' ? 'stored' : 'nothing'
    this.respond = respond
  }

  get isOpen(): boolean {
    return this.answered === 'nothing'
  }

  start(backends: readonly Backend[]): void {
    this.backendCount = backends.length
    for (const { queue } of backends) this.queued.push(queue.append(this.write, this))
    if (this.ownership === 'relay') this.own()
    this.decide()
  }

  stored(write: QueuedWrite): void {
    write.state = 'stored'
    if (this.ownership === 'client') this.own()
    this.decide()
  }

  rejected(write: QueuedWrite, answer: Answer): void {
    write.state = 'rejected'
    if (this.answered === 'stored') attempt(write.lane.losses.rejected(this.write, answer))
    if (this.answered !== 'nothing') return
    if (this.ownership === 'client' && leftNothing(answer)) this.disown()
    else this.own()
    this.fail(answer)
  }

  deferred(write: QueuedWrite, failure: Failure): void {
    if (write.state !== 'pending') return
    write.state = 'deferred'
    this.failed(failure)
  }

  dropped(write: QueuedWrite, failure: Failure): void {
    write.state = 'dropped'
    if (!write.isRecorded) this.lose(write, failure.reason)
    this.failed(failure)
  }

  spilled(write: QueuedWrite): void {
    write.isRecorded = true
    this.decide()
  }

  spillFailed(write: QueuedWrite, reason: string): void {
    if (this.answered === 'stored') attempt(write.lane.losses.lost(this.write, reason))
    if (this.answered !== 'nothing') return
    this.disown()
    this.fail(cannotKeep(reason))
  }

  /** Gives the bytes back to where they came from once no backend reads them. */
  released(): void {
    if (++this.releasedCount < this.backendCount) return
    this.write.recycle?.(this.write.points.bytes)
  }

  private lose(write: QueuedWrite, reason: string): void {
    if (this.answered === 'stored') attempt(write.lane.losses.lost(this.write, reason))
    else this.unrecordedLosses.push([write, reason])
  }

  private failed(failure: Failure): void {
    if (this.worst === undefined || rank(failure) > rank(this.worst)) this.worst = failure
    this.decide()
  }

  /** Answers the client if its answer is known by now. */
  private decide(): void {
    if (this.answered !== 'nothing') return
    if (this.isStored()) {
      if (this.queued.every(isSafe)) this.acknowledge()
    } else if (this.queued.length === this.backendCount && !this.queued.some(isPending)) {
      // No backend takes the write now. For consistency `any`, a disk is enough.
      if (this.write.consistency === 'any' && this.queued.some(canBeSpilled)) {
        this.own()
        return
      }
      if (this.ownership === 'client') this.disown()
      this.fail(this.worst?.answer ?? errorAnswer(503, 'unable to write points', RETRY_AFTER))
    }
  }

  /** Whether enough backends have the write for its consistency level. */
  private isStored(): boolean {
    const { consistency } = this.write
    let count = 0
    for (const { state } of this.queued) if (state === 'stored') count++
    if (count >= backendsNeeded(consistency, this.backendCount)) return true
    return consistency === 'any' && this.queued.some(isOnDisk)
  }

  /** Tells the client that the write is stored, once the gap ledger has which backends will lack it. */
  private acknowledge(): void {
    this.answered = 'stored'
    if (this.unrecordedLosses.length > 0) void this.acknowledgeWithLosses()
    else this.respond(STORED)
  }

  private async acknowledgeWithLosses(): Promise<void> {
    try {
      await Promise.all(
        this.unrecordedLosses.map(([{ lane }, reason]) => lane.losses.lost(this.write, reason)),
      )
      this.respond(STORED)
    } catch (error) {
      this.fail(cannotKeep(faultOf(error)))
    }
  }

  private fail(answer: Answer): void {
    this.answered = 'failed'
    this.respond(answer)
  }

  /** A backend has the write, or a part of it: all others must get it. */
  private own(): void {
    this.ownership = 'relay'
    for (const write of this.queued) {
      // A write on disk is found in the log of its lane.
      if (isUndelivered(write) && !write.isRecorded) write.owe()
      if (!isSafe(write)) write.lane.mustDeliver(write)
    }
  }

  /** The client still owns the write: no backend needs to get it. */
  private disown(): void {
    this.ownership = 'none'
    for (const write of this.queued) write.lane.withdraw(write)
  }
}

/** The disk takes neither the write nor the record of its loss. */
function cannotKeep(reason: string): Answer {
  return errorAnswer(503, `unable to keep the write: ${reason}`, RETRY_AFTER)
}

/** Records a loss that nothing waits for. If the disk fails, `Losses` logs that. */
function attempt(recording: Promise<void>): void {
  recording.catch(() => {})
}

const isPending = ({ state }: QueuedWrite) => state === 'pending'

const isOnDisk = ({ state, isRecorded }: QueuedWrite) => isRecorded && state !== 'dropped'

const canBeSpilled = ({ state, lane }: QueuedWrite) => state === 'deferred' && lane.isDurable

/** Whether no loss can go unrecorded at this backend if the relay is killed now. */
function isSafe({ state, isRecorded, lane }: QueuedWrite): boolean {
  return isRecorded || !lane.isDurable || !isUndelivered({ state })
}

const isUndelivered = ({ state }: Pick<QueuedWrite, 'state'>) =>
  state === 'pending' || state === 'deferred'

/** Clients should see first what an operator must put right, then any answer of a backend. */
function rank(failure: Failure): number {
  if (failure.answer === undefined) return 0
  return failure.verdict === 'unready' ? 2 : 1
}
