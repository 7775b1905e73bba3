/**
 * One simulation: clients write through a relay to servers, while servers, network, disk and power fail at
 * random. Then all faults end, and the final state is checked.
 */

import process from 'node:process'
import { folderOf } from '../../src/disk/atomic-file.ts'
import { parseLedger } from '../../src/losses/gap-ledger-format.ts'
import { Administrators } from './administrators.ts'
import { findFaults, isEntered, type Records, type Rules } from './checks.ts'
import { Clients } from './clients.ts'
import { failDisk, failServer } from './faults.ts'
import { Machine } from './machine.ts'
import { Network } from './network.ts'
import { simulatePair } from './pair.ts'
import { probe } from './probe.ts'
import { Readers } from './readers.ts'
import type { RelayProcess } from './relay-process.ts'
import { chooseSettings, DATA, type Settings } from './settings.ts'
import { SimulatedInfluxDB } from './simulated-influxdb.ts'
import { type Acceptance, Witness } from './witness.ts'
import { World } from './world.ts'

/** Clients must have finished after the first, and everything must be delivered after the second. */
const CLIENTS_MS = 600_000
const DRAIN_MS = 300_000

/** Losses that could not be recorded before are recorded by then. */
const RECORDS_MS = 5000

/** The queries of each reader. */
const QUERIES = 30

/** The statements of each administrator. */
const STATEMENTS = 12

const LEDGER = 'gaps.jsonl'

/** A lane's folder, or a file of a lane. */
const LANE = /\/lane-\d/

/** How often the disk is measured, in events. */
const DISK_CHECK_TURNS = 20

/** What files of failed operations may take that the disk has refused to remove. */
const FAILED_BYTES = 16_384

/** How long lanes that were drained may take to remove their files. */
const IDLE_LANES_MS = 20_000

/** The least memory that a lane with files takes. */
const MIN_LANE_BYTES = 8 * 1024

/** Datagrams are taken without asking whether there is room for their lane. */
const DATAGRAM_LANES = 1

/** A simulation has some thousand events. More than this are an endless loop. */
const MAX_EVENTS = 1_000_000

export interface Report {
  readonly seed: number
  /** The checks that fail. */
  readonly faults: readonly string[]
  readonly trace: readonly string[]
  readonly writes: number
  readonly acknowledged: number
  readonly lives: number
}

/** One seed in sixteen is of two relays. The others are the same as without them. */
const SEEDS_PER_PAIR = 16
const PAIR = 12

/** Runs the simulation of a seed. */
export async function simulate(seed: number): Promise<Report> {
  if (seed % SEEDS_PER_PAIR === PAIR) return simulatePair(seed)
  const simulation = new Simulation(seed)
  const onRejection = (reason: unknown) => simulation.fault(`a rejection is not handled: ${reason}`)
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
  private readonly machine: Machine
  private readonly clients: Clients
  private readonly readers: Readers
  private readonly administrators: Administrators
  private areFaultsOver = false

  constructor(seed: number) {
    this.seed = seed
    const world = new World(seed)
    this.world = world
    const settings = chooseSettings(world, seed)
    this.settings = settings
    this.servers = settings.servers.map((name) => new SimulatedInfluxDB(name, world))
    this.witness = new Witness(world, this.servers, settings, (one) => this.lossOnPowerCut(one))
    const { witness } = this
    this.network = new Network(world, witness, this.servers, settings.lossiness)
    this.machine = new Machine({ world, network: this.network, witness }, settings)
    const relay = () => this.machine.process
    this.clients = new Clients(world, { ...settings.writing, relay })
    const { servers } = this
    const { acceptances } = witness
    const fault = (text: string) => this.fault(text)
    this.readers = new Readers({ world, servers, settings, acceptances, relay, fault })
    const { databases, restMs } = settings.writing
    this.administrators = new Administrators({ world, databases, restMs, relay })
    this.network.onQuery = (server, number) => this.readers.ran(server, number)
  }

  async run(): Promise<Report> {
    const { world, settings } = this
    this.machine.start()
    this.clients.start(settings.clients)
    this.readers.start(settings.readers, QUERIES)
    this.administrators.start(settings.administrators, STATEMENTS)
    const isOver = () => this.areFaultsOver
    for (const server of this.servers) void failServer(server, world, settings, isOver)
    if (settings.isDiskFailing) void failDisk(this.machine, world, isOver)
    const finished = await world.run(CLIENTS_MS, () => this.watch() || this.busy === 0)
    if (!finished) this.fault('a client is never answered')
    await this.endFaults()
    return this.report()
  }

  private get busy(): number {
    return this.clients.busy + this.readers.busy + this.administrators.busy
  }

  private async endFaults(): Promise<void> {
    const { world, servers } = this
    world.log('all faults end')
    this.areFaultsOver = true
    for (const server of servers) {
      server.become('well')
      server.restrict(undefined)
    }
    this.network.endFaults()
    await this.until(this.machine.endFaults())
    await this.drain()
    await this.probe()
    await this.drain()
    await world.run(world.now() + RECORDS_MS, () => this.watch())
    if (this.settings.readers > 0) await this.until(this.readers.checkAtRest())
    if (this.witness.faults.size > 0) return
    this.checkRemains()
    const { acceptances } = this.witness
    const { isAmple, isDiskFailing, maxInFlight } = this.settings
    const options = this.machine.lives.flatMap(({ backends }) => backends.slice(0, 1))
    const rules: Rules = {
      isOrdered: maxInFlight === 1,
      ...{ isAmple, isDiskFailing },
      hasRestarted: this.machine.lives.length > 1,
      hasReplied: (server, acceptance) => this.witness.hasReplied(server, acceptance),
      mayDrop: options.some(({ folder, whenFull }) => !folder || whenFull !== 'reject'),
      minMaxAgeMs: Math.min(...options.map(({ maxAgeMs = Number.POSITIVE_INFINITY }) => maxAgeMs)),
    }
    const { ledger } = this.records()
    for (const server of this.servers) {
      const { acknowledged } = this.witness.barriers
      const lacked = this.administrators.lackedBy(server, acknowledged, ledger)
      for (const fault of lacked) this.fault(fault)
    }
    for (const fault of findFaults(acceptances, servers, this.records(), rules)) this.fault(fault)
  }

  private async drain(): Promise<void> {
    const end = this.world.now() + DRAIN_MS
    if (await this.world.run(end, () => this.watch() || this.isQuiet())) return
    this.fault(`writes are not delivered: ${this.undelivered()}`)
  }

  private async probe(): Promise<void> {
    const { world, servers, clients } = this
    const { process } = this.machine
    if (this.witness.faults.size > 0 || !process) return
    // The probe needs lanes of its own, and those that were drained keep their files for a while.
    const backends = process.relay?.backends ?? []
    const isHalfFree = () =>
      backends.every(
        ({ queue, options }) => 2 * queue.laneCount * MIN_LANE_BYTES <= options.lanesBytes,
      )
    await world.run(world.now() + IDLE_LANES_MS, () => this.watch() || isHalfFree())
    const fault = await this.until(probe(world, servers, process, clients))
    if (fault !== undefined) this.fault(fault)
  }

  /** Runs events until a promise has resolved or a check fails. */
  private async until<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    let result: { readonly value: Value } | undefined
    void promise.then((value) => {
      result = { value }
    })
    const end = this.world.now() + CLIENTS_MS
    await this.world.run(end, () => this.watch() || result !== undefined)
    return result?.value
  }

  fault(text: string): void {
    this.witness.fault(text)
  }

  private report(): Report {
    const { acceptances, faults } = this.witness
    return {
      seed: this.seed,
      faults: [...faults],
      trace: this.world.trace,
      writes: acceptances.length,
      acknowledged: acceptances.filter(({ status }) => status === 204).length,
      lives: this.machine.lives.length,
    }
  }

  /** Checks what must hold at any moment. Returns whether a check fails. */
  private watch(): boolean {
    this.witness.checkOverdue()
    if (this.world.turns > MAX_EVENTS) this.fault('the events never end')
    const { process } = this.machine
    const [options] = process?.settings.backends ?? []
    for (const { name, queue } of process?.relay?.backends ?? []) {
      if (!options) continue
      const onDisk = queue.store?.diskBytes ?? 0
      const bound = Math.max(options.bufferBytes, process?.inherited.get(name) ?? 0)
      if (onDisk > bound) this.fault(`${name} has ${onDisk} bytes on disk, more than ${bound}`)
      const inMemory = queue.bytes - (queue.store?.bytes ?? 0)
      const room = options.pendingBytes + (queue.store ? 0 : options.bufferBytes)
      if (inMemory > room) this.fault(`${name} has ${inMemory} bytes in memory, of ${room}`)
      const lanes = queue.laneCount - (queue.store?.lanes.length ?? 0)
      const maxLanes = Math.ceil(options.lanesBytes / MIN_LANE_BYTES) + DATAGRAM_LANES
      if (queue.store && lanes > maxLanes) this.fault(`${name} has ${lanes} new lanes`)
    }
    if (process?.relay && this.world.turns % DISK_CHECK_TURNS === 0) this.checkDisk(process)
    return this.witness.faults.size > 0
  }

  /** Checks that the relay takes no more of the disk than it is allowed to. */
  private checkDisk({ relay, disk, settings, inherited }: RelayProcess): void {
    const { maxOpenFiles, backends, dataDir, isDurable } = settings
    if (disk.openFiles > maxOpenFiles) this.fault(`${disk.openFiles} files are open`)
    for (const { name, queue } of relay?.backends ?? []) {
      if (!isDurable || !queue.store) continue
      const taken = disk.allocated(`${dataDir}/${name}`)
      const bound = Math.max(backends[0]?.bufferBytes ?? 0, inherited.get(name) ?? 0)
      if (taken > bound + FAILED_BYTES) {
        this.fault(`${name} takes ${taken} bytes of disk, counted as ${queue.store.diskBytes}`)
      }
    }
  }

  /** Checks that lanes that were drained have left nothing on disk. */
  private checkRemains(): void {
    const { disk } = this.machine
    if (this.settings.isDiskFailing) return
    const paths = [...disk.files().keys(), ...disk.folders()]
    const damaged = paths.filter((path) => path.endsWith('/damaged')).map(folderOf)
    const left = paths.find(
      (path) => LANE.test(path) && !path.includes('damaged') && !damaged.includes(path),
    )
    if (left !== undefined) this.fault(`${left} is left, although everything is delivered`)
  }

  private isQuiet(): boolean {
    const relay = this.machine.process?.relay
    if (!relay || this.machine.process?.unanswered !== 0) return false
    return relay.backends.every(({ queue }) => queue.isEmpty && queue.bytes === 0)
  }

  private undelivered(): string {
    const { process } = this.machine
    const queues = process?.relay?.backends.map(
      ({ name, queue }) => `${name} ${queue.isEmpty ? 'empty' : 'not empty'} ${queue.bytes} bytes`,
    )
    return `${process?.unanswered} requests are not answered; ${queues?.join(', ')}`
  }

  /** The records on disk after a power cut at this moment. */
  private records(): Records {
    const ledger: Records['ledger'][number][] = []
    const letters = new Map<string, string>()
    for (const [path, bytes] of this.machine.disk.syncedFiles()) {
      const text = new TextDecoder().decode(bytes)
      const name = path.split('/').at(-1) as string
      if (name === LEDGER) ledger.push(...parseLedger(text).entries)
      const [backend = ''] = name.split('.')
      if (!path.includes('dead-letters')) continue
      const letter = name.endsWith('.base64') ? decodedLetters(text) : text
      letters.set(backend, (letters.get(backend) ?? '') + letter)
    }
    // Without a buffer on disk, a dead letter that the disk refuses is lost.
    return { ledger, letters: this.settings.isDurable ? letters : undefined }
  }

  /** The fault, if a power cut at the moment of the acknowledgement would lose a write. */
  private lossOnPowerCut(acceptance: Acceptance): string | undefined {
    const { isDurable } = this.settings
    if (!isDurable || acceptance.isExcused) return undefined
    const lacking = this.servers.filter((server) => !server.hasSeen(acceptance.points))
    if (lacking.length === 0) return undefined
    const files = [...this.machine.disk.syncedFiles()]
    const isOnDisk = (line: string, server: string) =>
      files.some(([path, bytes]) => path.startsWith(`${DATA}/${server}/`) && holds(bytes, line))
    const exposed = lacking.find(
      ({ name }) =>
        !acceptance.lines.every((line) => isOnDisk(line, name)) &&
        !isEntered(acceptance, name, this.records().ledger),
    )
    return exposed && `if the power goes now, ${exposed.name} will never get it`
  }
}

function holds(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text)
}

/** The remote writes in a file of dead letters. In the simulation they are line protocol, too. */
function decodedLetters(file: string): string {
  const letters = file.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return letters.map((letter) => `${atob(letter)}\n`).join('')
}
