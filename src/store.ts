/** What one backend has on disk: a folder, and in it a folder with a log for each lane. */

import type { Damage } from './damage.ts'
import type { Disk, DiskLock } from './disk.ts'
import { SegmentLog } from './segments.ts'
import { createWhole, readWhole } from './whole-file.ts'
import { type Destination, laneDestination } from './write.ts'

/** What is done with an acknowledged write when the buffer is full. */
export type WhenFull = 'reject' | 'drop-oldest' | 'drop-newest'

export interface StoreOptions {
  readonly folder: string
  /** Of all logs together. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Older writes are given up; undefined to keep them for as long as there is room. */
  readonly maxAgeMs: number | undefined
  /** About the size of a file; undefined for a log's own choice. */
  readonly segmentBytes?: number | undefined
  onDamage(damage: Damage): void
}

/** What the file beside a lane's folder says, readable by its owner only: whose writes it holds. */
interface LaneFile {
  readonly database: string
  readonly retentionPolicy: string
  readonly authorization: string | null
}

export interface StoredLane {
  readonly destination: Destination
  readonly log: SegmentLog
}

export class Store {
  readonly options: StoreOptions
  private readonly disk: Disk
  private readonly lock: DiskLock
  private readonly logs: SegmentLog[] = []
  private nextLane = 1
  /** Bytes that are on their way to the disk. */
  private reserved = 0

  /**
   * Takes the folder, for this process alone, and makes it if there is none.
   *
   * @throws an error of the disk, also if another process has the folder
   */
  static async open(disk: Disk, options: StoreOptions): Promise<Store> {
    await disk.makeFolder(options.folder)
    return new Store(disk, options, await disk.lock(options.folder))
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

  /** The lanes that a process before this one has left. */
  async lanes(): Promise<StoredLane[]> {
    const found: StoredLane[] = []
    for (const { name, isFolder } of await this.disk.list(this.options.folder)) {
      const number = /^lane-(\d{1,15})$/.exec(name)?.[1]
      if (!isFolder || number === undefined) continue
      this.nextLane = Math.max(this.nextLane, Number(number) + 1)
      const lane = await this.openLane(`${this.options.folder}/${name}`)
      if (lane) found.push(lane)
    }
    await this.disk.syncFolder(this.options.folder)
    return found
  }

  /** A new log for a lane that has none. */
  async createLane(destination: Destination): Promise<SegmentLog> {
    const path = `${this.options.folder}/lane-${this.nextLane++}`
    await this.disk.makeFolder(path)
    const { database, retentionPolicy, authorization = null } = destination
    const file: LaneFile = { database, retentionPolicy, authorization }
    await createWhole(this.disk, fileOf(path), encode(file))
    await this.disk.syncFolder(this.options.folder)
    return this.openLog(path)
  }

  async close(): Promise<void> {
    for (const log of this.logs) await log.close().catch(() => {})
    await this.lock.release()
  }

  private async openLane(path: string): Promise<StoredLane | undefined> {
    const bytes = await readWhole(this.disk, fileOf(path))
    const file = bytes && decode(bytes)
    if (!file) {
      // Without it nothing can have been acknowledged: it is there before the first record.
      this.report(fileOf(path), bytes?.length ?? 0)
      return undefined
    }
    await this.sync(fileOf(path))
    const { database, retentionPolicy, authorization } = file
    const destination = laneDestination(database, retentionPolicy, authorization ?? undefined)
    return { destination, log: await this.openLog(path) }
  }

  /** A process that was killed may have written the file and not lived to sync it. */
  private async sync(path: string): Promise<void> {
    const file = await this.disk.open(path)
    await file.sync().finally(() => file.close())
  }

  private async openLog(path: string): Promise<SegmentLog> {
    const { onDamage, segmentBytes } = this.options
    const size = segmentBytes === undefined ? {} : { segmentBytes }
    const log = await SegmentLog.open(this.disk, path, { onDamage, ...size })
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

function encode(file: LaneFile): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(file)}\n`)
}

function decode(bytes: Uint8Array): LaneFile | undefined {
  try {
    const file = JSON.parse(new TextDecoder().decode(bytes))
    return typeof file?.database === 'string' ? file : undefined
  } catch {
    return undefined
  }
}
