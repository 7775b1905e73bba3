/**
 * A lane whose writes outlive the relay: hinted handoff.
 *
 * While the backend answers promptly, writes travel from memory and the disk is not touched. A write that
 * a client is to be told is stored, and that this backend does not answer within a short grace, goes to
 * the lane's log, with all that were accepted before it; so does every write at once while the backend
 * fails, takes too long, or has much to catch up with. The log is delivered from its head, before anything
 * that is only in memory, and is emptied for good before the lane delivers from memory again: so no replay
 * can overtake a later write.
 */

import type { Answer } from '../influxdb/answer.ts'
import type { Write } from '../influxdb/write.ts'
import { Backoff } from '../limits/backoff.ts'
import { DAMAGED } from '../losses/losses.ts'
import { bodyOf, recycleBody, takeBatch } from './batch.ts'
import { type Flight, flightOf, recycleWrites, replayOf } from './flight.ts'
import type { Handoff, Portion } from './handoff-log.ts'
import type { DurableHost, QueueLane } from './lane.ts'
import { type Failure, isFailure, type Outcome } from './outcome.ts'
import { type Entry, EntryList } from './queued-write.ts'
import { abandon, giveBack, Spooler } from './spill.ts'
import { Grace } from './spill-timer.ts'

/** The reason for which writes are given up, as the ledger has it. */
const TOO_OLD = 'too old'

export class DurableLane implements QueueLane {
  readonly key: string
  private readonly host: DurableHost
  private readonly handoff: Handoff
  private readonly spooler: Spooler
  private readonly backoff: Backoff
  private readonly grace: Grace
  /** Accepted after all that is on disk. */
  private readonly waiting = new EntryList()
  private flight: Flight | undefined
  /** Whether a batch is being made up, is on its way, or is being settled. */
  private busy = false
  private spooling: Promise<void> | undefined
  private failing: Failure | undefined
  private cancelRest: (() => void) | undefined
  /** How many writes on disk, from the first on, travel alone: a batch of them was rejected. */
  private alone = 0

  constructor(key: string, host: DurableHost, handoff: Handoff) {
    this.key = key
    this.host = host
    this.handoff = handoff
    this.spooler = new Spooler(host, handoff)
    this.backoff = new Backoff(host.options.maxDelayMs)
    this.grace = new Grace(
      host.options.clock,
      () => this.kept(),
      () => this.spool(),
    )
  }

  get isDisposable(): boolean {
    return !this.handoff.isOpen
  }

  get isIdle(): boolean {
    return !this.busy && !this.spooling && !this.waiting.head && this.handoff.isEmpty
  }

  append(entry: Entry): void {
    this.waiting.append(entry)
    if (this.failing) entry.delivery.delayed(entry, this.failing)
    this.pump()
  }

  /** Some backend has one of the writes: it must not be lost for this one. */
  keep(): void {
    if (this.failing || this.grace.isSpent || this.isBehind) this.spool()
    else this.grace.start()
  }

  withdraw(entry: Entry): void {
    if (entry.list !== this.waiting) return
    this.waiting.remove(entry)
    entry.release()
    if (this.isIdle) this.becomeIdle()
  }

  /** Sends the next batch, if there is one and nothing stands in its way. */
  pump(): void {
    if (this.busy || this.spooling || this.cancelRest) return
    if (this.isIdle) this.becomeIdle()
    else this.begin(!this.handoff.isEmpty)
  }

  /** @param replays whether what comes first is on disk */
  private begin(replays: boolean): void {
    const { replay } = this.host
    if ((replays && !replay.hasRoomFor(this)) || !this.host.takeSlot(this)) return
    this.busy = true
    if (replays) replay.take()
    void this.deliver().then(() => {
      this.busy = false
      if (replays) replay.give()
      this.host.freeSlot()
      this.pump()
    })
  }

  private async deliver(): Promise<void> {
    try {
      const flight = await this.nextFlight()
      if (flight) await this.fly(flight)
      // Those that waited behind it had no place on disk either, and were to have its chance.
      if (flight?.refusal !== undefined) this.grace.start()
    } catch (error) {
      this.host.diskFailed(error as Error)
      this.rest(0)
    }
    this.flight = undefined
    this.tellLost()
  }

  /** Whoever waits for a write that damage has cost need wait no more: the ledger has it. */
  private tellLost(): void {
    abandon(this.handoff.takeLost(), DAMAGED)
  }

  private async nextFlight(): Promise<Flight | undefined> {
    if (!this.handoff.isEmpty) {
      const count = this.alone > 0 ? 1 : Number.POSITIVE_INFINITY
      const now = this.host.options.clock.now()
      const portion = await this.handoff.peek(this.host.maxBatchBytes, count, now)
      this.tellLost()
      if (portion && !(await this.expire(portion))) return replayOf(portion)
      if (portion) return undefined
    }
    await this.handoff.settle()
    // What came to the disk in the meantime goes first.
    if (!this.handoff.isEmpty || this.spooling) return undefined
    const entries = takeBatch(this.waiting, this.host.maxBatchBytes)
    if (entries.length === 0) return undefined
    // At once, lest `spool` overlook them.
    this.flight = flightOf(entries)
    return this.flight
  }

  /** Gives a portion up if it is too old. */
  private async expire(portion: Portion): Promise<boolean> {
    const { maxAgeMs } = this.host.store.options
    const now = Number(this.host.options.clock.wallNanoseconds() / 1_000_000n)
    if (maxAgeMs === undefined || now - portion.newestAt <= maxAgeMs) return false
    await this.host.lossesSettled()
    for (const write of portion.writes) await this.host.lost(write, TOO_OLD)
    abandon(portion.entries, TOO_OLD)
    await this.finish(portion)
    return true
  }

  private async fly(flight: Flight): Promise<void> {
    const [first] = flight.writes as [Write]
    const { buffers, clock } = this.host.options
    const body = bodyOf(flight.writes, buffers)
    if (flight.last !== undefined) await this.host.replay.pace(body.length)
    const sentAt = clock.now()
    const outcome = await this.host.send(first.destination, body)
    this.grace.answered(clock.now() - sentAt)
    if (outcome.verdict === 'stored') {
      recycleBody(body, flight.writes, buffers)
      recycleWrites(flight, buffers)
    }
    // The disk may just be getting these very writes. It gets none of them once they are answered.
    await this.spooling
    this.flight = undefined
    await this.settle(flight, body.length, outcome)
  }

  private async settle(flight: Flight, bytes: number, outcome: Outcome): Promise<void> {
    if (isFailure(outcome)) return this.fail(flight, outcome)
    this.failing = undefined
    this.backoff.reset()
    if (outcome.verdict === 'stored') {
      for (const entry of flight.entries) entry?.delivery.stored(entry)
      await this.finish(flight)
    } else if (flight.writes.length === 1) {
      await this.reject(flight, outcome.answer)
      await this.finish(flight)
    } else {
      if (outcome.verdict === 'too-large') this.host.maxBatchBytes = Math.ceil(bytes / 2)
      else this.isolate(flight)
      this.putBack(flight)
    }
  }

  /** Has each of the writes travel alone next time, so that each gets its own answer. */
  private isolate({ last, entries, writes }: Flight): void {
    if (last !== undefined) this.alone = writes.length
    else for (const entry of entries) if (entry) entry.alone = true
  }

  /** The writes are done with, here. */
  private async finish(flight: Portion | Flight): Promise<void> {
    for (const entry of flight.entries) entry?.release()
    this.alone = Math.max(0, this.alone - flight.writes.length)
    if (flight.last !== undefined) await this.handoff.advance(flight.last)
  }

  private async reject(flight: Flight, answer: Answer): Promise<void> {
    const [write] = flight.writes as [Write]
    const [entry] = flight.entries
    if (entry?.delivery.isOpen) return entry.delivery.rejected(entry, answer)
    // What is on disk stays there until the note is, too. Of what is not, nobody was told that it is safe.
    if (flight.last === undefined) return this.host.refused(write, answer).catch(() => {})
    await this.host.lossesSettled()
    await this.host.refused(write, answer)
  }

  private fail(flight: Flight, failing: Failure): void {
    this.failing = failing
    this.putBack(flight)
    for (const entry of flight.entries) entry?.delivery.delayed(entry, failing)
    for (const entry of this.handoff.pending) entry.delivery.delayed(entry, failing)
    for (const entry of this.waiting) entry.delivery.delayed(entry, failing)
    if (this.hasKept()) this.spool()
    if (this.waiting.head || !this.handoff.isEmpty || this.spooling) this.rest(failing.retryAfterMs)
  }

  /** Writes that are only in memory go back to the front of those that wait. */
  private putBack(flight: Flight): void {
    if (flight.last !== undefined) return
    if (flight.refusal !== undefined) giveBack(flight.entries, flight.refusal)
    for (const entry of [...flight.entries].reverse()) {
      if (entry?.isVoid || flight.givenUp) entry?.release()
      else if (entry) this.waiting.prepend(entry)
    }
  }

  private rest(atLeastMs: number): void {
    this.cancelRest ??= this.host.options.clock.after(this.backoff.next(atLeastMs), () => {
      this.cancelRest = undefined
      this.pump()
    })
  }

  private becomeIdle(): void {
    this.failing = undefined
    this.backoff.reset()
    this.cancelRest?.()
    this.cancelRest = undefined
    this.host.laneIsIdle(this)
  }

  /** Whether more is on disk than the next batch will carry: what comes now has long to wait. */
  private get isBehind(): boolean {
    return this.handoff.bytes > this.host.maxBatchBytes
  }

  /** What is on its way, if the disk neither has it nor has refused it. */
  private get flightInMemory(): Flight | undefined {
    const { flight } = this
    return flight && flight.last === undefined && !flight.givenUp ? flight : undefined
  }

  /** What is only in memory and must not be lost. */
  private *kept(): Generator<Entry> {
    for (const entry of this.flightInMemory?.entries ?? []) if (entry?.isKept) yield entry
    for (const entry of this.waiting) if (entry.isKept) yield entry
  }

  private hasKept(): boolean {
    return !this.kept().next().done
  }

  /** Brings to disk all that is only in memory, in the order in which it was accepted. */
  private spool(): void {
    if (this.flight?.refusal !== undefined) return
    this.grace.stop()
    this.spooling ??= this.spoolAll().then(() => {
      this.spooling = undefined
      // What came at the last moment was told that this would see to it.
      if (this.hasKept()) this.keep()
      this.pump()
    })
  }

  private async spoolAll(): Promise<void> {
    const flight = this.flightInMemory
    if (flight) {
      const entries = flight.entries.filter((entry) => entry !== undefined)
      flight.last = await this.spooler.put(entries, (reason) => {
        if (this.failing) giveBack(entries, reason)
        else flight.refusal = reason
      })
      flight.givenUp = flight.last === undefined
      if (flight.refusal !== undefined) return
    }
    await this.spooler.empty(this.waiting)
  }
}
