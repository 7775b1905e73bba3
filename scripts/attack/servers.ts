/** The servers behind the relays under attack. */

import { join } from 'node:path'
import { NullBackend } from '../../bench/backends.ts'
import { bin } from '../../bench/paths.ts'
import { Service } from '../../bench/service.ts'
import type { Addressed } from '../../bench/subjects.ts'
import { type Influxd, startInfluxd } from '../../test/real/influxd.ts'
import { choosePorts } from '../../test/real/ports.ts'
import type { Pair } from './case.ts'
import type { Behaviour } from './hostile-server.ts'

const DATABASES = ['probe', 'attack']

export class Servers {
  readonly #influxd: readonly [Influxd, Influxd]
  readonly #others = new Map<string, Promise<Addressed>>()

  private constructor(influxd: readonly [Influxd, Influxd]) {
    this.#influxd = influxd
  }

  static async start(): Promise<Servers> {
    const influxd = await Promise.all([startInfluxd(), startInfluxd()])
    for (const server of influxd) {
      for (const name of DATABASES) await server.query(`CREATE DATABASE ${name}`)
    }
    return new Servers(influxd)
  }

  /** Two real servers. */
  async real(): Promise<readonly [Influxd, Influxd]> {
    return this.#influxd
  }

  /** A real server, and one that harms the relay. */
  async realAndHostile(behaviour: Behaviour): Promise<Pair> {
    return [this.#influxd[0], await this.hostile(behaviour)]
  }

  hostile(behaviour: Behaviour): Promise<Addressed> {
    return this.#once(behaviour, () =>
      Service.start({
        name: behaviour,
        command: (port) => [
          bin('bun'),
          'run',
          join(import.meta.dirname, 'hostile-server.ts'),
          String(port),
          behaviour,
        ],
      }),
    )
  }

  /** Two servers that take every write and keep nothing. */
  async nulls(): Promise<Pair> {
    return [await this.#null(1), await this.#null(2)]
  }

  /** A server that takes every write and keeps nothing, and an address where nothing listens. */
  async nullAndDown(): Promise<Pair> {
    const { http } = await choosePorts()
    return [await this.#null(1), { url: `http://127.0.0.1:${http}` }]
  }

  /** How many points of the probe each real server has; undefined of others. */
  async stored(server: Addressed, measurement: string): Promise<number | undefined> {
    const influxd = this.#influxd.find(({ url }) => url === server.url)
    if (!influxd) return undefined
    const { results } = await influxd.query(`SELECT count(v) FROM "${measurement}"`, {
      db: 'probe',
    })
    return results[0].series?.[0].values[0][1] ?? 0
  }

  async stop(): Promise<void> {
    for (const server of this.#influxd) await server.stop()
  }

  #null(number: number): Promise<Addressed> {
    return this.#once(`null ${number}`, () => NullBackend.start())
  }

  #once(name: string, start: () => Promise<Addressed>): Promise<Addressed> {
    const started = this.#others.get(name) ?? start()
    this.#others.set(name, started)
    return started
  }
}
