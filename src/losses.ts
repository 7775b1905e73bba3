/** What a backend lacks although it was acknowledged: in the log, in the gap ledger, as dead letters. */

import { type Answer, messageOf } from './answer.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Ledger } from './ledger.ts'
import type { Log } from './log.ts'
import { RepeatedWarning } from './repeated-warning.ts'
import type { Clock } from './runtime.ts'
import { timeRangeOf } from './time-range.ts'
import type { Write } from './write.ts'

/** The relay's records on disk; all backends share them. */
export interface Books {
  readonly ledger: Ledger
  readonly deadLetters: DeadLetters
}

/** The wait before entries that could not be written are tried again. */
const RETRY_MS = 1000

export class Losses {
  private readonly backend: string
  private readonly clock: Clock
  private readonly books: Books | undefined
  private readonly lacks: RepeatedWarning
  private readonly refusals: RepeatedWarning
  private readonly faults: RepeatedWarning
  /** Whether the ledger may hold entries that are not on disk. */
  private isBehind = false

  /** @param books undefined where there is no disk: then the log is all that tells */
  constructor(backend: string, clock: Clock, log: Log, books: Books | undefined) {
    this.backend = backend
    this.clock = clock
    this.books = books
    this.lacks = new RepeatedWarning(clock, log, 'backend lacks acknowledged points')
    this.refusals = new RepeatedWarning(clock, log, 'backend rejected acknowledged points')
    this.faults = new RepeatedWarning(clock, log, 'records of losses could not be written')
  }

  /**
   * The backend will never get the write. Resolves once that is on record.
   *
   * @throws the disk's error if it is not, or not for sure: nobody may rely on it yet
   */
  async lost(write: Write, reason: string): Promise<void> {
    this.lacks.report(describe(write, reason), figures(write))
    await this.noted(this.enter(write, reason))
  }

  /**
   * The backend does not want the write, or a part of it. Resolves once that is on record.
   *
   * @throws as `lost` does
   */
  async refused(write: Write, answer: Answer): Promise<void> {
    const message = messageOf(answer)
    this.refusals.report(describe(write, message), figures(write))
    const { database, retentionPolicy, precision } = write.destination
    const letter = {
      ...{ backend: this.backend, database, retentionPolicy, precision },
      ...{ status: answer.status, message, points: write.points, at: this.now() },
    }
    const notes = [this.enter(write, 'rejected'), this.books?.deadLetters.add(letter)]
    await Promise.all(notes.map((note) => this.noted(note)))
  }

  /**
   * Resolves if all that was entered is on disk. Who can wait asks before he gives something up, lest it
   * be entered each time that he tries while the disk refuses.
   *
   * @throws the disk's error
   */
  async settled(): Promise<void> {
    if (this.isBehind) await this.noted(this.books?.ledger.flush())
  }

  flush(): void {
    for (const warning of [this.lacks, this.refusals, this.faults]) warning.flush()
  }

  private async enter({ destination, points }: Write, reason: string): Promise<void> {
    if (!this.books) return
    const { ledger } = this.books
    const { database, retentionPolicy, precision } = destination
    const { first, last } = timeRangeOf(points.bytes, precision) ?? {}
    const gap = {
      ...{ backend: this.backend, database, retentionPolicy, first, last },
      ...{ points: points.count, reason, at: this.now() },
    }
    await ledger.add(gap).catch((error) => {
      this.retryLater(ledger)
      throw error
    })
  }

  /** What the disk has refused is to be there before the relay stops. */
  private retryLater(ledger: Ledger): void {
    if (this.isBehind) return
    this.isBehind = true
    this.clock.after(RETRY_MS, () => {
      this.isBehind = false
      ledger.flush().catch(() => this.retryLater(ledger))
    })
  }

  private async noted(note: Promise<void> | undefined): Promise<void> {
    try {
      await note
    } catch (error) {
      this.faults.report({ reason: (error as Error).message })
      throw error
    }
  }

  private now(): number {
    return Number(this.clock.wallNanoseconds() / 1_000_000n)
  }
}

function describe({ destination: { database, retentionPolicy } }: Write, reason: string) {
  return { db: database, rp: retentionPolicy === '' ? undefined : retentionPolicy, reason }
}

function figures({ points }: Write) {
  return { points: points.count, bytes: points.bytes.length }
}
