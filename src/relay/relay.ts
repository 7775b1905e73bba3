/** Gives a write to every backend and decides, from what they say, what the client is told. */

import type { Backend } from '../backend/backend.ts'
import type { Failure } from '../delivery/outcome.ts'
import type { Delivery, Entry, Fate } from '../delivery/queued-write.ts'
import { faultOf } from '../disk/disk.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { backendsNeeded } from '../influxdb/consistency.ts'
import { leftNothing } from '../influxdb/verdict.ts'
import type { Write } from '../influxdb/write.ts'

/** The relay's answer once a backend has stored the write: what influxd says, to the letter. */
export const STORED: Answer = {
  status: 204,
  body: new Uint8Array(0),
  contentType: undefined,
  error: undefined,
  challenge: undefined,
  retryAfter: undefined,
}

/** The seconds after which a client may try again when no backend could take its write. */
const RETRY_AFTER = '1'

export class Relay {
  readonly backends: readonly Backend[]

  constructor(backends: readonly Backend[]) {
    this.backends = backends
  }

  /**
   * Relays a write that its client still owns. Resolves with the first success or rejection, or, when
   * every backend has failed, with the most telling failure.
   */
  accept(write: Write): Promise<Answer> {
    return new Promise((resolve) => {
      new FanOut(write, 'undecided', resolve).start(this.backends)
    })
  }

  /** Relays a write that nobody waits for, and so is the relay's own from here on. */
  own(write: Write): void {
    new FanOut(write, 'kept', () => {}).start(this.backends)
  }

  /** Bytes of line protocol that some backend has yet to take. */
  get undeliveredBytes(): number {
    return this.backends.reduce((sum, backend) => sum + backend.queue.bytes, 0)
  }

  /** Begins to deliver what a process before this one has left on disk. */
  start(): void {
    for (const backend of this.backends) backend.queue.start()
  }

  async close(): Promise<void> {
    for (const backend of this.backends) await backend.close()
  }

  /** Resolves when every backend has everything. */
  async drained(): Promise<void> {
    await Promise.all(this.backends.map((backend) => backend.queue.whenEmpty()))
  }
}

class FanOut implements Delivery {
  readonly write: Write
  fate: Fate
  private readonly answer: (answer: Answer) => void
  private readonly entries: Entry[] = []
  private backends = 0
  /** Backends that gave the write up before anybody was told that it is safe. */
  private readonly losers: [Entry, string][] = []
  private told: 'nothing' | 'stored' | 'failed'
  private worst: Failure | undefined
  /** Whether no backend has yet had to keep the write, or to be sent it again. */
  private isStraight = true

  constructor(write: Write, fate: Fate, answer: (answer: Answer) => void) {
    this.write = write
    this.fate = fate
    this.told = fate === 'kept' ? 'stored' : 'nothing'
    this.answer = answer
  }

  get isOpen(): boolean {
    return this.told === 'nothing'
  }

  start(backends: readonly Backend[]): void {
    this.backends = backends.length
    for (const backend of backends) this.entries.push(backend.queue.append(this))
    if (this.fate === 'kept') this.keep()
    this.decide()
  }

  stored(entry: Entry): void {
    entry.state = 'stored'
    if (this.fate === 'undecided') this.keep()
    this.decide()
    if (this.isStraight && this.countStored() === this.backends)
      this.write.recycle?.(this.write.points.bytes)
  }

  rejected(entry: Entry, answer: Answer): void {
    this.isStraight = false
    entry.state = 'rejected'
    if (this.told === 'stored') attempt(entry.holder.refused(this.write, answer))
    if (this.told !== 'nothing') return
    if (this.fate === 'undecided' && leftNothing(answer)) this.discard()
    else this.keep()
    this.tell(answer)
  }

  delayed(entry: Entry, failure: Failure): void {
    this.isStraight = false
    if (entry.state !== 'pending') return
    entry.state = 'delayed'
    this.failed(failure)
  }

  abandoned(entry: Entry, failure: Failure): void {
    this.isStraight = false
    entry.state = 'abandoned'
    // What was secured before is in the ledger already.
    if (!entry.secured) this.lose(entry, failure.reason)
    this.failed(failure)
  }

  secured(entry: Entry): void {
    this.isStraight = false
    entry.secured = true
    this.decide()
  }

  insecure(entry: Entry, reason: string): void {
    this.isStraight = false
    if (this.told === 'stored') attempt(entry.holder.lost(this.write, reason))
    if (this.told !== 'nothing') return
    this.discard()
    this.tell(notKept(reason))
  }

  private countStored(): number {
    let count = 0
    for (const { state } of this.entries) if (state === 'stored') count++
    return count
  }

  private lose(entry: Entry, reason: string): void {
    if (this.told === 'stored') attempt(entry.holder.lost(this.write, reason))
    else this.losers.push([entry, reason])
  }

  private failed(failure: Failure): void {
    if (this.worst === undefined || rank(failure) > rank(this.worst)) this.worst = failure
    this.decide()
  }

  /** Tells the client what it can be told by now. */
  private decide(): void {
    if (this.told !== 'nothing') return
    if (this.isReached()) {
      if (this.entries.every(isSafe)) this.acknowledge()
    } else if (this.entries.length === this.backends && !this.entries.some(isPending)) {
      // Nobody takes it now. It may still count as stored if a disk does, and that is enough.
      if (this.write.consistency === 'any' && this.entries.some(canBeSecured)) this.keep()
      else this.fail()
    }
  }

  private isReached(): boolean {
    const { consistency } = this.write
    if (this.countStored() >= backendsNeeded(consistency, this.backends)) return true
    return consistency === 'any' && this.entries.some(isOnDisk)
  }

  /** Tells the client that the write is stored, once the ledger says who will never have it. */
  private acknowledge(): void {
    this.told = 'stored'
    if (this.losers.length > 0) void this.acknowledgeLosses()
    else this.answer(STORED)
  }

  private async acknowledgeLosses(): Promise<void> {
    try {
      await Promise.all(this.losers.map(([entry, reason]) => entry.holder.lost(this.write, reason)))
      this.answer(STORED)
    } catch (error) {
      this.tell(notKept(faultOf(error)))
    }
  }

  private fail(): void {
    if (this.fate === 'undecided') this.discard()
    const answer = this.worst?.answer ?? errorAnswer(503, 'unable to write points', RETRY_AFTER)
    this.tell(answer)
  }

  private tell(answer: Answer): void {
    this.told = 'failed'
    this.answer(answer)
  }

  /** Some backend has the write, or a part of it, so all are to have it. */
  private keep(): void {
    this.fate = 'kept'
    for (const entry of this.entries) if (!isSafe(entry)) entry.holder.keep(entry)
  }

  /** The client still owns the write: nobody needs to deliver it any more. */
  private discard(): void {
    this.fate = 'void'
    for (const entry of this.entries) entry.holder.withdraw(entry)
  }
}

/** The disk takes neither the write nor a note that it is lost. */
function notKept(reason: string): Answer {
  return errorAnswer(503, `unable to keep the write: ${reason}`, RETRY_AFTER)
}

/** Takes a note of which nothing depends: if the disk refuses it, the log says so. */
function attempt(note: Promise<void>): void {
  note.catch(() => {})
}

const isPending = ({ state }: Entry) => state === 'pending'

const isOnDisk = ({ state, secured }: Entry) => secured && state !== 'abandoned'

const canBeSecured = ({ state, holder }: Entry) => state === 'delayed' && holder.isDurable

/** Whether nothing can be lost unseen at this backend if the relay dies now. */
function isSafe({ state, secured, holder }: Entry): boolean {
  return secured || !holder.isDurable || (state !== 'pending' && state !== 'delayed')
}

/** The client learns most from what an operator must put right, then from any answer at all. */
function rank(failure: Failure): number {
  if (failure.answer === undefined) return 0
  return failure.verdict === 'unready' ? 2 : 1
}
