/** What a backend lacks although it was acknowledged: in the log, in the gap ledger, as dead letters. */

import { type Answer, messageOf } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { timeRangeOf } from '../influxdb/time-range.ts'
import type { Write } from '../influxdb/write.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Clock } from '../runtime.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Ledger } from './gap-ledger.ts'
import type { Gap } from './gap-table.ts'

/** The relay's records on disk; all backends share them. */
export interface LossRecords {
  readonly ledger: Ledger
  readonly deadLetters: DeadLetters
}

/** The reason in the ledger of what the relay's own disk has lost. */
export const DAMAGED = 'damaged'

/** What is entered, but for where and when. */
type Loss = Pick<Gap, 'first' | 'last' | 'points' | 'writes' | 'reason'>

/** The wait before entries that could not be written are tried again. */
const RETRY_MS = 1000

export class Losses {
  private readonly backend: string
  private readonly clock: Clock
  private readonly books: LossRecords | undefined
  private readonly lacks: RepeatedWarning
  private readonly refusals: RepeatedWarning
  private readonly faults: RepeatedWarning
  /** Whether the ledger may hold entries that are not on disk. */
  private isBehind = false
  /** Those that are on their way to the disk. */
  private readonly notes = new Set<Promise<void>>()

  /** @param books undefined where there is no disk: then the log is all that tells */
  constructor(backend: string, clock: Clock, log: Log, books: LossRecords | undefined) {
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
    await this.noted(this.enter(write.destination, lossOf(write, reason)))
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
    const entered = this.enter(write.destination, lossOf(write, 'rejected'))
    const notes = [entered, this.books?.deadLetters.add(letter)]
    await Promise.all(notes.map((note) => this.noted(note)))
  }

  /**
   * The buffer has lost writes, at least one, and nobody knows what was in them. Resolves once that is on
   * record. Whoever asks again after a failure does not have it entered again and again.
   *
   * @throws as `lost` does
   */
  async damaged(destination: Destination, writes = 1): Promise<void> {
    await this.settled()
    this.lacks.report(describe({ destination }, DAMAGED), { writes })
    const nothing = { first: undefined, last: undefined, points: 0 }
    await this.noted(this.enter(destination, { ...nothing, writes, reason: DAMAGED }))
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

  /** Has all notes on disk, if it can be done, and the log tell what it has held back. */
  async close(): Promise<void> {
    await Promise.allSettled(this.notes)
    await this.noted(this.books?.ledger.flush()).catch(() => {})
    for (const warning of [this.lacks, this.refusals, this.faults]) warning.flush()
  }

  private async enter(destination: Destination, loss: Loss): Promise<void> {
    if (!this.books) return
    const { ledger } = this.books
    const { database, retentionPolicy } = destination
    const gap = { backend: this.backend, database, retentionPolicy, ...loss, at: this.now() }
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

  private async noted(note = Promise.resolve()): Promise<void> {
    this.notes.add(note)
    try {
      await note
    } catch (error) {
      this.faults.report({ reason: (error as Error).message })
      throw error
    } finally {
      this.notes.delete(note)
    }
  }

  private now(): number {
    return Number(this.clock.wallNanoseconds() / 1_000_000n)
  }
}

function lossOf({ destination, points }: Write, reason: string): Loss {
  const { first, last } = timeRangeOf(points.bytes, destination.precision) ?? {}
  return { first, last, points: points.count, writes: 0, reason }
}

function describe(
  { destination: { database, retentionPolicy } }: Pick<Write, 'destination'>,
  reason: string,
) {
  return { db: database, rp: retentionPolicy === '' ? undefined : retentionPolicy, reason }
}

function figures({ points }: Write) {
  return { points: points.count, bytes: points.bytes.length }
}
