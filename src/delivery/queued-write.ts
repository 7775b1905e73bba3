/** A write in the delivery queue of one backend. */

import type { Answer } from '../influxdb/answer.ts'
import type { Write } from '../influxdb/write.ts'
import type { Budget } from '../limits/budget.ts'
import type { Losses } from '../losses/losses.ts'
import type { FailureNote } from './failure-note.ts'
import { type Failure, failure } from './outcome.ts'
import type { UnappliedWrites, WriteGroup } from './unapplied.ts'

/**
 * Who owns a write:
 * - `client`: it has no answer yet;
 * - `relay`: a backend has stored the write, at least in part, so all backends must get it;
 * - `none`: its client was told that the write failed, and no backend is known to have a part of it, so no
 *   backend needs to get it.
 */
export type Ownership = 'client' | 'relay' | 'none'

/** What the queues of all backends report of a write. It stands in each as a queued write of its own. */
export interface WriteTracker {
  readonly ownership: Ownership
  /** Whether a client waits for the answer. */
  readonly isOpen: boolean
  /** Defined if the client was told that the write failed. It goes to disk with the write. */
  readonly note: FailureNote | undefined
  /**
   * The backend has stored the write. If that shows that another backend lacks points, resolves once these
   * are recorded, or could not be. Never rejects.
   *
   * @param answer the backend's, to a statement
   */
  stored(write: QueuedWrite, answer?: Answer): Promise<void> | undefined
  /**
   * The backend will never take the write. It may have stored a part of it.
   *
   * Resolves once what it lacks is on disk, and rejects with the error of the disk. The queue keeps a write
   * that is on disk until then.
   */
  rejected(write: QueuedWrite, answer: Answer): Promise<void>
  /** The queue is about to drop the write, once this resolves. Rejects with the error of the disk. */
  recordLoss(write: QueuedWrite, reason: string): Promise<void>
  /** The backend does not take the write now. The queue keeps it. */
  deferred(write: QueuedWrite, failure: Failure): void
  /** The queue has dropped the write: the backend will not get it. */
  dropped(write: QueuedWrite, failure: Failure): void
  /** The write is on disk. */
  spilled(write: QueuedWrite): void
  /** The disk did not take the write, and the queue has dropped it: it must not be acknowledged. */
  spillFailed(write: QueuedWrite, reason: string): void
  /** Nothing at this backend reads the bytes of the write any more. Not called for every write. */
  doneReading(write: QueuedWrite): void
}

/** What a queued write needs of its lane. */
export interface WriteLane {
  /** Whether undelivered writes can be put on disk. */
  readonly isDurable: boolean
  readonly losses: Losses
  /** Counts the writes that the relay owns and that only memory has. */
  readonly unapplied: UnappliedWrites
  /** The relay owns the write from now on. */
  mustDeliver(write: QueuedWrite): void
  /**
   * Removes a write that is not to be delivered any more. Returns false if it is on its way or on disk: its
   * backend may still get it.
   */
  withdraw(write: QueuedWrite): boolean
}

/** About the memory that a queued write takes beside its bytes. */
export const WRITE_OVERHEAD_BYTES = 256

/** How often a destination holds the text that a client has sent for it: in its URL, its query and its key. */
const DESTINATION_COPIES = 3

type WriteState = 'pending' | 'deferred' | 'stored' | 'rejected' | 'dropped'

export class QueuedWrite {
  readonly write: Write
  readonly tracker: WriteTracker
  readonly lane: WriteLane
  /** By the clock's `now`. */
  readonly acceptedAt: number
  /** What the backend last answered. Kept by the tracker. */
  state: WriteState = 'pending'
  /** The answer with which the backend rejected the write. Kept by the tracker. */
  rejection: Answer | undefined
  /** The answer of the backend that has executed the statement. Kept by the tracker. */
  answer: Answer | undefined
  /** How many points the gap ledger has as lacking at this backend alone. Kept by the tracker. */
  divergedPoints = 0
  /** Whether the write is on disk, or its loss in the gap ledger. Kept by the tracker. */
  isRecorded = false
  /** Whether it must be sent alone: the backend rejected a batch with it. */
  isIsolated = false
  /** When the relay came to own it, by the clock's `now`. */
  ownedSince = Number.POSITIVE_INFINITY
  /** Whether the backend may have executed it in an earlier attempt that failed. */
  mayBeApplied = false
  /** Whether a request that failed may still read its bytes. */
  private mayBeRead = false
  private budget: Budget | undefined
  /** Where it is counted as a write that the backend must still apply. */
  private group: WriteGroup | undefined
  /** The list it stands in, and its neighbours there. */
  list: WriteList | undefined
  previous: QueuedWrite | undefined
  next: QueuedWrite | undefined

  constructor(write: Write, tracker: WriteTracker, lane: WriteLane, acceptedAt: number) {
    this.write = write
    this.tracker = tracker
    this.lane = lane
    this.acceptedAt = acceptedAt
  }

  get bytes(): number {
    return this.write.points.bytes.length
  }

  /**
   * What its destination takes beyond the overhead. Writes share short ones; a client may send each write
   * with another long one.
   */
  private get longNameBytes(): number {
    const { batchKey } = this.write.destination
    return Math.max(0, DESTINATION_COPIES * batchKey.length - WRITE_OVERHEAD_BYTES)
  }

  /** Takes room in `budget` in place of the room it has. Returns false, and changes nothing, if full. */
  chargeTo(budget: Budget): boolean {
    if (this.budget === budget) return true
    if (!budget.take(this.bytes, this.longNameBytes)) return false
    this.budget?.give(this.bytes, this.longNameBytes)
    this.budget = budget
    return true
  }

  /** The relay owns the write, and the backend has yet to apply it: readers wait for it until `uncount`. */
  countUnapplied(): void {
    this.group ??= this.lane.unapplied.add(this.bytes, this.acceptedAt)
  }

  /**
   * Gives back its room in memory, and no longer counts it as unapplied: it is applied, dropped, or on disk.
   */
  uncount(): void {
    this.budget?.give(this.bytes, this.longNameBytes)
    this.budget = undefined
    if (this.group) this.lane.unapplied.remove(this.group, this.bytes)
    this.group = undefined
  }

  /** Gives back the memory of its bytes, once the other backends have stored it, too. */
  recycle(): void {
    if (!this.mayBeRead) this.tracker.doneReading(this)
  }

  /** The request with the write has failed: a transport that was aborted may go on reading. */
  requestFailed({ verdict }: Failure): void {
    this.mayBeRead = true
    if (verdict === 'failed') this.mayBeApplied = true
  }

  drop(failure: Failure): void {
    this.uncount()
    this.tracker.dropped(this, failure)
  }

  /** Drops a write that failed and that no backend needs to get. */
  forget(): void {
    this.drop(failure('not needed any more'))
  }
}

/** A doubly linked list: a write can be removed from anywhere, and put back in front, at constant cost. */
export class WriteList {
  head: QueuedWrite | undefined
  private tail: QueuedWrite | undefined

  append(write: QueuedWrite): void {
    write.list = this
    write.previous = this.tail
    if (this.tail) this.tail.next = write
    else this.head = write
    this.tail = write
  }

  prepend(write: QueuedWrite): void {
    write.list = this
    write.next = this.head
    if (this.head) this.head.previous = write
    else this.tail = write
    this.head = write
  }

  /** A write may be removed once it was yielded. */
  *[Symbol.iterator](): Generator<QueuedWrite> {
    let write = this.head
    while (write) {
      const { next }: QueuedWrite = write
      yield write
      write = next
    }
  }

  remove(write: QueuedWrite): void {
    if (write.list !== this) return
    if (write.previous) write.previous.next = write.next
    else this.head = write.next
    if (write.next) write.next.previous = write.previous
    else this.tail = write.previous
    write.list = undefined
    write.previous = undefined
    write.next = undefined
  }
}
