/** One write on its way to all backends, and the answer to its client. */

import type { Backend } from '../backend/backend.ts'
import { type BackendShortfall, divergenceOf, type FailureNote } from '../delivery/failure-note.ts'
import type { Failure } from '../delivery/outcome.ts'
import type { Ownership, QueuedWrite, WriteTracker } from '../delivery/queued-write.ts'
import { faultOf } from '../disk/disk.ts'
import { type Answer, errorAnswer, STORED } from '../influxdb/answer.ts'
import { backendsNeeded } from '../influxdb/consistency.ts'
import { changedNothing } from '../influxdb/result-error.ts'
import { leftNothing, NOTHING_MISSING, shortfallOf } from '../influxdb/shortfall.ts'
import { maxPoints, type Write } from '../influxdb/write.ts'

/** The seconds after which a client may send a write again that no backend has taken. */
const RETRY_AFTER = '1'

/** Tells other relays that something is kept for outputs; undefined if they know. */
export type TellKept = (outputs: readonly string[]) => Promise<unknown> | undefined

export class FanOut implements WriteTracker {
  ownership: Ownership
  private readonly write: Write
  private readonly respond: (answer: Answer) => void
  private readonly tellKept: TellKept
  private readonly queued: QueuedWrite[] = []
  private backendCount = 0
  /**
   * What the client was answered:
   * - `none`: nothing yet;
   * - `stored`: 204. The relay owns the write;
   * - `rejected`: an error after which the client does not send the write again;
   * - `failed`: an error after which the client sends the write again: a dropped one is no loss.
   */
  private clientAnswer: 'none' | 'stored' | 'rejected' | 'failed'
  private worst: Failure | undefined
  /** Queues that dropped the write before it was acknowledged, and their reasons. */
  private readonly unrecordedLosses = new Map<QueuedWrite, string>()
  /** How many backends do not read the write's bytes any more. */
  private doneReadingCount = 0

  /**
   * @param ownership `client` for a write whose client waits, `relay` for one that needs no answer
   * @param tellKept called before the write is acknowledged with the outputs that have yet to get it
   */
  constructor(
    write: Write,
    ownership: 'client' | 'relay',
    respond: (answer: Answer) => void,
    tellKept: TellKept = () => undefined,
  ) {
    this.write = write
    this.tellKept = tellKept
    this.ownership = ownership
    this.clientAnswer = ownership === 'relay' ? 'stored' : 'none'
    this.respond = respond
  }

  get isOpen(): boolean {
    return this.clientAnswer === 'none'
  }

  private get hasFailed(): boolean {
    return this.clientAnswer === 'rejected' || this.clientAnswer === 'failed'
  }

  get note(): FailureNote | undefined {
    if (!this.hasFailed) return undefined
    const answers = this.finalAnswers().map(([, answer]) => answer)
    return { isFinal: this.clientAnswer === 'rejected', answers }
  }

  start(backends: readonly Backend[]): void {
    this.backendCount = backends.length
    for (const { queue } of backends) this.queued.push(queue.append(this.write, this))
    if (this.ownership === 'relay') this.own()
    this.decide()
  }

  stored(write: QueuedWrite, answer?: Answer): Promise<void> | undefined {
    write.state = 'stored'
    write.answer = answer
    if (this.ownership === 'client') this.own()
    this.decide()
    return this.hasFailed ? ignoreError(this.recordDivergence()) : undefined
  }

  rejected(write: QueuedWrite, answer: Answer): Promise<void> {
    write.state = 'rejected'
    write.rejection = answer
    if (this.clientAnswer === 'stored') return write.lane.losses.rejected(this.write, answer)
    if (this.clientAnswer === 'none') {
      this.answerError(answer, 'rejected')
      if (this.ownership === 'client' && this.hasLeftNothing(answer)) this.disown()
      else this.own()
    }
    return this.recordDivergence()
  }

  recordLoss(write: QueuedWrite, reason: string): Promise<void> {
    if (this.clientAnswer === 'stored') return write.lane.losses.lost(this.write, reason)
    if (this.clientAnswer === 'none') this.unrecordedLosses.set(write, reason)
    // Of a write that failed, a difference is recorded once it is dropped.
    return Promise.resolve()
  }

  deferred(write: QueuedWrite, failure: Failure): void {
    if (write.state !== 'pending') return
    write.state = 'deferred'
    this.backendFailed(failure)
  }

  dropped(write: QueuedWrite, failure: Failure): void {
    write.state = 'dropped'
    if (!write.isRecorded) void ignoreError(this.recordLoss(write, failure.reason))
    if (this.clientAnswer === 'none') this.backendFailed(failure)
    else void ignoreError(this.recordDivergence())
  }

  spilled(write: QueuedWrite): void {
    write.isRecorded = true
    this.decide()
  }

  spillFailed(write: QueuedWrite, reason: string): void {
    if (this.clientAnswer === 'none') {
      this.answerError(cannotKeep(reason), 'failed')
      this.disown()
      return
    }
    write.state = 'dropped'
    void ignoreError(this.recordLoss(write, reason))
    void ignoreError(this.recordDivergence())
  }

  /** Gives the bytes back to where they came from once no backend reads them. */
  doneReading(): void {
    if (++this.doneReadingCount < this.backendCount) return
    this.write.recycle?.(this.write.points.bytes)
  }

  private hasLeftNothing(answer: Answer): boolean {
    const isStatement = this.write.kind === 'statement'
    return isStatement ? changedNothing(answer) : leftNothing(answer, this.write)
  }

  private backendFailed(failure: Failure): void {
    if (this.worst === undefined || rank(failure) > rank(this.worst)) this.worst = failure
    this.decide()
  }

  /** Answers the client if its answer is known by now. */
  private decide(): void {
    if (this.clientAnswer !== 'none') return
    if (this.isStored()) {
      if (this.queued.every(isSafe)) this.acknowledge()
    } else if (this.queued.length === this.backendCount && !this.queued.some(isPending)) {
      // No backend takes the write now. For consistency `any`, a disk is enough.
      if (this.write.consistency === 'any' && this.queued.some(canBeSpilled)) {
        this.own()
        return
      }
      const answer = this.worst?.answer ?? errorAnswer(503, 'unable to write points', RETRY_AFTER)
      this.answerError(answer, isForAnotherTry(answer) ? 'failed' : 'rejected')
      if (this.ownership === 'client') this.disown()
      void ignoreError(this.recordDivergence())
    }
  }

  /** Whether enough backends have the write for its consistency level. */
  private isStored(): boolean {
    const { consistency } = this.write
    let count = 0
    for (const { state } of this.queued) if (state === 'stored') count++
    // Another server's answer to statements may be better.
    const mayWait = count > 0 && this.write.kind === 'statement' && this.queued.some(isPending)
    if (mayWait && !this.queued.some((one) => one.state === 'stored' && isWhole(one))) return false
    if (count >= backendsNeeded(consistency, this.backendCount)) return true
    return consistency === 'any' && this.queued.some(isOnDisk)
  }

  /**
   * Tells the client that the write is stored, once the gap ledger has which backends will lack it, and other
   * relays know for which ones it is kept.
   */
  private acknowledge(): void {
    this.clientAnswer = 'stored'
    if (this.unrecordedLosses.size > 0) void this.acknowledgeWithLosses()
    else this.respondOnceTold()
  }

  private respondOnceTold(): void {
    const lacking = this.queued.filter(isKept).map(({ lane }) => lane.losses.backend)
    const telling = lacking.length > 0 ? this.tellKept(lacking) : undefined
    if (telling) void telling.then(() => this.respond(this.success))
    else this.respond(this.success)
  }

  /** Of statements, the answer of a server that lacks nothing, if there is one. */
  private get success(): Answer {
    const answered = this.queued.filter(({ answer }) => answer !== undefined)
    return (answered.find(isWhole) ?? answered[0])?.answer ?? STORED
  }

  private async acknowledgeWithLosses(): Promise<void> {
    try {
      await Promise.all(
        Array.from(this.unrecordedLosses, ([{ lane }, reason]) =>
          lane.losses.lost(this.write, reason),
        ),
      )
      this.respondOnceTold()
    } catch (error) {
      this.answerError(cannotKeep(faultOf(error)), 'failed')
    }
  }

  private answerError(answer: Answer, kind: 'rejected' | 'failed'): void {
    this.clientAnswer = kind
    this.respond(answer)
  }

  /** Records what a backend lacks that another one has, if the client was told that the write failed. */
  private async recordDivergence(): Promise<void> {
    if (!this.hasFailed) return
    const finals = this.finalAnswers()
    const answers = finals.map(([, answer]) => answer)
    const recordings: Promise<void>[] = []
    for (const [write, answer] of finals) {
      const points = divergenceOf(answer, answers, maxPoints(this.write))
      const more = points - write.divergedPoints
      if (more <= 0) continue
      write.divergedPoints = points
      recordings.push(write.lane.losses.diverged(this.write, more, answer))
    }
    await Promise.all(recordings)
  }

  /** What each backend lacks for good, of those from which this is known. */
  private finalAnswers(): [QueuedWrite, BackendShortfall][] {
    const count = maxPoints(this.write)
    return this.queued.flatMap((write): [QueuedWrite, BackendShortfall][] => {
      const { backend } = write.lane.losses
      if (write.state === 'stored') return [[write, { ...NOTHING_MISSING, backend }]]
      if (write.state === 'rejected' && write.rejection) {
        return [[write, { ...shortfallOf(write.rejection, count), backend }]]
      }
      // After any other error the client sends the write again.
      const isLost = write.state === 'dropped' && this.clientAnswer === 'rejected'
      return isLost ? [[write, { points: count, cause: 'dropped', backend }]] : []
    })
  }

  /** A backend has the write, or a part of it: all others must get it. */
  private own(): void {
    this.ownership = 'relay'
    for (const write of this.queued) {
      // A write on disk is found in the log of its lane.
      if (isUndelivered(write) && !write.isRecorded) write.countUnapplied()
      if (!isSafe(write)) write.lane.mustDeliver(write)
    }
  }

  /** The client still owns the write: no backend needs to get it. */
  private disown(): void {
    this.ownership = 'none'
    for (const write of this.queued) if (write.lane.withdraw(write)) write.state = 'dropped'
  }
}

/** The disk takes neither the write nor the record of its loss. */
function cannotKeep(reason: string): Answer {
  return errorAnswer(503, `unable to keep the write: ${reason}`, RETRY_AFTER)
}

/** Whether a client that gets this answer sends the write again. */
function isForAnotherTry({ status }: Answer): boolean {
  return status >= 500 || status === 408
}

/** For a record whose failure changes nothing here: if the disk fails, `Losses` logs that. */
function ignoreError(recording: Promise<void>): Promise<void> {
  return recording.catch(() => {})
}

/** Whether the backend of a write lacks nothing that the write is about. */
function isWhole({ write, lane }: QueuedWrite): boolean {
  const { barrier } = write.destination
  return lane.losses.shortage(new Set(barrier?.databases)) === undefined
}

const isPending = ({ state }: QueuedWrite) => state === 'pending'

const isOnDisk = ({ state, isRecorded }: QueuedWrite) => isRecorded && state !== 'dropped'

/** Whether the backend lacks the write for longer than a request takes. */
const isKept = ({ state, isRecorded }: QueuedWrite) =>
  state !== 'stored' && (isRecorded || state !== 'pending')

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
