/** Records what a backend lacks: in the log, in the gap ledger, and as dead letters. */

import { type Answer, messageOf, summaryOf } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { maskPasswords } from '../influxdb/mask-passwords.ts'
import { errorOf } from '../influxdb/result-error.ts'
import { shortfallOf } from '../influxdb/shortfall.ts'
import { statementRequestOf } from '../influxdb/statement-request.ts'
import { timeRangeOf } from '../influxdb/time-range.ts'
import type { Write } from '../influxdb/write.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Clock } from '../runtime.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Gap } from './gap.ts'
import { DEFAULT_LIMITS, type GapLedger } from './gap-ledger.ts'
import { GapTable } from './gap-table.ts'
import type { Databases, Shortage } from './shortage.ts'

/** The records on disk. All backends share them. */
export interface LossRecords {
  readonly ledger: GapLedger
  readonly deadLetters: DeadLetters
}

/** The reason of gaps whose records on disk were damaged. */
export const DAMAGED = 'damaged'

/** The reason of gaps of writes that were not acknowledged, and that another backend has all the same. */
const DIVERGED = 'diverged'

type Loss = Pick<Gap, 'first' | 'last' | 'points' | 'writes' | 'reason'> &
  Partial<Pick<Gap, 'backend'>>

/** The delay before the ledger is saved again after the disk has failed. */
const RETRY_MS = 1000

/**
 * The methods that record something resolve once it is on disk, and reject with the error of the disk. Until
 * they resolve the caller must keep the write.
 */
export class Losses {
  readonly backend: string
  private readonly clock: Clock
  private readonly log: Log
  private readonly records: LossRecords | undefined
  /** The gaps of this process, if they are recorded nowhere. */
  private readonly unrecorded = new GapTable(DEFAULT_LIMITS)
  private readonly lacks: RepeatedWarning
  private readonly rejections: RepeatedWarning
  private readonly differences: RepeatedWarning
  private readonly faults: RepeatedWarning
  /** Whether the ledger has changes that the disk has refused. */
  private isBehind = false
  /** Changes on their way to the disk. */
  private readonly pending = new Set<Promise<void>>()

  /** @param records undefined without a data directory: then losses are only logged */
  constructor(backend: string, clock: Clock, log: Log, records: LossRecords | undefined) {
    this.backend = backend
    this.clock = clock
    this.log = log
    this.records = records
    this.lacks = new RepeatedWarning(clock, log, 'backend lacks acknowledged points')
    this.rejections = new RepeatedWarning(clock, log, 'backend rejected acknowledged points')
    this.differences = new RepeatedWarning(clock, log, 'backend lacks points that another has')
    this.faults = new RepeatedWarning(clock, log, 'records of losses could not be written')
  }

  /** Records a write that the backend will never get. */
  async lost(write: Write, reason: string): Promise<void> {
    if (write.kind === 'statement') {
      this.log.error('backend lacks an acknowledged statement', describeStatement(write, reason))
      return this.addStatement(write, reason)
    }
    const figures = { ...lossFigures(write, write.points.count), bytes: write.points.bytes.length }
    this.lacks.report(describe(write.destination, reason), figures)
    await this.track(this.addGap(write.destination, lossOf(write, reason)))
  }

  /** Records a write that the backend rejected, in whole or in part. */
  async rejected(write: Write, answer: Answer): Promise<void> {
    if (write.kind === 'statement') {
      const fields = describeStatement(write, errorOf(answer))
      this.log.error('backend rejected an acknowledged statement', fields)
      return this.addStatement(write, 'rejected')
    }
    const { database, retentionPolicy, precision } = write.destination
    const message = messageOf(answer)
    const { points } = shortfallOf(answer, write.points.count)
    const figures = { ...lossFigures(write, points), bytes: write.points.bytes.length }
    this.rejections.report(describe(write.destination, summaryOf(answer)), figures)
    const letter = {
      ...{ kind: write.kind, backend: this.backend, database, retentionPolicy, precision },
      ...{ status: answer.status, message, points: write.points, at: this.now() },
    }
    const gap = this.addGap(write.destination, lossOf(write, 'rejected', points))
    const changes = [gap, this.records?.deadLetters.add(letter)]
    await Promise.all(changes.map((change) => this.track(change)))
  }

  /**
   * Records that a backend lacks points that another one has, for a write that was not acknowledged.
   *
   * @param points how many it lacks
   * @param lacking the backend that lacks them, which may be another one of the relay, and why
   */
  async diverged(
    write: Write,
    points: number,
    lacking: { readonly backend: string; readonly cause: string },
  ): Promise<void> {
    const { destination } = write
    const { backend, cause } = lacking
    if (write.kind === 'statement') {
      const fields = { backend, ...describeStatement(write, cause) }
      this.log.error('backend lacks a statement that another has executed', fields)
      return this.addStatement(write, DIVERGED, backend)
    }
    const detail = { backend, ...describe(destination, cause) }
    this.differences.report(detail, lossFigures(write, points))
    const gap = { ...lossOf(write, DIVERGED, points), backend }
    await this.track(this.addGap(destination, gap))
  }

  /** Records writes that were lost from the buffer on disk, at least one, and cannot be read any more. */
  async damaged(destination: Destination, writes = 1): Promise<void> {
    await this.flushed()
    this.lacks.report(describe(destination, DAMAGED), { writes })
    const unknown = { first: undefined, last: undefined, points: 0 }
    await this.track(this.addGap(destination, { ...unknown, writes, reason: DAMAGED }))
  }

  /**
   * Resolves once every recorded loss is on disk. Call it before dropping a write, so that a retry does not
   * record the same loss twice.
   */
  async flushed(): Promise<void> {
    if (this.isBehind) await this.track(this.records?.ledger.flush())
  }

  /** What the backend lacks in some databases, or in any; undefined if it lacks nothing. */
  shortage(databases: Databases): Shortage | undefined {
    return (this.records?.ledger ?? this.unrecorded).shortage(this.backend, databases)
  }

  /** Saves what can be saved, and logs what has not been logged yet. Never rejects. */
  async close(): Promise<void> {
    await Promise.allSettled(this.pending)
    await this.track(this.records?.ledger.flush()).catch(() => {})
    for (const warning of [this.lacks, this.rejections, this.differences, this.faults])
      warning.flush()
  }

  /** Enters a statement that a backend has not executed. Those about users alone are only logged. */
  private async addStatement(write: Write, reason: string, backend = this.backend): Promise<void> {
    const loss = { first: undefined, last: undefined, points: 0, writes: 1, reason, backend }
    for (const database of write.destination.barrier?.databases ?? []) {
      await this.track(this.addGap({ ...write.destination, database }, loss))
    }
  }

  private async addGap(destination: Destination, loss: Loss): Promise<void> {
    const { database, retentionPolicy } = destination
    const gap = { backend: this.backend, database, retentionPolicy, ...loss, at: this.now() }
    if (!this.records) {
      this.unrecorded.add(gap)
      return
    }
    const { ledger } = this.records
    await ledger.add(gap).catch((error) => {
      this.retryLater(ledger)
      throw error
    })
  }

  /** Saves the ledger later, so that no entry depends on the next gap to be saved. */
  private retryLater(ledger: GapLedger): void {
    if (this.isBehind) return
    this.isBehind = true
    this.clock.after(RETRY_MS, () => {
      this.isBehind = false
      ledger.flush().catch(() => this.retryLater(ledger))
    })
  }

  /** Waits for a change, as `close` does, and reports its error. */
  private async track(change = Promise.resolve()): Promise<void> {
    this.pending.add(change)
    try {
      await change
    } catch (error) {
      this.faults.report({ reason: (error as Error).message })
      throw error
    } finally {
      this.pending.delete(change)
    }
  }

  private now(): number {
    return Number(this.clock.wallNanoseconds() / 1_000_000n)
  }
}

function lossOf(write: Write, reason: string, count = write.points.count): Loss {
  const { kind, destination } = write
  const range =
    kind === 'points' ? timeRangeOf(write.points.bytes, destination.precision) : undefined
  const { points = 0, writes = 0 } = lossFigures(write, count)
  return { first: range?.first, last: range?.last, points, writes, reason }
}

/** What is lost, of a write that lost some of its points. Only line protocol can be counted in points. */
function lossFigures({ kind }: Write, count: number): Partial<Pick<Loss, 'points' | 'writes'>> {
  return kind === 'points' ? { points: count } : { writes: 1 }
}

/** The statement is for the operator, who may want to send it by hand. */
function describeStatement({ points }: Write, error: string) {
  const { text, hasPassword } = statementRequestOf(points.bytes)
  const reason = hasPassword ? 'not shown, because the statement has a password' : error
  return { reason: reason.slice(0, MAX_SHOWN), statement: maskPasswords(text).slice(0, MAX_SHOWN) }
}

/** The most characters of a statement in a line of the log. */
const MAX_SHOWN = 1000

function describe({ database, retentionPolicy }: Destination, reason: string) {
  return { db: database, rp: retentionPolicy === '' ? undefined : retentionPolicy, reason }
}
