/**
 * One simulated story: clients write through a relay to servers, while servers, network, disk and power
 * do what they like; then all is well, and what must be true is checked.
 */

import process from 'node:process'
import { parseLedger } from '../../src/ledger-file.ts'
import { FakeDisk, type OperationKind } from '../fake-disk.ts'
import { findFaults, type Records } from './checks.ts'
import { Clients } from './clients.ts'
import { Network } from './network.ts'
import { probe } from './probe.ts'
import { RelayProcess } from './relay-process.ts'
import { chooseLife, chooseSettings, type LifeSettings, type Settings } from './settings.ts'
import { SimulatedInfluxDB } from './simulated-influxdb.ts'
import { trouble, wearOut } from './weather.ts'
import { Witness } from './witness.ts'
import { World } from './world.ts'

/** By then clients must have finished, and some time after the last trouble all must be delivered. */
const STORY_MS = 600_000
const DRAIN_MS = 300_000

/** By then what could not be entered in the ledger before is there. */
const RECORDS_MS = 5000

/** Operations before and after which a power cut tells most. */
const TELLING: readonly OperationKind[] = ['remove', 'rename', 'truncate', 'syncFolder', 'sync']

/** A story has some thousand events; one that has so many, or disk operations in one, goes in circles. */
const MAX_EVENTS = 1_000_000
const MAX_OPERATIONS = 100_000

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
  const simulation = new Simulation(seed)
  const onRejection = (reason: unknown) => simulation.fault(`nobody handles a rejection: ${reason}`)
  process.on('unhandledRejection', onRejection)
  try {
    return await simulation.run()
  } finally {
    process.off('unhandledRejection', onRejection)
  }
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
  private readonly settings: Settings
  private readonly servers: readonly SimulatedInfluxDB[]
  private readonly witness: Witness
  private readonly network: Network
  private readonly clients: Clients
  private readonly lives: LifeSettings[] = []
  private disk: FakeDisk
  private process: RelayProcess | undefined
  private isPeaceful = false
  /** Resolves when the relay will not lose its power any more. */
  private danger = Promise.resolve()

  constructor(seed: number) {
    this.seed = seed
    const world = new World(seed)
    this.world = world
    const settings = chooseSettings(world)
    this.settings = settings
    this.servers = settings.servers.map((name) => new SimulatedInfluxDB(name, world))
    this.witness = new Witness(world, this.servers, settings)
    this.network = new Network(world, this.witness, this.servers)
    this.disk = this.prepare(new FakeDisk())
    this.clients = new Clients(world, { ...settings.writing, relay: () => this.process })
  }

  async run(): Promise<Report> {
    const { world, settings } = this
    this.boot()
    this.clients.start(settings.clients)
    const isOver = () => this.isPeaceful
    for (const server of this.servers) void trouble(server, world, settings, isOver)
    if (settings.isDiskFailing)
      void wearOut(
        () => this.disk,
        world,
        () => this.cutNow(),
        isOver,
      )
    if (settings.isPowerFailing) this.danger = this.cutPower()
    if (world.chance(0.2)) void this.intrude()
    const finished = await world.run(STORY_MS, () => this.watch() || this.clients.busy === 0)
    if (!finished) this.fault('clients wait for ever')
    await this.makePeace()
    return this.report()
  }

  private async makePeace(): Promise<void> {
    const { world, servers } = this
    world.log('all is well from here on')
    this.isPeaceful = true
    this.disk.heal()
    for (const server of servers) {
      server.become('well')
      server.resent(undefined)
    }
    await this.until(this.danger)
    const isLeavingDisk = this.settings.isDurable && !this.process?.settings.isDurable
    if (isLeavingDisk && this.process) this.end(this.disk.kill())
    await this.drain()
    await this.probe()
    await this.drain()
    await world.run(world.now() + RECORDS_MS, () => this.watch())
    if (this.witness.faults.size > 0) return
    const { acceptances } = this.witness
    const { isAmple, isDiskFailing, maxInFlight } = this.settings
    const options = this.lives.flatMap(({ backends }) => backends.slice(0, 1))
    const rules = {
      isOrdered: maxInFlight === 1,
      ...{ isAmple, isDiskFailing },
      mayDrop: options.some(({ folder, whenFull }) => !folder || whenFull !== 'reject'),
      minMaxAgeMs: Math.min(...options.map(({ maxAgeMs = Number.POSITIVE_INFINITY }) => maxAgeMs)),
    }
    for (const fault of findFaults(acceptances, servers, this.records(), rules)) this.fault(fault)
  }

  private async drain(): Promise<void> {
    const end = this.world.now() + DRAIN_MS
    if (await this.world.run(end, () => this.watch() || this.isQuiet())) return
    this.fault(`not all is delivered: ${this.undelivered()}`)
  }

  private async probe(): Promise<void> {
    const { world, servers, process, clients } = this
    if (this.witness.faults.size > 0 || !process) return
    const fault = await this.until(probe(world, servers, process, clients))
    if (fault !== undefined) this.fault(fault)
  }

  /** Lets things happen until a promise is resolved, or something is wrong. */
  private async until<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    let result: { readonly value: Value } | undefined
    void promise.then((value) => {
      result = { value }
    })
    const end = this.world.now() + STORY_MS
    await this.world.run(end, () => this.watch() || result !== undefined)
    return result?.value
  }

  fault(text: string): void {
    this.witness.faults.add(text)
  }

  private report(): Report {
    const { acceptances, faults } = this.witness
    return {
      seed: this.seed,
      faults: [...faults],
      trace: this.world.trace,
      writes: acceptances.length,
      acknowledged: acceptances.filter(({ status }) => status === 204).length,
      lives: this.lives.length,
    }
  }

  private boot(): void {
    const { world, network, witness, disk } = this
    const life = chooseLife(world, this.settings, this.isPeaceful)
    this.lives.push(life)
    world.log(`life ${this.lives.length} begins`)
    const relay = new RelayProcess({ world, network, witness }, disk, life)
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
    this.witness.lifeEnded()
    this.disk = this.prepare(disk)
    this.world.after(this.world.between(10, 3000), () => this.boot())
  }

  /** Another relay is started on the same data, or with the same buffers: it must not come up. */
  private async intrude(): Promise<void> {
    const { world, network, witness } = this
    await world.sleep(world.between(100, 20_000))
    const { process, disk } = this
    if (!process?.relay || this.isPeaceful) return
    const ownData = this.settings.isDurable && world.chance(0.5)
    const life = { ...process.settings, ...(ownData ? { dataDir: 'other' } : {}) }
    world.log(`another relay begins in ${life.dataDir}`)
    const intruder = new RelayProcess({ world, network, witness }, disk, life)
    try {
      await intruder.start()
      if (!process.isDead) this.fault(`two relays run in ${life.dataDir}`)
    } catch (error) {
      world.log(`another relay cannot start: ${(error as Error).message}`)
    }
  }

  /** The relay loses its power now and then, or is killed, or stopped. */
  private async cutPower(): Promise<void> {
    const { world } = this
    while (!this.isPeaceful) {
      // Some lives are short: what the one before them left unsynced is at stake again.
      await world.sleep(world.chance(0.3) ? world.between(1, 300) : world.between(100, 15_000))
      const { process, disk } = this
      if (this.isPeaceful || !process) continue
      if (world.chance(0.6)) await this.untilOperation(disk)
      if (process.isDead) continue
      const kind = world.pick(['power cut', 'power cut', 'kill', 'kill', 'stop'] as const)
      world.log(kind)
      if (kind === 'stop') await Promise.race([process.stop(), world.sleep(1000)])
      if (process.isDead) continue
      this.end(kind === 'power cut' ? disk.crash(world.random) : disk.kill())
    }
  }

  private cutNow(): void {
    const { process, disk, world } = this
    if (!process || this.isPeaceful || !this.settings.isPowerFailing) return
    world.log('power cut')
    this.end(disk.crash(world.random))
  }

  /** Resolves in the middle of one of the next operations, or when none comes. */
  private async untilOperation(disk: FakeDisk): Promise<void> {
    const { world } = this
    const nth = world.chance(0.5) ? world.integer(1, 10) : world.integer(1, 60)
    const stopped = world.chance(0.3)
      ? disk.stopAt(1, world.random, [world.pick(TELLING)])
      : disk.stopAt(nth, world.random)
    await Promise.race([stopped, world.sleep(10_000)])
  }

  private prepare(disk: FakeDisk): FakeDisk {
    const { world } = this
    const { slowness } = this.settings
    let turn = 0
    let operations = 0
    disk.before = () => {
      if (turn !== world.turns) operations = 0
      turn = world.turns
      if (++operations > MAX_OPERATIONS) {
        this.fault('the relay does not leave the disk alone')
        return new Promise(() => {})
      }
      if (world.chance(slowness)) {
        return world.sleep(world.chance(0.05) ? world.between(10, 500) : world.between(0.1, 8))
      }
    }
    return disk
  }

  /** Checks what must be true at any moment. True to end the story at once. */
  private watch(): boolean {
    this.witness.look()
    if (this.world.turns > MAX_EVENTS) this.fault('there is no end of events')
    const { process } = this
    const [options] = process?.settings.backends ?? []
    for (const { name, queue } of process?.relay?.backends ?? []) {
      if (!options) continue
      const onDisk = queue.isDurable ? queue.store.bytes : 0
      const bound = Math.max(options.bufferBytes, process?.inherited.get(name) ?? 0)
      if (onDisk > bound) this.fault(`${name} has ${onDisk} bytes on disk, more than ${bound}`)
      const inMemory = queue.bytes - onDisk
      const room = options.pendingBytes + (queue.isDurable ? 0 : options.bufferBytes)
      if (inMemory > room) this.fault(`${name} has ${inMemory} bytes in memory, of ${room}`)
    }
    return this.witness.faults.size > 0
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
    return { ledger, letters: this.settings.isDurable ? letters : undefined }
  }
}
