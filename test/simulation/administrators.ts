/** Clients that send statements, and the check that every server executes what was acknowledged. */

import type { GapEntry } from '../../src/losses/gap.ts'
import type { RelayProcess } from './relay-process.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

export interface AdministratorParts {
  readonly world: World
  readonly databases: readonly string[]
  /** The longest pause between two statements. */
  readonly restMs: number
  relay(): RelayProcess | undefined
}

export class Administrators {
  /** Those that have not finished. */
  busy = 0
  private readonly parts: AdministratorParts
  /** The database of each statement. */
  private readonly databases = new Map<number, string>()

  constructor(parts: AdministratorParts) {
    this.parts = parts
  }

  start(count: number, statements: number): void {
    for (let i = 0; i < count; i++) {
      this.busy++
      void this.live(statements).then(() => this.busy--)
    }
  }

  /** The acknowledged statements that a server has neither executed nor lacks according to the gap ledger. */
  lackedBy(
    { name, executed }: SimulatedInfluxDB,
    acknowledged: ReadonlySet<number>,
    ledger: readonly GapEntry[],
  ): string[] {
    const isEntered = (number: number) =>
      ledger.some(
        ({ backend, database, writes }) =>
          backend === name && database === this.databases.get(number) && writes > 0,
      )
    return [...acknowledged]
      .filter((number) => !executed.has(number) && !isEntered(number))
      .map((number) => `${name} has not executed statement ${number}`)
  }

  private async live(statements: number): Promise<void> {
    const { world, databases, restMs, relay } = this.parts
    for (let i = 0; i < statements; i++) {
      await world.sleep(world.between(0, 4 * restMs))
      const database = world.pick(databases)
      const number = this.databases.size + 1
      this.databases.set(number, database)
      const path = `/query?db=${database}&q=DELETE+FROM+s${number}+WHERE+time+<+now()`
      world.log(`statement ${number} of ${database}`)
      const answer = relay()?.request({
        path,
        authorization: undefined,
        body: '',
        sending: 'whole',
      })
      const status = await Promise.race([answer, world.sleep(20_000)])
      world.log(`statement ${number} is answered ${status}`)
    }
  }
}
