/** One write on its way to one backend, and the ordered list in which such entries wait. */

import type { Answer } from './answer.ts'
import type { Budget } from './budget.ts'
import type { Failure } from './outcome.ts'
import type { Write } from './write.ts'

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
  stored(): void
  rejected(entry: Entry, answer: Answer): void
  /** Not yet, but the backend goes on trying. */
  delayed(failure: Failure): void
  /** The backend has given the write up. */
  abandoned(entry: Entry, failure: Failure): void
}

/** Who holds an entry: the queue of a backend. */
export interface Holder {
  /** Lets go of an entry whose client was told that the write failed. */
  withdraw(entry: Entry): void
  /** Takes note that the backend will never get a write that was acknowledged. */
  lost(write: Write, reason: string): void
  /** Takes note that the backend does not want a write, or a part of it, that was acknowledged. */
  refused(write: Write, message: string): void
}

/** About the memory that a waiting write takes beside its bytes. */
export const ENTRY_OVERHEAD_BYTES = 256

export class Entry {
  readonly delivery: Delivery
  readonly holder: Holder
  /** By the clock's `now`. */
  readonly acceptedAt: number
  /** Travels alone: a batch with it in it was rejected. */
  alone = false
  /** Whether the delivery knows that this backend does not take it now. */
  reported = false
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
