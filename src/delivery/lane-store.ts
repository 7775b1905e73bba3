/** The buffer of one backend on disk: a folder, and in it a folder with a log for each lane. */

import { createFile } from '../disk/atomic-file.ts'
import { inBlocks } from '../disk/blocks.ts'
import type { Disk, DiskLock } from '../runtime.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { createUsage, type LogUsage } from '../segments/usage.ts'
import { encodeLane, type LaneIdentity } from './lane-file.ts'
import { LANE_BYTES, laneFileOf, lanePath, openLog, removeLaneFiles } from './lane-folder.ts'
import {
  LANES_AT_A_TIME,
  type LaneRecoveryOptions,
  type Leftovers,
  type RecoveredLanes,
  recoverLanes,
  type StoredLane,
} from './lane-recovery.ts'

/** What is done with an acknowledged write when the buffer is full. */
export type WhenFull = 'reject' | 'drop-oldest' | 'drop-newest'

export interface LaneStoreOptions extends LaneRecoveryOptions {
  /** The bound on what all lanes take on disk, without copies of damaged bytes. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Older writes are dropped; undefined to keep writes for as long as there is room. */
  readonly maxAgeMs: number | undefined
}

/** A segment takes at most this share of the bound: what it takes is free only once all of it is delivered. */
const MAX_SEGMENT_SHARE = 1 / 16

const MIN_SEGMENT_BYTES = 64 * 1024
const MAX_SEGMENT_BYTES = 8 * 1024 * 1024

export class LaneStore {
  readonly options: LaneStoreOptions
  /** What an earlier process has left, in the order in which the lanes were added. */
  readonly lanes: readonly StoredLane[]
  isClosed = false
  private readonly disk: Disk
  private readonly lock: DiskLock
  private readonly usage: LogUsage
  /** The folder of each open log. */
  private readonly paths: Map<SegmentLog, string>
  /** Folders that are being removed, or could not be removed yet, and their logs if they have one. */
  private readonly leftovers: Leftovers
  private nextNumber: number
  /** Bytes that are being written. */
  private reserved = 0

  /**
   * Creates the folder if there is none, locks it for this process, and recovers its lanes.
   *
   * @throws an error of the disk, also if another process has locked the folder
   */
  static async open(disk: Disk, given: LaneStoreOptions): Promise<LaneStore> {
    const share = Math.floor(given.maxBytes * MAX_SEGMENT_SHARE)
    const segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, share))
    const options = { ...given, segmentBytes: given.segmentBytes ?? segmentBytes }
    await disk.makeFolder(options.folder)
    const lock = await disk.lock(options.folder)
    const usage = createUsage()
    return new LaneStore(disk, options, lock, usage, await recoverLanes(disk, usage, options))
  }

  private constructor(
    disk: Disk,
    options: LaneStoreOptions,
    lock: DiskLock,
    usage: LogUsage,
    { lanes, paths, leftovers, nextNumber }: RecoveredLanes,
  ) {
    this.disk = disk
    this.options = options
    this.lock = lock
    this.usage = usage
    this.lanes = lanes
    this.paths = new Map(paths)
    this.leftovers = leftovers
    this.nextNumber = nextNumber
  }

  /** Bytes of records that the backend has yet to take. */
  get bytes(): number {
    return this.usage.undelivered
  }

  /** What the lanes take on disk. */
  get diskBytes(): number {
    return this.usage.allocated + (this.paths.size + this.leftovers.size) * LANE_BYTES
  }

  /**
   * Reserves room for records until they are on disk.
   *
   * @param hasFiles whether the lane that they are for has files already
   * @returns what was reserved, for `unreserve`; undefined, and nothing is reserved, if there is no room
   */
  reserve(bytes: number, hasFiles: boolean): number | undefined {
    const needed = inBlocks(bytes) + (hasFiles ? 0 : LANE_BYTES)
    if (this.diskBytes + this.reserved + needed > this.options.maxBytes) return undefined
    this.reserved += needed
    return needed
  }

  /** Ends a reservation: the bytes are on disk, and counted there, or will not be. */
  unreserve(reserved: number): void {
    this.reserved -= reserved
  }

  /**
   * Creates the files of a lane that has none.
   *
   * @throws an error of the disk; it can be called again
   */
  async createLane(lane: LaneIdentity): Promise<SegmentLog> {
    const { disk, options, usage } = this
    const path = lanePath(options.folder, this.nextNumber++)
    let log: SegmentLog | undefined
    try {
      await createFile(disk, laneFileOf(path), encodeLane(lane))
      log = await openLog(disk, path, lane.destination, usage, options)
      // Last, because making the lane's folder has synced this one on most disks.
      await disk.syncFolder(options.folder)
      this.paths.set(log, path)
      return log
    } catch (error) {
      await this.removeFiles(path, log)
      throw error
    }
  }

  /**
   * Removes the files of a lane whose log is durably empty. Never rejects: what the disk refuses to remove is
   * tried again later.
   */
  async removeLane(log: SegmentLog): Promise<void> {
    const path = this.paths.get(log)
    if (path === undefined) return
    this.paths.delete(log)
    if (await this.removeFiles(path, log)) await this.removeLeftover()
  }

  /** Tries again to remove files. Resolves with whether that has made room. */
  async removeLeftover(): Promise<boolean> {
    const [leftover] = this.leftovers
    return leftover !== undefined && (await this.removeFiles(...leftover))
  }

  /** Closes the files. Lanes that are empty leave nothing. */
  async close(): Promise<void> {
    this.isClosed = true
    const logs = [...this.paths.keys()].values()
    const closeInTurn = async () => {
      for (const log of logs) await this.closeLog(log)
    }
    await Promise.all(Array.from({ length: LANES_AT_A_TIME }, closeInTurn))
    await this.lock.release()
  }

  private async closeLog(log: SegmentLog): Promise<void> {
    try {
      if (log.isEmpty) await log.sync()
      if (log.isDurablyEmpty) await this.removeLane(log)
    } catch {
      // The next start removes it.
    }
    await log.close().catch(() => {})
  }

  private async removeFiles(path: string, log: SegmentLog | undefined): Promise<boolean> {
    this.leftovers.set(path, log)
    try {
      await removeLaneFiles(this.disk, path, log)
      return this.leftovers.delete(path)
    } catch {
      return false
    }
  }
}
