/** Clients that query, and the check that each is answered by a server that has what was acknowledged before. */

import type { RelayProcess } from './relay-process.ts'
import type { Settings } from './settings.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { Acceptance } from './witness.ts'
import type { World } from './world.ts'

/** Longer than all attempts of a relay together. */
const TIMEOUT_MS = 60_000

export interface ReaderParts {
  readonly world: World
  readonly servers: readonly SimulatedInfluxDB[]
  readonly settings: Settings
  readonly acceptances: readonly Acceptance[]
  relay(): RelayProcess | undefined
  fault(text: string): void
}

/** A query that has no answer yet. */
interface OpenQuery {
  readonly number: number
  readonly database: string
  /** What was acknowledged before it came. */
  readonly acknowledged: readonly Acceptance[]
  /** What each server lacked of it when the server ran the query. */
  readonly lacking: Map<string, Acceptance[]>
}

export class Readers {
  /** Readers that have not finished. */
  busy = 0
  private readonly parts: ReaderParts
  private readonly open = new Map<number, OpenQuery>()
  private queries = 0

  constructor(parts: ReaderParts) {
    this.parts = parts
  }

  start(count: number, queries: number): void {
    for (let i = 0; i < count; i++) {
      this.busy++
      void this.live(queries).then(() => this.busy--)
    }
  }

  /** A server runs a query. */
  ran(server: SimulatedInfluxDB, number: number): void {
    const query = this.open.get(number)
    if (!query) return
    const lacking = query.acknowledged.filter(({ points }) => !server.hasSeen(points))
    query.lacking.set(server.name, lacking)
  }

  /** Everything is delivered, and nothing fails: each database must be read without delay. */
  async checkAtRest(): Promise<void> {
    const { world, settings, servers, fault } = this.parts
    for (const database of settings.writing.databases) {
      const startedAt = world.now()
      const answer = await this.query(database)
      if (answer?.status !== 200) fault(`a query at rest is answered ${answer?.status}`)
      const backends = this.parts.relay()?.relay?.backends ?? []
      const hasComplete = backends.some((backend) => !backend.shortage(new Set([database])))
      if (hasComplete && answer?.isBehind)
        fault('a query at rest is answered by a server that is behind')
      if (world.now() - startedAt > 1000 * servers.length) fault('a query at rest takes long')
    }
  }

  private async live(queries: number): Promise<void> {
    const { world, settings } = this.parts
    for (let i = 0; i < queries; i++) {
      await world.sleep(world.chance(0.3) ? 0 : world.between(0, 2 * settings.writing.restMs))
      await this.query(world.pick(settings.writing.databases))
    }
  }

  private async query(
    database: string,
  ): Promise<{ status: number; isBehind: boolean } | undefined> {
    const { world, acceptances, fault, settings } = this.parts
    const process = this.parts.relay()
    if (!process?.relay) return undefined
    const number = ++this.queries
    const acknowledged = acceptances.filter(
      ({ status, target, isExcused }) =>
        status === 204 && !isExcused && target.database === database,
    )
    const query = { number, database, acknowledged, lacking: new Map<string, Acceptance[]>() }
    this.open.set(number, query)
    const complete = this.completeNow(process, database)
    const startedAt = world.now()
    world.log(`query ${number} of ${database}`)
    const answer = await Promise.race([
      process.query(`/query?db=${database}&q=SELECT+q${number}+FROM+m`),
      world.sleep(TIMEOUT_MS).then(() => 'late' as const),
    ])
    this.open.delete(number)
    if (answer === 'late') fault(`query ${number} is never answered`)
    if (answer === undefined || answer === 'late') return undefined
    const { status, server, behind } = answer
    world.log(`query ${number} is answered ${status} by ${server}, ${behind ?? 'complete'}`)
    const isBehind = behind !== undefined
    // A life without buffers on disk does not know what another has left there.
    if (settings.isSwitching || server === undefined) return { status, isBehind }
    const [lacked] = query.lacking.get(server) ?? []
    if (lacked && !isBehind) {
      fault(`query ${number} is answered by ${server}, which lacks #${lacked.number}`)
    }
    const better = complete.find((one) => one.changedAt < startedAt && settings.lossiness === 0)
    if (isBehind && better) {
      fault(`query ${number} is answered by ${server}, which is behind; ${better.name} was not`)
    }
    return { status, isBehind }
  }

  /** The servers that are up and that have everything, as the relay knows. */
  private completeNow({ relay }: RelayProcess, database: string): SimulatedInfluxDB[] {
    const databases = new Set([database])
    return this.parts.servers.filter(({ name, state }) => {
      const backend = relay?.backends.find((one) => one.name === name)
      if (!backend || state !== 'well') return false
      return backend.queue.marks(databases).length === 0 && !backend.shortage(databases)
    })
  }
}
