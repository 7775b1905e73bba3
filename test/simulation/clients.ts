/** Clients that write, retry, time out, and send broken lines. */

import { credentialsOf } from './points.ts'
import type { ClientRequest, RelayProcess, Sending } from './relay-process.ts'
import type { World } from './world.ts'

const FIRST_NS = 1_600_000_000_000_000_000n

const LEVELS = ['', '', '', '', '&consistency=any', '&consistency=quorum', '&consistency=all']

/** Precisions, and their units in nanoseconds. */
const PRECISIONS = [
  ...[1, 2, 3, 4, 5].map(() => ['', 1n] as const),
  ...([['&precision=n', 1n] as const, ['&precision=s', 1_000_000_000n] as const] as const),
] as const

/** Some clients close the connection in the middle of a body. */
const SENDING: readonly Sending[] = [
  ...(['whole', 'whole', 'whole', 'whole', 'chunked', 'chunked'] as const),
  ...(['whole', 'gzip', 'gzip', 'cut short', 'gzip cut short'] as const),
]

export interface ClientOptions {
  readonly writes: number
  /** The longest pause of a client between two writes. */
  readonly restMs: number
  /** The most lines of one write. */
  readonly maxLines: number
  /** How many timestamps all clients write to. */
  readonly sharedPoints: number
  /** The time between two points. At ten minutes the gap ledger keeps their entries apart. */
  readonly stepMs: number
  readonly databases: readonly string[]
  /** User names; empty for no credentials. */
  readonly users: readonly string[]
  /** The share of writes that are datagrams. */
  readonly datagrams: number
  readonly servers: readonly string[]
  /** The relay, unless it is down. */
  relay(): RelayProcess | undefined
}

export class Clients {
  /** Clients that have not finished. */
  busy = 0
  private readonly world: World
  private readonly options: ClientOptions
  private left: number
  /** The number of the last value: each written value and each unique point has its own. */
  private values = 0

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

  /** A line that every server takes. */
  goodLine(): string {
    const value = ++this.values
    return `good v=${value}i ${this.uniqueStamp(value, 1n)}`
  }

  private async live(): Promise<void> {
    const { world, options } = this
    while (this.left > 0) {
      await world.sleep(world.chance(0.3) ? 0 : world.between(0, options.restMs))
      if (this.left-- <= 0) return
      if (world.chance(options.datagrams)) options.relay()?.datagram(this.body(1n))
      else await this.write()
    }
  }

  private async write(): Promise<void> {
    const { world } = this
    const request = this.request()
    const attempts = world.integer(1, 5)
    for (let i = 0; i < attempts; i++) {
      const answer = this.options.relay()?.request({ ...request, sending: world.pick(SENDING) })
      // A client may time out; the relay does not notice.
      const timeoutMs = world.chance(0.1) ? world.between(1, 500) : 20_000
      const status = await Promise.race([answer, world.sleep(timeoutMs)])
      if (typeof status === 'number' && status < 500) return
      await world.sleep(world.between(50, 2000))
    }
  }

  private request(): Omit<ClientRequest, 'sending'> {
    const { world } = this
    const [precision, unit] = world.pick(PRECISIONS)
    const user = world.pick(this.options.users)
    const database = world.pick(this.options.databases)
    const isLong = world.chance(0.2)
    const body = this.body(unit)
    const token = credentialsOf(user) || undefined
    if (world.chance(0.1)) {
      const bucket = `${database}${isLong ? '/long' : ''}`
      const path = `/api/v2/write?bucket=${bucket}${precision.replace('=n', '=ns')}`
      return { path, authorization: user === '' ? undefined : `Token ${user}:secret`, body }
    }
    const named = user !== '' && world.chance(0.3)
    const parameters = [
      ...[`db=${database}`, isLong ? '&rp=long' : '', precision, world.pick(LEVELS)],
      named ? `&u=${user}&p=secret` : '',
    ]
    return { path: `/write?${parameters.join('')}`, authorization: named ? undefined : token, body }
  }

  private body(unit: bigint): string {
    const lines: string[] = []
    const count = this.world.chance(0.7) ? 1 : this.world.integer(2, this.options.maxLines)
    for (let i = 0; i < count; i++) lines.push(this.line(unit))
    return this.world.chance(0.5) ? `${lines.join('\n')}\n` : lines.join('\n')
  }

  private line(unit: bigint): string {
    const { world } = this
    const { sharedPoints, servers } = this.options
    const value = ++this.values
    const fields = world.chance(0.2) ? `v=${value}i,w=${value}i` : `v=${value}i`
    const unique = ` ${this.uniqueStamp(value, unit)}`
    if (world.chance(0.02)) return `broken,s=${value}${unique}`
    if (world.chance(0.02)) return `conflict ${fields}${unique}`
    if (world.chance(0.02)) return `clash-${world.pick(servers)} ${fields}${unique}`
    if (world.chance(0.02)) return `now,s=${value} ${fields}`
    if (world.chance(0.4)) return `m,s=${world.pick(['a', 'b'])} ${fields}${unique}`
    return `shared ${fields} ${this.stamp(world.integer(0, sharedPoints - 1), unit)}`
  }

  private uniqueStamp(value: number, unit: bigint): bigint {
    return this.stamp(this.options.sharedPoints + value, unit)
  }

  private stamp(step: number, unit: bigint): bigint {
    return (FIRST_NS + BigInt(step * this.options.stepMs) * 1_000_000n) / unit
  }
}
