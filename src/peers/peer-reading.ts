/** What servers lack by the word of one peer, for one query. */

import type { Databases } from '../losses/shortage.ts'
import type { Clock } from '../runtime.ts'
import type { Peer } from './peer.ts'
import { type Behind, NOTHING, type Reading } from './reading.ts'
import type { OutputReport, Report } from './report.ts'

export class PeerReading {
  /** Resolves once the peer has answered, or has not in time. From then on, what it last kept counts. */
  readonly answered: Promise<void>
  private readonly peer: Peer
  private readonly databases: Databases
  private readonly deadline: number
  private readonly clock: Clock
  private readonly reports = new Map<string, OutputReport>()
  private readonly callbacks = new Set<() => void>()
  private hasAnswered = false
  private isAsking = false

  /** @param deadline until when the peer is asked again, by the clock */
  constructor(
    peer: Peer,
    databases: Databases,
    outputs: readonly string[],
    deadline: number,
    clock: Clock,
  ) {
    this.peer = peer
    this.databases = databases
    this.deadline = deadline
    this.clock = clock
    this.answered = peer.ask(databases, outputs, 0).then((report) => this.take(report))
  }

  /** What the server of an output lacks. */
  of(output: string): Reading {
    return new PeerOutputReading(this, output)
  }

  /** What the peer says of an output; undefined if it has said nothing of it, now or before. */
  reportOf(output: string): OutputReport | undefined {
    return this.hasAnswered ? this.reports.get(output) : this.peer.lastKept(output)
  }

  get isSelf(): boolean {
    return this.peer.isSelf
  }

  get name(): string {
    return this.peer.name
  }

  onChange(callback: () => void): () => void {
    this.callbacks.add(callback)
    void this.askAgain()
    return () => this.callbacks.delete(callback)
  }

  /** Asks about the servers that are not complete yet, as long as somebody waits for them. */
  private async askAgain(): Promise<void> {
    if (this.isAsking || !this.hasAnswered) return
    this.isAsking = true
    for (let open = this.open; open.length > 0 && this.callbacks.size > 0; open = this.open) {
      const waitMs = this.deadline - this.clock.now()
      const report = waitMs < 1 ? undefined : await this.peer.ask(this.databases, open, waitMs)
      if (!report) break
      this.take(report)
    }
    this.isAsking = false
  }

  private take(report: Report | undefined): void {
    if (!report) return
    this.hasAnswered = true
    for (const one of report.outputs) this.reports.set(one.output, one)
    for (const callback of this.callbacks) callback()
  }

  /** The outputs that may become complete. */
  private get open(): string[] {
    return [...this.reports.values()]
      .filter(({ isComplete, hasGap }) => !isComplete && !hasGap)
      .map(({ output }) => output)
  }
}

class PeerOutputReading implements Reading {
  private readonly peer: PeerReading
  private readonly output: string

  constructor(peer: PeerReading, output: string) {
    this.peer = peer
    this.output = output
  }

  get isComplete(): boolean {
    return this.peer.isSelf || this.peer.reportOf(this.output)?.isComplete === true
  }

  get hasGap(): boolean {
    return !this.isComplete && (this.peer.reportOf(this.output)?.hasGap ?? true)
  }

  get behind(): Behind {
    if (this.isComplete) return NOTHING
    const report = this.peer.reportOf(this.output)
    return report ? { ...report, unheard: [] } : { ...NOTHING, unheard: [this.peer.name] }
  }

  onChange(callback: () => void): () => void {
    return this.peer.onChange(callback)
  }
}
