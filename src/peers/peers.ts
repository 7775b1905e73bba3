/**
 * All other relays in front of the same servers.
 *
 * A query asks them what they have yet to deliver. So that a relay need not be asked after its death, no write is
 * acknowledged before the others know that something is kept for a server: see `tellKept`.
 */

import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { Peer, type PeerOptions } from './peer.ts'
import { PeerReading } from './peer-reading.ts'

/** How often each peer is asked what it keeps. */
const REFRESH_MS = 1000

export class Peers {
  /** The `relay` of this relay's own reports. */
  readonly id: string
  private readonly clock: Clock
  private readonly peers: readonly Peer[]
  /** By output that peers know, or are being told, to be lacking something. */
  private readonly told = new Map<string, { isDone: boolean; readonly done: Promise<void> }>()
  private cancel: (() => void) | undefined
  private isClosed = false

  constructor(
    options: readonly PeerOptions[],
    runtime: Pick<Runtime, 'clock' | 'createFetch'>,
    log: Log,
  ) {
    this.clock = runtime.clock
    this.id = `${runtime.clock.wallNanoseconds()}`
    this.peers = options.map((one) => new Peer(one, this.id, runtime, log))
  }

  /** Tells the peers that this relay is there, and begins to ask them again and again. */
  start(): void {
    for (const peer of this.peers) void peer.tell()
    if (this.peers.length > 0) void this.refresh()
  }

  close(): void {
    this.isClosed = true
    this.cancel?.()
  }

  /**
   * Asks the peers what they have yet to deliver to some outputs, of all that they have acknowledged until now.
   *
   * @param deadline until when they are asked again, by the clock
   */
  read(databases: Databases, outputs: readonly string[], deadline: number): PeerReading[] {
    return this.peers.map((peer) => new PeerReading(peer, databases, outputs, deadline, this.clock))
  }

  /**
   * Tells the peers that this relay keeps something for some outputs, on disk or in the gap ledger. Call it before
   * a write is acknowledged that is kept.
   *
   * @returns undefined if they know it; else it resolves once all have been told that answer
   */
  tellKept(outputs: readonly string[]): Promise<unknown> | undefined {
    if (this.peers.length === 0) return undefined
    const unknown = outputs.filter((output) => !this.told.has(output))
    if (unknown.length > 0) {
      const done = Promise.all(this.peers.map((peer) => peer.tell())).then(() => {
        round.isDone = true
      })
      const round = { isDone: false, done }
      for (const output of unknown) this.told.set(output, round)
    }
    const open = outputs.map((output) => this.told.get(output)).filter((round) => !round?.isDone)
    return open.length > 0 ? Promise.all(open.map((round) => round?.done)) : undefined
  }

  /** A peer is being told that nothing is kept for an output. */
  reportsNothing(output: string): void {
    this.told.delete(output)
  }

  /** A peer says that it keeps something. Resolves with whether this relay has heard what that is. */
  async hear(relay: string): Promise<boolean> {
    const heard = this.peers.map(async (peer) => {
      const report = await peer.refresh()
      if (report?.relay !== relay) throw new Error('another peer')
    })
    return Promise.any(heard).then(
      () => true,
      () => false,
    )
  }

  private async refresh(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.refresh()))
    if (!this.isClosed) this.cancel = this.clock.after(REFRESH_MS, () => void this.refresh())
  }
}
