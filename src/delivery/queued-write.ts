/** One write on its way to one backend, and the ordered list in which such entries wait. */

import type { Answer } from '../influxdb/answer.ts'
import type { Write } from '../influxdb/write.ts'
import type { Budget } from '../limits/budget.ts'
import type { Failure } from './outcome.ts'

/**
 * Whether a write must still be delivered:
 * - `undecided`: nobody has been told anything yet;
 * - `kept`: some backend has it, so every backend must get it;
 * - `void`: the client was told that it failed, and still owns it.
 */
export type Fate = 'undecided' | 'kept' | 'void'

/** One write on its way to all backends. Each backend tells it what came of its own entry. */
export interface Delivery {
  readonly write: Write
  readonly fate: Fate
  /** Whether its client, if it has one, is still waiting for an answer. */
  readonly isOpen: boolean
  stored(entry: Entry): void
  rejected(entry: Entry, answer: Answer): void
  /** Not yet, but the backend goes on trying. */
  delayed(entry: Entry, failure: Failure): void
  /** The backend has given the write up. */
  abandoned(entry: Entry, failure: Failure): void
  /** The write is on disk, or the ledger says that the backend lacks it: nothing can be lost unseen. */
  secured(entry: Entry): void
  /** The write could not be put on disk, and is given up here: nobody may be told that it is safe. */
  insecure(entry: Entry, reason: string): void
}

/** Who holds an entry: the queue of a backend. */
export interface Holder {
  /** Whether an entry that is not answered can be put on disk. */
  readonly isDurable: boolean
  /** Some backend has the write. What is not delivered soon is to be put on disk. */
  keep(entry: Entry): void
  /** Lets go of an entry whose client was told that the write failed. */
  withdraw(entry: Entry): void
  /**
   * Takes note, durably, that the backend will never get a write that was acknowledged.
   *
   * @throws an error of the disk: the note may be lost
   */
  lost(write: Write, reason: string): Promise<void>
  /**
   * Takes note, durably, that the backend rejected a write, or a part of it, that was acknowledged.
   *
   * @throws an error of the disk: the note may be lost
   */
  refused(write: Write, answer: Answer): Promise<void>
}

/** About the memory that a waiting write takes beside its bytes. */
export const ENTRY_OVERHEAD_BYTES = 256

export type EntryState = 'pending' | 'delayed' | 'stored' | 'rejected' | 'abandoned'

export class Entry {
  readonly delivery: Delivery
  readonly holder: Holder
  /** By the clock's `now`. */
  readonly acceptedAt: number
  /** Travels alone: a batch with it in it was rejected. */
  alone = false
  /** Since when some other backend has it and this one does not, by the clock's `now`. */
  keptAt = Number.POSITIVE_INFINITY
  /** What the backend has last said of it. */
  state: EntryState = 'pending'
  /** Whether it is on disk, or in the ledger. */
  secured = false
  /** The list it stands in, and its neighbours there. */
  list: EntryList | undefined
  previous: Entry | undefined
  next: Entry | undefined
  private budget: Budget | undefined

  constructor(delivery: Delivery, holder: Holder, acceptedAt: number) {
    this.delivery = delivery
    this.holder = holder
    this.acceptedAt = acceptedAt
  }

  get write(): Write {
    return this.delivery.write
  }

  /** Whether some backend has the write, so that this one must get it too. */
  get isKept(): boolean {
    return this.delivery.fate === 'kept'
  }

  /** Whether nobody wants the write delivered any more. */
  get isVoid(): boolean {
    return this.delivery.fate === 'void'
  }

  get bytes(): number {
    return this.write.points.bytes.length
  }

  /** Counts the entry against `budget` and no other. False, and nothing changes, if it is full. */
  chargeTo(budget: Budget): boolean {
    if (this.budget === budget) return true
    if (!budget.take(this.bytes)) return false
    this.release()
    this.budget = budget
    return true
  }

  release(): void {
    this.budget?.give(this.bytes)
    this.budget = undefined
  }
}

/** A doubly linked list: an entry can leave from anywhere, and come back to the front, at no cost. */
export class EntryList {
  head: Entry | undefined
  private tail: Entry | undefined

  append(entry: Entry): void {
    entry.list = this
    entry.previous = this.tail
    if (this.tail) this.tail.next = entry
    else this.head = entry
    this.tail = entry
  }

  prepend(entry: Entry): void {
    entry.list = this
    entry.next = this.head
    if (this.head) this.head.previous = entry
    else this.tail = entry
    this.head = entry
  }

  /** An entry may be removed once it has been given out. */
  *[Symbol.iterator](): Generator<Entry> {
    let entry = this.head
    while (entry) {
      const { next }: Entry = entry
      yield entry
      entry = next
    }
  }

  remove(entry: Entry): void {
    if (entry.list !== this) return
    if (entry.previous) entry.previous.next = entry.next
    else this.head = entry.next
    if (entry.next) entry.next.previous = entry.previous
    else this.tail = entry.previous
    entry.list = undefined
    entry.previous = undefined
    entry.next = undefined
  }
}
