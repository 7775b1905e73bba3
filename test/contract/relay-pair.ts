/** Two relays in front of the same servers, which know each other. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Influxd } from '../real/influxd.ts'
import { choosePorts } from '../real/ports.ts'
import { httpRelay, output } from './bench.ts'
import { type RelayProcess, startRelay } from './relay-process.ts'

export class RelayPair {
  readonly ports: readonly number[]
  private readonly dir: string
  private readonly command: readonly string[]
  private readonly servers: Readonly<Record<string, Influxd>>
  private readonly keys: Record<string, unknown>
  private readonly relays: (RelayProcess | undefined)[] = [undefined, undefined]

  /**
   * @param servers by the names of their outputs
   * @param keys for each output
   */
  static async create(
    command: readonly string[],
    servers: Readonly<Record<string, Influxd>>,
    keys: Record<string, unknown> = {},
  ): Promise<RelayPair> {
    const dir = await mkdtemp(join(tmpdir(), 'pair-'))
    const ports = [(await choosePorts()).http, (await choosePorts()).http]
    return new RelayPair(command, servers, keys, dir, ports)
  }

  private constructor(
    command: readonly string[],
    servers: Readonly<Record<string, Influxd>>,
    keys: Record<string, unknown>,
    dir: string,
    ports: readonly number[],
  ) {
    this.command = command
    this.servers = servers
    this.keys = keys
    this.dir = dir
    this.ports = ports
  }

  urlOf(i: number): string {
    return `http://127.0.0.1:${this.ports[i]}`
  }

  relay(i: number): RelayProcess {
    const relay = this.relays[i]
    if (!relay) throw new Error(`relay ${i} does not run`)
    return relay
  }

  async start(i: number): Promise<RelayProcess> {
    const outputs = Object.entries(this.servers).map(([name, server]) =>
      output(name, server, {
        ...{ 'buffer-size-mb': 64, 'max-delay-interval': '200ms', ...this.keys },
      }),
    )
    const block = {
      'bind-addr': `127.0.0.1:${this.ports[i]}`,
      peers: [0, 1].map((j) => this.urlOf(j)),
    }
    const relay = await startRelay(
      this.command,
      httpRelay(outputs, block, { 'data-dir': join(this.dir, `${i}`) }),
    )
    this.relays[i] = relay
    return relay
  }

  async kill(i: number): Promise<void> {
    await this.relays[i]?.stop('SIGKILL')
    this.relays[i] = undefined
  }

  async end(): Promise<void> {
    for (const relay of this.relays) await relay?.end()
    await rm(this.dir, { recursive: true, force: true })
  }
}
