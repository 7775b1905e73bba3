import { afterAll, beforeAll, expect, onTestFinished, vi } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { type Configuration, patience, type RelayProcess, startRelay } from './relay-process.ts'

type Keys = Record<string, unknown>

/** The database that both servers of a bench write their datagrams to. */
export const UDP_DATABASE = 'by_udp'

export type Runtime = 'bun' | 'deno' | 'node'

/** How many lanes, and clients that go away, the costliest tests use. */
export type Size = 'full' | 'small'

/** What the tests of one way to run the relay have in common: two real servers, and the command. */
export class Bench {
  readonly runtime: Runtime
  readonly command: readonly string[]
  readonly size: Size
  #servers: Influxd[] = []
  #databases = 0

  constructor(runtime: Runtime, command: readonly string[], size: Size) {
    this.runtime = runtime
    this.command = command
    this.size = size
  }

  get a(): Influxd {
    return this.#servers[0] as Influxd
  }

  get b(): Influxd {
    return this.#servers[1] as Influxd
  }

  async start(): Promise<void> {
    const options = { udp: { database: UDP_DATABASE } }
    this.#servers = await Promise.all([startInfluxd(options), startInfluxd(options)])
    await this.query(`CREATE DATABASE ${UDP_DATABASE}`)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()))
  }

  /** Makes a database of a new name on both servers, with retention policies beside its own. */
  async database(...policies: string[]): Promise<string> {
    const name = `d${++this.#databases}`
    await this.query(`CREATE DATABASE ${name}`)
    for (const policy of policies) {
      await this.query(`CREATE RETENTION POLICY "${policy}" ON ${name} DURATION INF REPLICATION 1`)
    }
    return name
  }

  /** Outputs for both servers. */
  outputs(keys: Keys = {}): Keys[] {
    return [output('a', this.a, keys), output('b', this.b, keys)]
  }

  /** Asks both servers. */
  async query(q: string): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.query(q)))
  }

  /** Runs a relay until the end of the test. */
  async relay(configuration: Configuration, command = this.command): Promise<RelayProcess> {
    const relay = await startRelay(command, configuration)
    onTestFinished(() => relay.end())
    return relay
  }

  /** Waits until both servers hold exactly these rows, in any order. */
  async expectRows(db: string, rows: readonly string[], measurement?: string): Promise<void> {
    for (const server of this.#servers) await this.expectRowsAt(server, db, rows, measurement)
  }

  /** The same for one of them. */
  async expectRowsAt(
    server: Influxd,
    db: string,
    rows: readonly string[],
    measurement?: string,
  ): Promise<void> {
    const expected = [...rows].sort()
    await vi.waitFor(
      async () => expect(await server.rows(db, measurement)).toEqual(expected),
      patience,
    )
  }

  /** Waits until both servers hold the same rows, this many or any at all; returns them. */
  async expectSameRows(db: string, count?: number, measurement?: string): Promise<string[]> {
    return vi.waitFor(async () => {
      const [rows, others] = await Promise.all(
        this.#servers.map((server) => server.rows(db, measurement)),
      )
      expect(rows?.length).toBe(count ?? others?.length)
      expect(others).toEqual(rows)
      return rows as string[]
    }, patience)
  }
}

/** A bench for the tests of the current file or describe block. */
export function setUpBench(runtime: Runtime, command: readonly string[], size: Size): Bench {
  const bench = new Bench(runtime, command, size)
  beforeAll(() => bench.start())
  afterAll(() => bench.stop())
  return bench
}

/** One relay for all tests of the current describe block. */
export function setUpRelay(bench: Bench, configuration: () => Configuration): () => RelayProcess {
  let relay: RelayProcess
  beforeAll(async () => {
    relay = await startRelay(bench.command, configuration())
  })
  afterAll(() => relay?.end())
  return () => relay
}

/** An output for a server that answers at `url`. */
export const output = (name: string, { url }: { url: string }, keys: Keys = {}) => ({
  name,
  location: `${url}/write`,
  timeout: '20s',
  ...keys,
})

/** An output that refuses every connection: nothing may listen on this port. */
export const down = (name: string, keys: Keys = {}) =>
  output(name, { url: 'http://127.0.0.1:1' }, keys)

/** A configuration with one HTTP relay, on a port of the system's choice. */
export const httpRelay = (outputs: readonly Keys[], keys: Keys = {}, file: Keys = {}) => ({
  ...file,
  http: [{ name: 'in', 'bind-addr': '127.0.0.1:0', ...keys, output: outputs }],
})

/** The same for UDP. */
export const udpRelay = (outputs: readonly Keys[], keys: Keys = {}) => ({
  udp: [{ name: 'in', 'bind-addr': '127.0.0.1:0', ...keys, output: outputs }],
})
