/**
 * One simulated story: clients write through a relay to servers, while servers, network, disk and power
 * do what they like; then all is well, and what must be true is checked.
 */

import type { BackendOptions } from '../../src/backend.ts'
import { parseLedger } from '../../src/ledger-file.ts'
import { FakeDisk } from '../fake-disk.ts'
import { DEFAULTS } from '../relay-fixture.ts'
import { findFaults, type Records } from './checks.ts'
import { Clients } from './clients.ts'
import { History } from './history.ts'
import { Network } from './network.ts'
import { DATA, RelayProcess } from './relay-process.ts'
import { SimulatedInfluxDB } from './simulated-influxdb.ts'
import { trouble, wearOut } from './weather.ts'
import { World } from './world.ts'

/** By then clients must have finished, and some time after the last trouble all must be delivered. */
const STORY_MS = 600_000
const DRAIN_MS = 300_000

/** By then what could not be entered in the ledger before is there. */
const RECORDS_MS = 5000

export interface Report {
  readonly seed: number
  /** What does not hold; nothing, one hopes. */
  readonly faults: readonly string[]
  readonly trace: readonly string[]
  readonly writes: number
  readonly acknowledged: number
  readonly lives: number
}

/** Tells the story of a seed. */
export async function simulate(seed: number): Promise<Report> {
  return new Simulation(seed).run()
}

/** The report of a failed run, for people. */
export function describeFailure({ seed, faults, trace }: Report): string {
  return [
    ...trace,
    `seed ${seed}: to see it again, bun run scripts/simulate.ts --seed ${seed} --runs 1`,
    ...faults,
  ].join('\n')
}

class Simulation {
  private readonly seed: number
  private readonly world: World
  private readonly history = new History()
  private readonly servers: readonly SimulatedInfluxDB[]
  private readonly network: Network
  private readonly clients: Clients
  private readonly faults = new Set<string>()
  private readonly slowness: number
  /** Without buffers on disk a crash loses what is buffered, as it may: then there is none. */
  private readonly isDurable: boolean
  private disk: FakeDisk
  private process: RelayProcess | undefined
  private lives = 0
  private isPeaceful = false

  constructor(seed: number) {
    this.seed = seed
    const world = new World(seed)
    this.world = world
    const names = ['a', 'b', 'c'].slice(0, world.integer(2, 3))
    this.servers = names.map((name) => new SimulatedInfluxDB(name, world))
    this.network = new Network(world, this.servers)
    this.isDurable = world.chance(0.85)
    this.slowness = world.pick([0, 0, 0.1, 0.4])
    this.disk = this.prepare(new FakeDisk())
    this.clients = new Clients(world, {
      writes: world.integer(20, 120),
      restMs: world.pick([2000, 1000, 1000, 20]),
      sharedPoints: world.pick([1, 4, 4]),
      databases: world.chance(0.5) ? ['d'] : ['d', 'e'],
      servers: names,
      relay: () => this.process,
    })
  }

  async run(): Promise<Report> {
    const { world } = this
    this.boot()
    this.clients.start(world.integer(2, 12))
    const isOver = () => this.isPeaceful
    for (const server of this.servers) void trouble(server, world, isOver)
    if (world.chance(0.5)) void wearOut(() => this.disk, world, isOver)
    if (this.isDurable && world.chance(0.7)) void this.cutPower()
    const finished = await world.run(STORY_MS, () => this.watch() || this.clients.busy === 0)
    if (!finished) this.faults.add('clients wait for ever')
    await this.makePeace()
    return this.report()
  }

  private async makePeace(): Promise<void> {
    const { world } = this
    world.log('all is well from here on')
    this.isPeaceful = true
    this.disk.heal()
    for (const server of this.servers) server.become('well')
    const end = world.now() + DRAIN_MS
    if (!(await world.run(end, () => this.watch() || this.isQuiet()))) {
      this.faults.add(`not all is delivered: ${this.undelivered()}`)
    }
    await world.run(world.now() + RECORDS_MS, () => this.watch())
    if (this.faults.size > 0) return
    for (const fault of findFaults(this.history.acceptances, this.servers, this.records())) {
      this.faults.add(fault)
    }
  }

  private report(): Report {
    const { acceptances } = this.history
    return {
      seed: this.seed,
      faults: [...this.faults],
      trace: this.world.trace,
      writes: acceptances.length,
      acknowledged: acceptances.filter(({ isAcknowledged }) => isAcknowledged).length,
      lives: this.lives,
    }
  }

  private boot(): void {
    const { world, network, history, disk } = this
    this.lives++
    world.log(`life ${this.lives} begins`)
    const relay = new RelayProcess({ world, network, history }, disk, this.backends())
    this.process = relay
    relay.start().catch((error: Error) => {
      if (relay.isDead) return
      world.log(`relay cannot start: ${error.message}`)
      this.end(disk.kill())
    })
  }

  /** Ends the relay; another one begins later with the disk that is left. */
  private end(disk: FakeDisk): void {
    this.process?.die()
    this.process = undefined
    this.disk = this.prepare(disk)
    this.world.after(this.world.between(10, 3000), () => this.boot())
  }

  /** The relay loses its power now and then, or is killed, or stopped. */
  private async cutPower(): Promise<void> {
    const { world } = this
    while (!this.isPeaceful) {
      await world.sleep(world.between(100, 15_000))
      const { process, disk } = this
      if (this.isPeaceful || !process) continue
      if (world.chance(0.6)) await this.untilOperation(disk)
      if (process.isDead) continue
      const kind = world.pick(['power cut', 'power cut', 'kill', 'stop'] as const)
      world.log(kind)
      if (kind === 'stop') await Promise.race([process.relay?.close(), world.sleep(1000)])
      if (process.isDead) continue
      this.end(kind === 'power cut' ? disk.crash(world.random) : disk.kill())
    }
  }

  /** Resolves in the middle of one of the next operations, or when none comes. */
  private async untilOperation(disk: FakeDisk): Promise<void> {
    const nth = this.world.chance(0.5) ? this.world.integer(1, 10) : this.world.integer(1, 60)
    const stopped = disk.stopAt(nth, this.world.random)
    await Promise.race([stopped, this.world.sleep(10_000)])
  }

  private prepare(disk: FakeDisk): FakeDisk {
    const { world, slowness } = this
    disk.before = () => {
      if (world.chance(slowness)) {
        return world.sleep(world.chance(0.05) ? world.between(10, 500) : world.between(0.1, 8))
      }
    }
    return disk
  }

  /** A configuration, another one in each life. */
  private backends(): BackendOptions[] {
    const { world } = this
    const options = {
      ...DEFAULTS,
      bufferBytes: world.pick([1000, 4000, 100_000]),
      whenFull: world.pick(['reject', 'drop-oldest', 'drop-newest'] as const),
      maxBatchBytes: world.pick([100, 400, 4000]),
      maxAgeMs: world.chance(0.15) ? world.integer(1000, 20_000) : undefined,
      timeoutMs: world.integer(500, 5000),
      maxDelayMs: world.integer(500, 4000),
      pendingBytes: world.pick([3000, 100_000]),
      replayRate: this.seed % 4 === 0 ? 2000 : 0,
    }
    return this.servers.map(({ name }) => ({
      ...options,
      name,
      writeUrl: `http://${name}/write`,
      folder: this.isDurable ? `${DATA}/${name}` : undefined,
    }))
  }

  /** Checks what must be true at any moment. True to end the story at once. */
  private watch(): boolean {
    const { process } = this
    for (const { name, queue } of process?.relay?.backends ?? []) {
      const options = process?.options[0] as BackendOptions
      const onDisk = queue.isDurable ? queue.store.bytes : 0
      const bound = Math.max(options.bufferBytes, process?.inherited.get(name) ?? 0)
      if (onDisk > bound) this.faults.add(`${name} has ${onDisk} bytes on disk, more than ${bound}`)
      const inMemory = queue.bytes - onDisk
      const room = options.pendingBytes + (queue.isDurable ? 0 : options.bufferBytes)
      if (inMemory > room) this.faults.add(`${name} has ${inMemory} bytes in memory, of ${room}`)
    }
    return this.faults.size > 0
  }

  private isQuiet(): boolean {
    const relay = this.process?.relay
    if (!relay || this.process?.unanswered !== 0) return false
    return relay.backends.every(({ queue }) => queue.isEmpty && queue.bytes === 0)
  }

  private undelivered(): string {
    const { process } = this
    const queues = process?.relay?.backends.map(
      ({ name, queue }) => `${name} ${queue.isEmpty ? 'empty' : 'not empty'} ${queue.bytes} bytes`,
    )
    return `${process?.unanswered} requests are not answered; ${queues?.join(', ')}`
  }

  /** What is left on disk if the power goes now. */
  private records(): Records {
    const ledger: Records['ledger'][number][] = []
    const letters = new Map<string, string>()
    for (const [path, bytes] of this.disk.crash(() => 0.99).files()) {
      const text = new TextDecoder().decode(bytes)
      const name = path.split('/').at(-1) as string
      if (name === 'gaps.jsonl') ledger.push(...parseLedger(text).entries)
      const [backend = ''] = name.split('.')
      if (path.includes('dead-letters')) letters.set(backend, (letters.get(backend) ?? '') + text)
    }
    // Without a buffer on disk there is nowhere to keep what a broken disk does not take as a letter.
    return { ledger, letters: this.isDurable ? letters : undefined }
  }
}
