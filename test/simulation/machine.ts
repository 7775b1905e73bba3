/** The machine that the relay runs on: its power is cut, and it starts the relay again. */

import { FakeDisk, type OperationKind } from '../support/fake-disk.ts'
import { damageLaneFile, failStart } from './faults.ts'
import { type Environment, RelayProcess } from './relay-process.ts'
import { chooseLife, type LifeSettings, type Settings } from './settings.ts'
import type { Witness } from './witness.ts'
import type { World } from './world.ts'

/** Operations around which a power cut is most likely to show a bug. */
const TELLING: readonly OperationKind[] = [
  ...(['remove', 'remove', 'rename', 'truncate', 'syncFolder', 'sync'] as const),
]

/** The file of the first lane of a backend, which is written and synced only once. */
const LANE_FILE = 'lane-1.json'

/** More disk operations than this between two events are an endless loop. */
const MAX_OPERATIONS = 100_000

interface MachineEnvironment extends Environment {
  readonly witness: Witness
}

export class Machine {
  disk: FakeDisk
  /** The relay, unless it is down. */
  process: RelayProcess | undefined
  readonly lives: LifeSettings[] = []
  private readonly environment: MachineEnvironment
  private readonly settings: Settings
  private readonly world: World
  private areFaultsOver = false
  /** Resolves when the power is cut no more. */
  private powerCuts = Promise.resolve()

  constructor(environment: MachineEnvironment, settings: Settings) {
    this.environment = environment
    this.settings = settings
    this.world = environment.world
    this.disk = this.prepare(new FakeDisk())
  }

  start(): void {
    const { settings, world } = this
    this.boot()
    if (settings.isPowerFailing) this.powerCuts = this.failNowAndThen()
    if (world.chance(0.2)) void this.startSecondRelay()
  }

  /** Cuts the power now, or kills the relay, if the settings allow it. */
  breakDown(): void {
    const { process, disk, world, settings } = this
    if (!process || this.areFaultsOver || !settings.isPowerFailing) return
    const kind = world.pick(['power cut', 'kill'] as const)
    world.log(kind)
    this.end(kind === 'power cut' ? disk.crash(world.random) : disk.kill())
  }

  /** Ends all faults. Resolves once a relay runs that can deliver everything. */
  async endFaults(): Promise<void> {
    this.areFaultsOver = true
    this.disk.heal()
    await this.powerCuts
    const leavesDiskAlone = this.settings.isDurable && !this.process?.settings.isDurable
    if (leavesDiskAlone && this.process) this.end(this.disk.kill())
  }

  private boot(): void {
    const { world, disk } = this
    const life = chooseLife(world, this.settings, this.areFaultsOver)
    this.lives.push(life)
    world.log(`life ${this.lives.length} begins`)
    if (this.settings.isDiskFailing && !this.areFaultsOver && world.chance(0.2)) {
      failStart(disk, world)
    }
    if (this.settings.isDiskFailing && world.chance(0.2)) damageLaneFile(disk, world)
    const relay = new RelayProcess(this.environment, disk, life)
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
    const { maxAgeMs, timeoutMs = 0 } = this.lives.at(-1)?.backends[0] ?? {}
    this.environment.witness.lifeEnded(maxAgeMs !== undefined, timeoutMs)
    this.disk = this.prepare(disk)
    this.world.after(this.world.between(10, 3000), () => this.boot())
  }

  /** Cuts the power, kills or stops the relay at random moments. */
  private async failNowAndThen(): Promise<void> {
    const { world } = this
    if (world.chance(0.15)) await this.killInLaneFile()
    while (!this.areFaultsOver) {
      // Some lives are short, so that the next crash finds what the one before left unsynced.
      await world.sleep(world.chance(0.3) ? world.between(1, 300) : world.between(100, 15_000))
      const { process, disk } = this
      if (this.areFaultsOver || !process) continue
      if (world.chance(0.6)) await this.untilOperation(disk)
      if (process.isDead) continue
      const kind = world.pick(['power cut', 'power cut', 'kill', 'kill', 'stop'] as const)
      world.log(kind)
      if (kind === 'stop') await Promise.race([process.stop(), world.sleep(1000)])
      if (process.isDead) continue
      this.end(kind === 'power cut' ? disk.crash(world.random) : disk.kill())
    }
  }

  /** Kills the relay when it syncs the file of a lane: few other crashes come at that moment. */
  private async killInLaneFile(): Promise<void> {
    const { disk, world } = this
    await Promise.race([disk.stopAt(1, world.random, ['sync'], LANE_FILE), world.sleep(10_000)])
    if (this.areFaultsOver || disk !== this.disk) return
    world.log('kill')
    this.end(disk.kill())
  }

  /** Resolves in the middle of one of the next operations, or after a while. */
  private async untilOperation(disk: FakeDisk): Promise<void> {
    const { world } = this
    const nth = world.chance(0.5) ? world.integer(1, 10) : world.integer(1, 60)
    const stopped = world.chance(0.4)
      ? disk.stopAt(1, world.random, [world.pick(TELLING)])
      : disk.stopAt(nth, world.random)
    await Promise.race([stopped, world.sleep(10_000)])
  }

  /** Starts another relay on the same data directory or buffers: that must fail. */
  private async startSecondRelay(): Promise<void> {
    const { world, settings } = this
    await world.sleep(world.between(100, 20_000))
    const { process, disk } = this
    if (!process?.relay || this.areFaultsOver) return
    const hasOwnData = process.settings.isDurable && settings.isDurable && world.chance(0.5)
    const life = { ...process.settings, ...(hasOwnData ? { dataDir: 'other' } : {}) }
    world.log(`another relay begins in ${life.dataDir}`)
    try {
      await new RelayProcess(this.environment, disk, life).start()
      if (!process.isDead) this.environment.witness.fault(`two relays run in ${life.dataDir}`)
    } catch (error) {
      world.log(`another relay cannot start: ${(error as Error).message}`)
    }
  }

  private prepare(disk: FakeDisk): FakeDisk {
    const { world, settings } = this
    let turn = 0
    let operations = 0
    disk.before = () => {
      if (turn !== world.turns) operations = 0
      turn = world.turns
      if (++operations > MAX_OPERATIONS) {
        this.environment.witness.fault('the relay uses the disk in an endless loop')
        return new Promise(() => {})
      }
      if (world.chance(settings.slowness)) {
        return world.sleep(world.chance(0.05) ? world.between(10, 500) : world.between(0.1, 8))
      }
    }
    return disk
  }
}
