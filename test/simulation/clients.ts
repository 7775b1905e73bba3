/** Clients that write one thing after the other, try again, lose patience, and write nonsense. */

import type { RelayProcess, Sending } from './relay-process.ts'
import type { World } from './world.ts'

/** Points further apart than the ledger's ranges: an entry for one says nothing about another. */
const STEP_NS = 600_000_000_000n

const FIRST_NS = 1_600_000_000_000_000_000n

const LEVELS = ['', '', '', '', '&consistency=any', '&consistency=quorum', '&consistency=all']

/** One in ten clients hangs up in the middle. */
const SENDING: readonly Sending[] = [
  ...(['whole', 'whole', 'whole', 'whole', 'chunked'] as const),
  ...(['whole', 'whole', 'whole', 'chunked', 'cut short'] as const),
]

export interface ClientOptions {
  readonly writes: number
  /** The longest that a client rests between two writes. */
  readonly restMs: number
  /** Timestamps that all clients write to. */
  readonly sharedPoints: number
  readonly databases: readonly string[]
  readonly servers: readonly string[]
  /** The relay as it can be reached now. */
  relay(): RelayProcess | undefined
}

/** Gives each written value, and each unique point, a number of its own. */
class Counter {
  private last = 0
  next(): number {
    return ++this.last
  }
}

export class Clients {
  /** Clients that have not finished. */
  busy = 0
  private readonly world: World
  private readonly options: ClientOptions
  private readonly values = new Counter()
  private left: number

  constructor(world: World, options: ClientOptions) {
    this.world = world
    this.options = options
    this.left = options.writes
  }

  start(count: number): void {
    for (let i = 0; i < count; i++) {
      this.busy++
      void this.live().then(() => this.busy--)
    }
  }

  private async live(): Promise<void> {
    while (this.left > 0) {
      await this.world.sleep(
        this.world.chance(0.3) ? 0 : this.world.between(0, this.options.restMs),
      )
      if (this.left-- > 0) await this.write()
    }
  }

  private async write(): Promise<void> {
    const { world } = this
    const search = this.search()
    const body = this.body()
    const attempts = world.integer(1, 5)
    for (let i = 0; i < attempts; i++) {
      const sending = world.pick(SENDING)
      const answer = this.options.relay()?.request(search, body, sending)
      // A client may lose patience; the relay does not learn of it.
      const patience = world.chance(0.1) ? world.between(1, 500) : 20_000
      const status = await Promise.race([answer, world.sleep(patience)])
      if (typeof status === 'number' && status < 500) return
      await world.sleep(world.between(50, 2000))
    }
  }

  private search(): string {
    const policy = this.world.chance(0.2) ? '&rp=long' : ''
    return `db=${this.world.pick(this.options.databases)}${policy}${this.world.pick(LEVELS)}`
  }

  private body(): string {
    const lines: string[] = []
    const count = this.world.chance(0.7) ? 1 : this.world.integer(2, 4)
    for (let i = 0; i < count; i++) lines.push(this.line())
    return this.world.chance(0.5) ? `${lines.join('\n')}\n` : lines.join('\n')
  }

  private line(): string {
    const { world } = this
    const { sharedPoints, servers } = this.options
    const value = this.values.next()
    const fields = world.chance(0.2) ? `v=${value}i,w=${value}i` : `v=${value}i`
    const unique = ` ${FIRST_NS + BigInt(sharedPoints + value) * STEP_NS}`
    if (world.chance(0.02)) return `broken,s=${value}${unique}`
    if (world.chance(0.02)) return `conflict ${fields}${unique}`
    if (world.chance(0.02)) return `clash-${world.pick(servers)} ${fields}${unique}`
    if (world.chance(0.02)) return `now,s=${value} ${fields}`
    if (world.chance(0.4)) return `m,s=${world.pick(['a', 'b'])} ${fields}${unique}`
    return `shared ${fields} ${FIRST_NS + BigInt(world.integer(0, sharedPoints - 1)) * STEP_NS}`
  }
}
