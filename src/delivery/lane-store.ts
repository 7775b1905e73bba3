/** What one backend has on disk: a folder, and in it a folder with a log for each lane. */

import { createFile, readFile, removeIfThere, replaceFile } from '../disk/atomic-file.ts'
import { type Destination, laneDestination, type Write } from '../influxdb/write.ts'
import type { Buffers, Disk, DiskLock } from '../runtime.ts'
import { type Damage, isUnreadable } from '../segments/damage.ts'
import type { StoredRecord } from '../segments/reader.ts'
import { firstOf } from '../segments/segment-index.ts'
import { SegmentLog } from '../segments/segment-log.ts'
import { recordedWrite } from './handoff-log.ts'
import { decodeLane, encodeLane } from './lane-file.ts'

/** What is done with an acknowledged write when the buffer is full. */
export type WhenFull = 'reject' | 'drop-oldest' | 'drop-newest'

export interface StoreOptions {
  readonly folder: string
  /** Of all logs together. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Older writes are given up; undefined to keep them for as long as there is room. */
  readonly maxAgeMs: number | undefined
  /** Memory for what is read. */
  readonly buffers: Buffers
  /** About the size of a file; undefined for a log's own choice. */
  readonly segmentBytes?: number | undefined
  onDamage(damage: Damage): void
  /** Takes note, durably, of writes of a lane that damage has cost; undefined if nobody can tell how many. */
  onLoss(destination: Destination, writes: number | undefined): Promise<void>
  /** Takes note, durably, of a write that can be read and, because of damage, not be delivered. */
  onLost(write: Write): Promise<void>
}

/** What a process before this one has left of a destination. */
export interface StoredLane {
  readonly destination: Destination
  /** At least one, the oldest first. */
  readonly logs: readonly SegmentLog[]
}

interface OpenLane {
  readonly destination: Destination
  readonly path: string
  readonly log: SegmentLog
}

/** In place of a lane's file that the disk fails to read. */
const UNREADABLE = new Uint8Array(0)

export class LaneStore {
  readonly options: StoreOptions
  private readonly disk: Disk
  private readonly lock: DiskLock
  private logs: SegmentLog[] = []
  private nextLane = 1
  /** Folders that were made for a lane and hold nothing. */
  private spare: string[] = []
  /** Folders in which a log could not be made yet, by the lanes that they may say they belong to. */
  private readonly begun = new Map<string, string>()
  /** Bytes that are on their way to the disk. */
  private reserved = 0

  /**
   * Takes the folder, for this process alone, and makes it if there is none.
   *
   * @throws an error of the disk, also if another process has the folder
   */
  static async open(disk: Disk, options: StoreOptions): Promise<LaneStore> {
    await disk.makeFolder(options.folder)
    return new LaneStore(disk, options, await disk.lock(options.folder))
  }

  private constructor(disk: Disk, options: StoreOptions, lock: DiskLock) {
    this.disk = disk
    this.options = options
    this.lock = lock
  }

  get bytes(): number {
    return this.logs.reduce((sum, log) => sum + log.bytes, 0)
  }

  /** Takes room for so many more bytes until they are on disk. False, and nothing changes, if there is none. */
  reserve(bytes: number): boolean {
    if (this.bytes + this.reserved + bytes > this.options.maxBytes) return false
    this.reserved += bytes
    return true
  }

  /** Gives back what was reserved: the bytes are on disk now, and counted there, or will not be. */
  unreserve(bytes: number): void {
    this.reserved -= bytes
  }

  /**
   * The lanes that a process before this one has left, each destination once. To be called before any is
   * created.
   */
  async lanes(): Promise<StoredLane[]> {
    const lanes = new Map<string, OpenLane[]>()
    for (const number of await this.numbers()) {
      this.nextLane = number + 1
      const found = await this.openLane(`${this.options.folder}/lane-${number}`)
      if (!found) continue
      const { lane } = found.destination
      lanes.set(lane, [...(lanes.get(lane) ?? []), found])
    }
    await this.disk.syncFolder(this.options.folder)
    const merged: StoredLane[] = []
    for (const found of lanes.values()) merged.push(await this.merge(found))
    return merged
  }

  /** A new log for a lane that has none. Can be called again if it rejects. */
  async createLane(destination: Destination): Promise<SegmentLog> {
    const { lane } = destination
    const begun = this.begun.get(lane)
    const path = begun ?? this.spare.pop() ?? `${this.options.folder}/lane-${this.nextLane++}`
    try {
      await this.disk.makeFolder(path)
    } catch (error) {
      if (begun === undefined) this.spare.push(path)
      throw error
    }
    // Its file may say from now on whose it is. No other folder may say the same, nor this one something
    // else: after a crash they could not be told apart.
    this.begun.set(lane, path)
    const log = await this.createLog(path, destination)
    this.begun.delete(lane)
    return log
  }

  private async createLog(path: string, destination: Destination): Promise<SegmentLog> {
    await removeIfThere(this.disk, fileOf(path))
    await createFile(this.disk, fileOf(path), encodeLane(destination))
    await this.disk.syncFolder(this.options.folder)
    return this.openLog(path, destination)
  }

  async close(): Promise<void> {
    for (const log of this.logs) await log.close().catch(() => {})
    await this.lock.release()
  }

  /** The numbers of the lanes on disk, in order. */
  private async numbers(): Promise<number[]> {
    const entries = await this.disk.list(this.options.folder)
    return entries
      .filter(({ isFolder }) => isFolder)
      .map(({ name }) => Number(/^lane-([1-9]\d{0,14})$/.exec(name)?.[1]))
      .filter((number) => !Number.isNaN(number))
      .sort((a, b) => a - b)
  }

  private async openLane(path: string): Promise<OpenLane | undefined> {
    const file = await this.readFile(path)
    const destination = file && decodeLane(file)
    if (destination) {
      await this.secure(path, destination)
      return { destination, path, log: await this.openLog(path, destination) }
    }
    // It is synced before the first record: without any, a crash has come between, and nothing is lost.
    if (await this.hasSegments(path)) await this.giveUp(path, file)
    else if (file !== UNREADABLE) this.spare.push(path)
    return undefined
  }

  private async readFile(path: string): Promise<Uint8Array | undefined> {
    const read = () => readFile(this.disk, fileOf(path))
    try {
      return await read().catch(read)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return UNREADABLE
    }
  }

  /** A process that was killed may have written a lane's file and not lived to sync it. */
  private async secure(path: string, destination: Destination): Promise<void> {
    try {
      const file = await this.disk.open(fileOf(path))
      await file.sync().finally(() => file.close())
    } catch {
      await replaceFile(this.disk, fileOf(path), encodeLane(destination))
    }
  }

  /**
   * A destination has several folders if one was moved away and back, or its file could not be read while
   * it held nothing: the older is delivered first. Of those that hold nothing it keeps one, if it has no
   * other.
   */
  private async merge(found: readonly OpenLane[]): Promise<StoredLane> {
    const full = found.filter(({ log }) => !log.isEmpty)
    const used = full.length > 0 ? full : found.slice(0, 1)
    for (const lane of found) if (!used.includes(lane)) await this.vacate(lane)
    const [{ destination }] = used as [OpenLane]
    return { destination, logs: used.map(({ log }) => log) }
  }

  /** Leaves the folder of a lane that holds nothing to others, once nothing can come back to it. */
  private async vacate({ path, log }: OpenLane): Promise<void> {
    try {
      await log.sync()
      await log.close()
    } catch {
      // It is met again at the next start.
      return
    }
    this.logs = this.logs.filter((other) => other !== log)
    this.spare.push(path)
  }

  /** Nobody knows any more on whose behalf the writes of a lane are to be sent. They stay in `damaged/`. */
  private async giveUp(path: string, file: Uint8Array | undefined): Promise<void> {
    this.report(fileOf(path), file?.length ?? 0)
    const nobody = laneDestination('', '', undefined)
    const enter = async (records: readonly StoredRecord[]) => {
      for (const record of records) await this.options.onLost(recordedWrite(record, nobody))
    }
    try {
      const log = await this.openLog(path, nobody, { isOrphan: true })
      while (!log.isEmpty) await log.dropOldest(enter)
      await log.sync()
    } catch (error) {
      // The rest is still there, and is entered at a later start.
      if (file !== UNREADABLE) return
      // If the file can be read then, they are sent instead, and must not go behind newer ones.
      const reason = (error as Error).message
      throw new Error(
        `${fileOf(path)} cannot be used, nor what is in ${path} be entered in the gap ledger (${reason}); ` +
          `move both away to start without them`,
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
    { isOrphan = false } = {},
  ): Promise<SegmentLog> {
    const { buffers, segmentBytes } = this.options
    const log = await SegmentLog.open(this.disk, path, {
      buffers,
      isOrphan,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
      onDamage: (damage) => this.options.onDamage(damage),
      onLoss: (records) => this.options.onLoss(destination, records),
    })
    this.logs.push(log)
    return log
  }

  private report(file: string, bytes: number): void {
    const nothing = { offset: 0, records: undefined, copy: undefined }
    this.options.onDamage({ ...nothing, file, bytes, reason: 'header' })
  }
}

function fileOf(path: string): string {
  return `${path}.json`
}
