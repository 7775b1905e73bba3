/** Finds the lanes that an earlier process has left in the folder of a backend. */

import { readFile } from '../disk/atomic-file.ts'
import { type Destination, laneDestination } from '../influxdb/destination.ts'
import type { Write } from '../influxdb/write.ts'
import type { Buffers, Disk } from '../runtime.ts'
import { type Damage, isUnreadable } from '../segments/damage.ts'
import type { StoredRecord } from '../segments/reader.ts'
import { firstOf } from '../segments/segment-index.ts'
import { SegmentLog } from '../segments/segment-log.ts'
import { recordedWrite } from './handoff-log.ts'
import { decodeLane } from './lane-file.ts'

export interface LaneRecoveryOptions {
  readonly folder: string
  /** Memory for what is read. */
  readonly buffers: Buffers
  /** The size at which a segment is full. @default 8 MiB */
  readonly segmentBytes?: number | undefined
  onDamage(damage: Damage): void
  /**
   * Records durably that damage has lost writes of a lane.
   *
   * @param writes undefined if their number is not known
   */
  onLoss(destination: Destination, writes: number | undefined): Promise<void>
  /** Records durably the loss of a write that is intact, but whose destination is lost to damage. */
  onLost(write: Write): Promise<void>
}

/** A lane with logs. */
export interface StoredLane {
  readonly destination: Destination
  /** At least one, oldest first. */
  readonly logs: readonly SegmentLog[]
}

export interface RecoveredLanes {
  /** Each destination once. */
  readonly lanes: readonly StoredLane[]
  /** All logs that are open, also of folders whose destination is lost. */
  readonly logs: readonly SegmentLog[]
  /** Folders of lanes that hold nothing and may be used again. */
  readonly spare: readonly string[]
  /** The number of the next folder. */
  readonly nextNumber: number
}

interface LaneFolder {
  readonly destination: Destination
  readonly path: string
  readonly log: SegmentLog
}

/** Stands for a lane's file that the disk fails to read. */
const UNREADABLE = new Uint8Array(0)

/** The file that says whose writes a lane's folder holds. */
export function laneFileOf(path: string): string {
  return `${path}.json`
}

export function lanePath(folder: string, number: number): string {
  return `${folder}/lane-${number}`
}

export function openLog(
  disk: Disk,
  path: string,
  destination: Destination,
  { buffers, segmentBytes, onDamage, onLoss }: LaneRecoveryOptions,
  isOrphan = false,
): Promise<SegmentLog> {
  return SegmentLog.open(disk, path, {
    buffers,
    isOrphan,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    onDamage,
    onLoss: (records) => onLoss(destination, records),
  })
}

/** @throws an error of the disk, or an error that says which files must be moved away before a start */
export function recoverLanes(disk: Disk, options: LaneRecoveryOptions): Promise<RecoveredLanes> {
  return new LaneRecovery(disk, options).run()
}

class LaneRecovery {
  private readonly disk: Disk
  private readonly options: LaneRecoveryOptions
  private readonly logs = new Set<SegmentLog>()
  private readonly spare: string[] = []

  constructor(disk: Disk, options: LaneRecoveryOptions) {
    this.disk = disk
    this.options = options
  }

  async run(): Promise<RecoveredLanes> {
    const { folder } = this.options
    const numbers = await this.numbers()
    const found = new Map<string, LaneFolder[]>()
    for (const number of numbers) {
      const lane = await this.openLane(lanePath(folder, number))
      if (!lane) continue
      const key = lane.destination.lane
      found.set(key, [...(found.get(key) ?? []), lane])
    }
    await this.disk.syncFolder(folder)
    const lanes: StoredLane[] = []
    for (const folders of found.values()) lanes.push(await this.merge(folders))
    const nextNumber = (numbers.at(-1) ?? 0) + 1
    return { lanes, logs: [...this.logs], spare: this.spare, nextNumber }
  }

  /** The numbers of the lanes' folders, in ascending order. */
  private async numbers(): Promise<number[]> {
    const entries = await this.disk.list(this.options.folder)
    return entries
      .filter(({ isFolder }) => isFolder)
      .map(({ name }) => Number(/^lane-([1-9]\d{0,14})$/.exec(name)?.[1]))
      .filter((number) => !Number.isNaN(number))
      .sort((a, b) => a - b)
  }

  private async openLane(path: string): Promise<LaneFolder | undefined> {
    const file = await this.readLaneFile(path)
    const destination = file && decodeLane(file)
    if (destination) {
      return { destination, path, log: await this.openLog(path, destination) }
    }
    // The lane's file is synced before the first record. Without records it was a crash, and nothing is lost.
    if (await this.hasSegments(path)) await this.dropOrphan(path, file)
    else if (file !== UNREADABLE) this.spare.push(path)
    return undefined
  }

  private async readLaneFile(path: string): Promise<Uint8Array | undefined> {
    const read = () => readFile(this.disk, laneFileOf(path))
    try {
      return await read().catch(read)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return UNREADABLE
    }
  }

  /**
   * A destination has several folders if one was moved away and back, or if the file of one could not be
   * read while it was empty. The full ones are delivered in order; if all are empty, one is kept.
   */
  private async merge(folders: readonly LaneFolder[]): Promise<StoredLane> {
    const full = folders.filter(({ log }) => !log.isEmpty)
    const used = full.length > 0 ? full : folders.slice(0, 1)
    for (const lane of folders) if (!used.includes(lane)) await this.vacate(lane)
    const [{ destination }] = used as [LaneFolder]
    return { destination, logs: used.map(({ log }) => log) }
  }

  /** Makes the folder of an empty lane spare, once no record can come back to it. */
  private async vacate({ path, log }: LaneFolder): Promise<void> {
    try {
      await log.sync()
      await log.close()
    } catch {
      // The next start tries again.
      return
    }
    this.logs.delete(log)
    this.spare.push(path)
  }

  /** Records the loss of a folder whose destination is not known. Its segments stay in `damaged/`. */
  private async dropOrphan(path: string, file: Uint8Array | undefined): Promise<void> {
    const nothing = { offset: 0, records: undefined, copy: undefined }
    const bytes = file?.length ?? 0
    this.options.onDamage({ ...nothing, file: laneFileOf(path), bytes, reason: 'header' })
    const unknown = laneDestination('', '', undefined)
    const record = async (records: readonly StoredRecord[]) => {
      for (const one of records) await this.options.onLost(recordedWrite(one, unknown))
    }
    try {
      const log = await this.openLog(path, unknown, true)
      while (!log.isEmpty) await log.dropOldest(record)
      await log.sync()
    } catch (error) {
      // The other writes are still there. The next start records them.
      if (file !== UNREADABLE) return
      // If the next start can read the file, it delivers them: then newer ones must not have been before.
      const reason = (error as Error).message
      throw new Error(
        `${laneFileOf(path)} cannot be read, and the loss of what is in ${path} cannot be recorded ` +
          `(${reason}); move both away to start without them`,
        { cause: error },
      )
    }
  }

  private async hasSegments(path: string): Promise<boolean> {
    const entries = await this.disk.list(path)
    return entries.some(({ name }) => firstOf(name) !== undefined)
  }

  private async openLog(
    path: string,
    destination: Destination,
    isOrphan = false,
  ): Promise<SegmentLog> {
    const log = await openLog(this.disk, path, destination, this.options, isOrphan)
    this.logs.add(log)
    return log
  }
}
