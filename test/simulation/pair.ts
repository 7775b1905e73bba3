/**
 * A simulation of two relays in front of two servers: clients write through one relay and read through the other,
 * while servers and relays die. No query may be answered by a server that lacks what was acknowledged before.
 */

import { FakeDisk } from '../support/fake-disk.ts'
import { DEFAULTS, urlsOf } from '../support/relay-fixture.ts'
import { Barriers } from './barriers.ts'
import { Network } from './network.ts'
import type { PeerHost } from './peer-call.ts'
import { linesOf, pointsOf } from './points.ts'
import { RelayProcess } from './relay-process.ts'
import type { Report } from './run.ts'
import type { LifeSettings } from './settings.ts'
import { type ServerState, SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { Acceptance, Observer } from './witness.ts'
import { World } from './world.ts'

const RELAYS = ['one', 'two'] as const
const SERVERS = ['a', 'b'] as const
const DATABASES = ['d', 'e']

/** How long servers and relays die, and by when clients must have their last answers. */
const FAULTS_MS = 15_000
const END_MS = 200_000

/** Relays know each other again so long after the start of one. */
const ACQUAINTED_MS = 3000

const BAD_STATES: readonly ServerState[] = [
  ...(['down', 'down', 'down', 'stalled', 'failing', 'busy', 'flaky', 'empty'] as const),
]

export async function simulatePair(seed: number): Promise<Report> {
  return new Pair(seed).run()
}

class Pair {
  private readonly seed: number
  private readonly world: World
  private readonly servers: readonly SimulatedInfluxDB[]
  private readonly network: Network
  private readonly machines: readonly RelayMachine[]
  private readonly acceptances: Acceptance[] = []
  private readonly faults = new Set<string>()
  /** What each server lacked when it ran a query, by the number of the query. */
  private readonly open = new Map<number, (server: SimulatedInfluxDB) => void>()
  private queries = 0
  private values = 0
  private busy = 0
  private areFaultsOver = false
  private onAcknowledged: (relay: string) => void = () => {}
  /** Whether the readers wait now and then until all is delivered. */
  private readonly restMs: number

  constructor(seed: number) {
    const world = new World(seed)
    this.seed = seed
    this.world = world
    this.servers = SERVERS.map((name) => new SimulatedInfluxDB(name, world))
    this.network = new Network(world, this.observer(''), this.servers, 0)
    this.network.onQuery = (server, number) => this.open.get(number)?.(server)
    const slownessMs = world.pick([10, 10, 190])
    this.restMs = world.pick([50, 200, 1000])
    this.machines = RELAYS.map(
      (name) => new RelayMachine(name, this.network, this.observer(name), world, slownessMs),
    )
  }

  async run(): Promise<Report> {
    const { world, machines, servers } = this
    for (const machine of machines) machine.boot()
    for (const server of servers) void this.failServer(server)
    if (world.chance(0.9)) void this.killRelays()
    for (let i = 0; i < 3; i++) {
      this.busy++
      void this.client().then(() => this.busy--)
    }
    const isOver = await world.run(END_MS, () => this.faults.size > 0 || this.busy === 0)
    if (!isOver) this.faults.add('a client is never answered')
    return {
      ...{ seed: this.seed, faults: [...this.faults], trace: world.trace },
      writes: this.acceptances.length,
      acknowledged: this.acceptances.filter(({ status }) => status === 204).length,
      lives: machines.reduce((sum, { lives }) => sum + lives, 0),
    }
  }

  /** Writes through one relay, and reads through one, mostly the other. */
  private async client(): Promise<void> {
    const { world } = this
    while (world.now() < FAULTS_MS) {
      const database = world.pick(DATABASES)
      const writer = world.pick(this.machines)
      if (world.chance(0.8)) await this.write(writer, database)
      const reader = world.chance(0.8) ? this.machines.find((one) => one !== writer) : writer
      if (reader && world.chance(0.8)) await this.read(reader, database)
      await world.sleep(world.chance(0.3) ? 0 : world.between(0, this.restMs))
    }
    this.areFaultsOver = true
  }

  private async write({ process }: RelayMachine, database: string): Promise<void> {
    const value = ++this.values
    const body = `m v=${value}i ${1_600_000_000_000_000_000n + BigInt(value)}`
    const path = `/write?db=${database}`
    const sent = process?.request({ path, authorization: undefined, body, sending: 'whole' })
    await Promise.race([sent, this.world.sleep(20_000)])
  }

  private async read(machine: RelayMachine, database: string): Promise<void> {
    const { world } = this
    const { process } = machine
    if (!process?.relay) return
    const number = ++this.queries
    const acknowledged = this.acceptances.filter(
      ({ status, target }) => status === 204 && target.database === database,
    )
    const lacking = new Map<string, Acceptance | undefined>()
    this.open.set(number, (server) => {
      const lost = acknowledged.find(({ points }) => !server.hasSeen(points))
      lacking.set(server.name, lost)
    })
    const complete = this.completeNow(database)
    const startedAt = world.now()
    world.log(`query ${number} of ${database} to ${machine.name}`)
    const answer = await Promise.race([
      process.query(`/query?db=${database}&q=SELECT+q${number}+FROM+m`),
      world.sleep(60_000).then(() => 'late' as const),
    ])
    this.open.delete(number)
    if (answer === 'late') this.faults.add(`query ${number} is never answered`)
    if (answer === undefined || answer === 'late') return
    const { server, behind } = answer
    world.log(`query ${number} is answered by ${server}, ${behind ?? 'complete'}`)
    const lost = server && lacking.get(server)
    if (lost && behind === undefined) {
      this.faults.add(`query ${number} is answered by ${server}, which lacks #${lost.number}`)
    }
    const better = complete.find(({ changedAt }) => changedAt < startedAt)
    const isAcquainted = this.machines.every(
      (one) => one.process?.relay && one.bootedAt < startedAt - ACQUAINTED_MS,
    )
    // A slow network makes a peer silent, and then what it last kept counts.
    const isFast = machine.slownessMs < 50
    if (behind !== undefined && better && isAcquainted && isFast) {
      this.faults.add(
        `query ${number} is answered by ${server}, which is behind; ${better.name} was not`,
      )
    }
  }

  /** The servers that are up and that have everything, as both relays know. */
  private completeNow(database: string): SimulatedInfluxDB[] {
    const databases = new Set([database])
    return this.servers.filter(({ name, state }) => {
      if (state !== 'well') return false
      return this.machines.every(({ process }) => {
        const backend = process?.relay?.backends.find((one) => one.name === name)
        if (!backend) return false
        return backend.queue.marks(databases).length === 0 && !backend.shortage(databases)
      })
    })
  }

  private async failServer(server: SimulatedInfluxDB): Promise<void> {
    const { world } = this
    while (!this.areFaultsOver) {
      await world.sleep(world.between(100, 5000))
      server.become(world.pick(BAD_STATES))
      await world.sleep(world.chance(0.5) ? world.between(10, 500) : world.between(500, 8000))
      server.become('well')
    }
  }

  /** Kills one relay at a time, or both: then the first to be back does not know what the other one keeps. */
  private async killRelays(): Promise<void> {
    const { world } = this
    while (!this.areFaultsOver) {
      await world.sleep(world.between(10, 4000))
      const dying = world.chance(0.2) ? this.machines : [world.pick(this.machines)]
      if (world.chance(0.7)) await this.tellingMoment(dying[0] as RelayMachine)
      for (const machine of dying) {
        machine.die(world.pick(['power cut', 'kill']))
        await world.sleep(world.between(0, 100))
      }
      for (const machine of dying) {
        await world.sleep(world.between(10, 5000))
        machine.boot()
      }
      if (world.chance(0.7)) await world.sleep(ACQUAINTED_MS)
    }
  }

  /** Resolves when a relay has acknowledged a write while a server has just begun to fail, or after a while. */
  private async tellingMoment(machine: RelayMachine): Promise<void> {
    const { world } = this
    const acknowledged = new Promise<void>((resolve) => {
      this.onAcknowledged = (name) => {
        const isFailing = this.servers.some(
          ({ state, changedAt }) => state !== 'well' && changedAt > world.now() - 300,
        )
        if (name === machine.name && isFailing) resolve()
      }
    })
    await Promise.race([acknowledged, world.sleep(5000)])
    await world.sleep(world.between(0, 2))
  }

  private observer(relay: string): Observer {
    const nothing = () => {}
    return {
      sent: nothing,
      accepted: ({ destination, points: { bytes } }, { isOwned }) => {
        const lines = linesOf(new TextDecoder().decode(bytes))
        const { database, retentionPolicy, precision } = destination
        const target = { database, retentionPolicy, precision, credentials: '' }
        const acceptance: Acceptance = {
          ...{ number: this.acceptances.length + 1, at: this.world.now(), target, lines, isOwned },
          points: lines.flatMap((line) => pointsOf(target, line, 0n)),
          ...{ needed: 1, bytes: bytes.length, isExcused: false, status: undefined, answeredAt: 0 },
        }
        this.acceptances.push(acceptance)
        return acceptance
      },
      answered: (acceptance, status) => {
        this.world.log(`#${acceptance.number} ${acceptance.target.database} is answered ${status}`)
        acceptance.status = status
        if (status === 204) this.onAcknowledged(relay)
      },
      ...{ asks: nothing, stored: nothing, replied: nothing, askedToWait: nothing },
      ...{ sawDamage: nothing, lifeEnds: nothing, barriers: new Barriers(nothing) },
    }
  }
}

/** One relay, its disk, and its starts. */
class RelayMachine implements PeerHost {
  readonly name: string
  readonly slownessMs: number
  process: RelayProcess | undefined
  lives = 0
  bootedAt = 0
  private disk = new FakeDisk()
  private readonly network: Network
  private readonly observer: Observer
  private readonly world: World

  constructor(
    name: string,
    network: Network,
    observer: Observer,
    world: World,
    slownessMs: number,
  ) {
    this.name = name
    this.slownessMs = slownessMs
    this.network = network
    this.observer = observer
    this.world = world
    network.peers.set(name, this)
  }

  boot(): void {
    const { world, network } = this
    world.log(`relay ${this.name} begins`)
    this.lives++
    this.bootedAt = world.now()
    const environment = { world, network, witness: this.observer }
    const relay = new RelayProcess(environment, this.disk, chooseLife(world))
    this.process = relay
    void relay.start()
  }

  die(how: 'power cut' | 'kill'): void {
    this.world.log(`${how} of relay ${this.name}`)
    this.process?.die()
    this.process = undefined
    this.disk = how === 'kill' ? this.disk.kill() : this.disk.crash(this.world.random)
  }
}

/** Both relays have the same list of peers. */
function chooseLife(world: World): LifeSettings {
  const timeoutMs = world.integer(300, 2000)
  return {
    ...{ minConsistency: 'any', isDurable: true, dataDir: 'data', maxOpenFiles: 64 },
    backends: SERVERS.map((name) => ({
      ...{ ...DEFAULTS, name, ...urlsOf(name), folder: `data/${name}`, bufferBytes: 1_000_000 },
      ...{ timeoutMs, queryTimeoutMs: 2000, maxDelayMs: 1000 },
    })),
    peers: RELAYS.map((name) => ({ url: `http://${name}`, ca: undefined })),
    ...{ maxPendingBytes: 1_000_000, segmentBytes: world.pick([200, 1_000_000]) },
  }
}
