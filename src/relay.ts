/** Gives a write to every backend and decides, from what they say, what the client is told. */

import { type Answer, errorAnswer, leftNothing, messageOf } from './answer.ts'
import type { Backend } from './backend.ts'
import type { Delivery, Entry, Fate } from './entry.ts'
import type { Failure } from './outcome.ts'
import type { Write } from './write.ts'

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
  /** Backends that gave the write up before its fate was decided. */
  private readonly losers: [Entry, Failure][] = []
  /** Whether anybody was told that the write is safe. */
  private acknowledged: boolean
  /** Backends that may yet take the write before its client has to be told that it failed. */
  private open = 0
  private worst: Failure | undefined

  constructor(write: Write, fate: Fate, answer: (answer: Answer) => void) {
    this.write = write
    this.fate = fate
    this.acknowledged = fate === 'kept'
    this.answer = answer
  }

  start(backends: readonly Backend[]): void {
    this.open = backends.length
    for (const backend of backends) this.entries.push(backend.queue.append(this))
  }

  stored(): void {
    if (this.fate === 'undecided') {
      this.acknowledged = true
      this.keep()
      this.answer(STORED)
    }
  }

  rejected(entry: Entry, answer: Answer): void {
    if (this.fate === 'undecided') {
      if (leftNothing(answer)) this.discard()
      else this.keep()
      this.answer(answer)
    } else if (this.acknowledged) {
      entry.holder.refused(this.write, messageOf(answer))
    }
  }

  delayed(failure: Failure): void {
    this.failed(failure)
  }

  abandoned(entry: Entry, failure: Failure): void {
    if (this.fate === 'undecided') this.losers.push([entry, failure])
    else if (this.fate === 'kept') entry.holder.lost(this.write, failure.reason)
    if (!entry.reported) this.failed(failure)
  }

  private failed(failure: Failure): void {
    if (this.worst === undefined || rank(failure) > rank(this.worst)) this.worst = failure
    this.open--
    if (this.open > 0 || this.fate !== 'undecided') return
    this.discard()
    this.answer(this.worst.answer ?? errorAnswer(503, 'unable to write points', RETRY_AFTER))
  }

  /** Some backend has the write, or a part of it, so all must get it; those that gave it up lack it. */
  private keep(): void {
    this.fate = 'kept'
    for (const [entry, failure] of this.losers) entry.holder.lost(this.write, failure.reason)
  }

  /** The client still owns the write: nobody needs to deliver it any more. */
  private discard(): void {
    this.fate = 'void'
    for (const entry of this.entries) entry.holder.withdraw(entry)
  }
}

/** The client learns most from what an operator must put right, then from any answer at all. */
function rank(failure: Failure): number {
  if (failure.answer === undefined) return 0
  return failure.verdict === 'unready' ? 2 : 1
}
