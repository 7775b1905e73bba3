/** The buffer of one backend on disk: a folder, and in it a folder with a log for each lane. */

import { replaceFile } from '../disk/atomic-file.ts'
import type { Destination } from '../influxdb/destination.ts'
import type { Disk, DiskLock } from '../runtime.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { encodeLane } from './lane-file.ts'
import {
  type LaneRecoveryOptions,
  laneFileOf,
  lanePath,
  openLog,
  type RecoveredLanes,
  recoverLanes,
  type StoredLane,
} from './lane-recovery.ts'

/** What is done with an acknowledged write when the buffer is full. */
export type WhenFull = 'reject' | 'drop-oldest' | 'drop-newest'

export interface LaneStoreOptions extends LaneRecoveryOptions {
  /** The bound on all logs together. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Older writes are dropped; undefined to keep writes for as long as there is room. */
  readonly maxAgeMs: number | undefined
}

export class LaneStore {
  readonly options: LaneStoreOptions
  /** What an earlier process has left, each destination once. */
  readonly lanes: readonly StoredLane[]
  private readonly disk: Disk
  private readonly lock: DiskLock
  private readonly logs: SegmentLog[]
  /** Folders of lanes that hold nothing. */
  private readonly spare: string[]
  private nextNumber: number
  /** Folders whose log could not be created yet, by the keys of the lanes that their files may name. */
  private readonly begun = new Map<string, string>()
  /** Bytes that are being written. */
  private reserved = 0

  /**
   * Creates the folder if there is none, locks it for this process, and recovers its lanes.
   *
   * @throws an error of the disk, also if another process has locked the folder
   */
  static async open(disk: Disk, options: LaneStoreOptions): Promise<LaneStore> {
    await disk.makeFolder(options.folder)
    const lock = await disk.lock(options.folder)
    return new LaneStore(disk, options, lock, await recoverLanes(disk, options))
  }

  private constructor(
    disk: Disk,
    options: LaneStoreOptions,
    lock: DiskLock,
    { lanes, logs, spare, nextNumber }: RecoveredLanes,
  ) {
    this.disk = disk
    this.options = options
    this.lock = lock
    this.lanes = lanes
    this.logs = [...logs]
    this.spare = [...spare]
    this.nextNumber = nextNumber
  }

  get bytes(): number {
    return this.logs.reduce((sum, log) => sum + log.bytes, 0)
  }

  /** Reserves room for bytes until they are on disk. Returns false, and changes nothing, if there is none. */
  reserve(bytes: number): boolean {
    if (this.bytes + this.reserved + bytes > this.options.maxBytes) return false
    this.reserved += bytes
    return true
  }

  /** Ends a reservation: the bytes are on disk, and counted there, or will not be. */
  unreserve(bytes: number): void {
    this.reserved -= bytes
  }

  /**
   * Creates the log of a lane that has none.
   *
   * @throws an error of the disk; it can be called again
   */
  async createLane(destination: Destination): Promise<SegmentLog> {
    const { folder } = this.options
    const key = destination.lane
    const begun = this.begun.get(key)
    const path = begun ?? this.spare.pop() ?? lanePath(folder, this.nextNumber++)
    try {
      await this.disk.makeFolder(path)
    } catch (error) {
      if (begun === undefined) this.spare.push(path)
      throw error
    }
    // From now on the lane's file may name the lane, even if writing it fails. No other file may name the
    // same lane, nor this one another: after a crash they could not be told apart.
    this.begun.set(key, path)
    await replaceFile(this.disk, laneFileOf(path), encodeLane(destination))
    const log = await openLog(this.disk, path, destination, this.options)
    this.logs.push(log)
    this.begun.delete(key)
    return log
  }

  async close(): Promise<void> {
    for (const log of this.logs) await log.close().catch(() => {})
    await this.lock.release()
  }
}
