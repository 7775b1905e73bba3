/**
 * A disk in memory that can lose power.
 *
 * It separates what is synced from later changes; `crash` keeps or drops each of these. It is as unreliable
 * as the contract of `Disk` allows, and deterministic: the same calls with the same random numbers do the
 * same.
 */

import type { Disk, DiskEntry, DiskFile, DiskLock } from '../../src/runtime.ts'
import { diskError, Folder, Inode, type Random } from './fake-storage.ts'

export type { Random }

export type OperationKind = keyof Disk | keyof DiskFile

/** A call of the disk or of a file. */
export interface Operation {
  readonly kind: OperationKind
  readonly path: string
  /** Bytes to be read or written. */
  readonly bytes: number
}

/** Operations that fail. */
export interface Fault {
  /** ENOSPC, EIO … */
  readonly code: string
  /** The kinds of operations. @default all */
  readonly kinds?: readonly OperationKind[]
  /** Only operations on paths that contain this text. */
  readonly path?: string
  /** The first to fail, counted from now on. @default 1 */
  readonly nth?: number
  /** How many fail in a row. @default 1 */
  readonly times?: number
  /** Called for each that fails. */
  readonly failed?: () => void
}

/** The operation in which the process stops. */
interface Stop {
  left: number
  readonly random: Random
  readonly kinds: readonly OperationKind[] | undefined
  readonly path: string
  stopped(): void
}

const BLOCK_BYTES = 4096

export class FakeDisk implements Disk {
  /** Operations so far, in all and by kind, and their bytes. */
  operations = 0
  readonly counts = new Map<OperationKind, number>()
  bytesRead = 0
  bytesWritten = 0
  /** How many files are open. */
  openFiles = 0
  /** Bytes of all files together. A write past it writes what fits. */
  capacity = Number.POSITIVE_INFINITY
  /** Called before each operation, which waits for it and fails if it throws. */
  before: (operation: Operation) => void | Promise<void> = () => {}
  private readonly root: Folder
  private locks = new Set<Folder>()
  private faults: { fault: Fault; seen: number }[] = []
  private stop: Stop | undefined
  private isDead = false

  constructor(root = new Folder()) {
    this.root = root
  }

  /** A disk with these files, all synced. */
  static of(files: Iterable<readonly [path: string, bytes: Uint8Array]>): FakeDisk {
    const disk = new FakeDisk()
    for (const [path, bytes] of files) disk.put(path, bytes)
    return disk
  }

  /** All files as a process sees them, by path, in the order of paths. */
  files(): Map<string, Uint8Array> {
    const files = [...this.root.files('')].sort(([a], [b]) => (a < b ? -1 : 1))
    return new Map(files.map(([path, bytes]) => [path, bytes.slice()]))
  }

  /** Puts a synced file on the disk. Faults do not matter. */
  put(path: string, bytes: Uint8Array): void {
    const { folder, name } = this.root.place(path, true)
    const file = new Inode(bytes)
    folder.entries.set(name, file)
    folder.durable.set(name, file)
  }

  /** Makes operations fail. A failed sync drops what was not synced before, as on Linux. */
  fail(fault: Fault): void {
    this.faults.push({ fault, seen: 0 })
  }

  /** Ends all faults. */
  heal(): void {
    this.faults = []
    this.capacity = Number.POSITIVE_INFINITY
  }

  /**
   * Stops the process in its nth operation from now. That one is done, or in part, or not at all. Its promise
   * and those of later operations never settle. Resolves when the process has stopped.
   *
   * @param kinds counts only operations of these kinds, by default all
   * @param path counts only operations on paths that contain this text
   */
  stopAt(nth: number, random: Random, kinds?: readonly OperationKind[], path = ''): Promise<void> {
    return new Promise((stopped) => {
      this.stop = { left: nth, random, kinds, path, stopped }
    })
  }

  /** The disk after a kill of the process. Operations on this one never end. */
  kill(): FakeDisk {
    this.isDead = true
    return new FakeDisk(this.root)
  }

  /** The disk after a power cut. Operations on this one never end. */
  crash(random: Random): FakeDisk {
    this.isDead = true
    return new FakeDisk(this.root.afterCrash(random, new Map()))
  }

  /**
   * All files as a power cut now would leave them if it took everything that is not synced. The bytes
   * are views of the disk: read them before its next operation.
   */
  syncedFiles(): Map<string, Uint8Array> {
    return new Map(this.root.syncedFiles(''))
  }

  makeFolder(path: string): Promise<void> {
    return this.run({ kind: 'makeFolder', path, bytes: 0 }, () => {
      this.root.folder(path, true)
    })
  }

  list(folder: string): Promise<DiskEntry[]> {
    return this.run({ kind: 'list', path: folder, bytes: 0 }, () => {
      const { entries } = this.root.folder(folder)
      return [...entries].map(([name, node]) => ({
        name,
        bytes: node instanceof Inode ? node.content.size : 0,
        isFolder: node instanceof Folder,
      }))
    })
  }

  syncFolder(path: string): Promise<void> {
    return this.run({ kind: 'syncFolder', path, bytes: 0 }, () => this.root.folder(path).sync())
  }

  create(path: string): Promise<DiskFile> {
    return this.run({ kind: 'create', path, bytes: 0 }, () => {
      const { folder, name } = this.root.place(path)
      if (folder.entries.has(name)) throw diskError('EEXIST', path)
      const file = new Inode(new Uint8Array(0))
      folder.change({ add: [name, file] })
      return new FakeFile(this, path, file)
    })
  }

  open(path: string): Promise<DiskFile> {
    return this.run(
      { kind: 'open', path, bytes: 0 },
      () => new FakeFile(this, path, this.root.file(path)),
    )
  }

  remove(path: string): Promise<void> {
    return this.run({ kind: 'remove', path, bytes: 0 }, () => {
      this.root.file(path)
      const { folder, name } = this.root.place(path)
      folder.change({ remove: name })
    })
  }

  removeFolder(path: string): Promise<void> {
    return this.run({ kind: 'removeFolder', path, bytes: 0 }, () => {
      if (this.root.folder(path).entries.size > 0) throw diskError('ENOTEMPTY', path)
      const { folder, name } = this.root.place(path)
      folder.change({ remove: name })
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.run({ kind: 'rename', path: from, bytes: 0 }, () => {
      const node = this.root.node(from)
      const source = this.root.place(from)
      const target = this.root.place(to)
      if (source.folder === target.folder) {
        source.folder.change({ remove: source.name, add: [target.name, node] })
      } else {
        source.folder.moveTo(target.folder, source.name, [target.name, node])
      }
    })
  }

  /** What the folders and files in a folder take in blocks, without copies of damaged bytes. */
  allocated(path: string): number {
    let sum = 0
    for (const [own, bytes] of this.root.folder(path).files('')) {
      if (!own.includes('damaged/')) sum += Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES
    }
    for (const own of this.root.folder(path).folders('')) {
      if (!own.endsWith('damaged')) sum += BLOCK_BYTES
    }
    return sum
  }

  /** All folders as a process sees them, by path. */
  folders(): string[] {
    return [...this.root.folders('')]
  }

  lock(path: string): Promise<DiskLock> {
    return this.run({ kind: 'lock', path, bytes: 0 }, () => {
      const folder = this.root.folder(path)
      if (this.locks.has(folder)) throw diskError('EBUSY', path)
      this.locks.add(folder)
      return {
        release: async () => {
          this.locks.delete(folder)
        },
      }
    })
  }

  /** For files: does an operation, or fails, or stops in the middle of it. */
  async run<T>(operation: Operation, effect: () => T, failures: Failures = {}): Promise<T> {
    await this.before(operation)
    if (this.isDead) return never()
    this.operations++
    this.counts.set(operation.kind, (this.counts.get(operation.kind) ?? 0) + 1)
    if (this.stop && isStopping(this.stop, operation)) {
      const share = this.stop.random() * 3 - 1
      if (share >= 1) attempt(effect)
      else if (share > 0) failures.part?.(share)
      this.isDead = true
      this.stop.stopped()
      return never()
    }
    const code = this.faultOf(operation)
    if (code === undefined) return effect()
    failures.fail?.()
    throw diskError(code, operation.path)
  }

  /** For files: free bytes. */
  get room(): number {
    if (this.capacity === Number.POSITIVE_INFINITY) return this.capacity
    let used = 0
    for (const [, bytes] of this.root.files('')) used += bytes.length
    return Math.max(0, this.capacity - used)
  }

  private faultOf({ kind, path }: Operation): string | undefined {
    let code: string | undefined
    for (const entry of this.faults) {
      const { fault } = entry
      if (fault.kinds && !fault.kinds.includes(kind)) continue
      if (!path.includes(fault.path ?? '')) continue
      const nth = fault.nth ?? 1
      entry.seen++
      if (entry.seen < nth || entry.seen >= nth + (fault.times ?? 1)) continue
      code ??= fault.code
      fault.failed?.()
    }
    return code
  }
}

/** What an operation does if it does not succeed. @default nothing */
interface Failures {
  /** The process stops after a share of the operation. */
  readonly part?: (share: number) => void
  readonly fail?: () => void
}

class FakeFile implements DiskFile {
  private readonly disk: FakeDisk
  private readonly path: string
  private readonly inode: Inode
  private isClosed = false

  constructor(disk: FakeDisk, path: string, inode: Inode) {
    this.disk = disk
    this.path = path
    this.inode = inode
    disk.openFiles++
  }

  size(): Promise<number> {
    return this.run('size', 0, () => this.inode.content.size)
  }

  read(offset: number, length: number, into = new Uint8Array(length)): Promise<Uint8Array> {
    return this.run('read', length, () => {
      const bytes = this.inode.content.read(offset, length)
      this.disk.bytesRead += bytes.length
      into.set(bytes)
      return into.subarray(0, bytes.length)
    })
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice()
    const writeFirst = (count: number) => {
      if (count > 0) this.inode.change({ kind: 'write', offset, bytes: copy.subarray(0, count) })
      this.disk.bytesWritten += count
    }
    return this.run(
      'write',
      bytes.length,
      () => {
        const fits = Math.max(0, this.inode.content.size - offset) + this.disk.room
        writeFirst(Math.min(fits, copy.length))
        if (fits < copy.length) throw diskError('ENOSPC', this.path)
      },
      {
        part: (share) => writeFirst(Math.floor(copy.length * share)),
        fail: () => writeFirst(copy.length >> 1),
      },
    )
  }

  truncate(size: number): Promise<void> {
    return this.run('truncate', 0, () => this.inode.change({ kind: 'truncate', size }))
  }

  sync(): Promise<void> {
    return this.run('sync', 0, () => this.inode.sync(), { fail: () => this.inode.forget() })
  }

  close(): Promise<void> {
    const close = () => {
      this.isClosed = true
      this.disk.openFiles--
    }
    return this.run('close', 0, close, { fail: close })
  }

  private run<T>(
    kind: OperationKind,
    bytes: number,
    effect: () => T,
    failures?: Failures,
  ): Promise<T> {
    const { path } = this
    const checked = () => {
      if (this.isClosed) throw diskError('EBADF', path)
      return effect()
    }
    return this.disk.run({ kind, path, bytes }, checked, failures)
  }
}

/** Counts an operation if it is one that the stop waits for. */
function isStopping(stop: Stop, { kind, path }: Operation): boolean {
  if (stop.kinds && !stop.kinds.includes(kind)) return false
  if (!path.includes(stop.path)) return false
  return --stop.left <= 0
}

function attempt(effect: () => unknown): void {
  try {
    effect()
  } catch {
    // The process has stopped.
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
