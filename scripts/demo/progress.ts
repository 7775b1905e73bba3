/** The state of the demo. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from './servers.ts'
import type { Given, Writers } from './writers.ts'

/** Retries come every second, so a server that gains nothing for longer will gain nothing more. */
const PATIENCE_MS = 4_000

/** A part of the demo; the moments are seconds since it began. */
export interface Phase {
  readonly title: string
  began?: number
  ended?: number
  /** Its result. */
  remark?: string
}

/** A server and its last known state. */
export class Watched {
  readonly name: string
  readonly server: Server
  readonly #database: string
  up = true
  points = 0
  /** Points that the relay has got and the server lacks. */
  behind = 0

  constructor(name: string, server: Server, database: string) {
    this.name = name
    this.server = server
    this.#database = database
  }

  /** Host and port. */
  get address(): string {
    return new URL(this.server.url).host
  }

  async kill(): Promise<void> {
    this.up = false
    await this.server.kill()
  }

  async start(): Promise<void> {
    await this.server.start()
    this.up = true
  }

  /** @param given points of the relay's clients, so far */
  async look(given: number): Promise<void> {
    try {
      if (this.up) this.points = await this.server.count(this.#database)
    } catch (error) {
      // A server that was killed meanwhile does not answer.
      if (this.up) throw new Error(`${this.name} failed: ${(error as Error).message}`)
    }
    this.behind = Math.max(0, given - this.points)
  }
}

export class Progress {
  readonly servers: readonly Watched[]
  readonly phases: readonly Phase[]
  readonly #writers: Writers
  readonly #began = performance.now()

  /** @param titles of the phases to come */
  constructor(servers: readonly Watched[], writers: Writers, titles: readonly string[]) {
    this.servers = servers
    this.phases = titles.map((title) => ({ title }))
    this.#writers = writers
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  get given(): Given {
    return this.#writers.given
  }

  /** Runs the next phase, which may return a remark. */
  async phase(work: () => Promise<string>): Promise<void> {
    const phase = this.phases.find(({ began }) => began === undefined)
    if (!phase) throw new Error('there are more phases than titles')
    phase.began = this.seconds
    phase.remark = await work()
    phase.ended = this.seconds
  }

  async look(): Promise<void> {
    const { points } = this.given
    await Promise.all(this.servers.map((server) => server.look(points)))
  }

  /** Waits until a server has every point that the relay has got; false if it stays behind. */
  async untilLevel(server: Watched): Promise<boolean> {
    let least = Number.POSITIVE_INFINITY
    let since = performance.now()
    while (performance.now() - since < PATIENCE_MS) {
      await server.look(this.given.points)
      if (server.behind === 0) return true
      if (server.behind < least) since = performance.now()
      least = Math.min(least, server.behind)
      await delay(50)
    }
    return false
  }
}
