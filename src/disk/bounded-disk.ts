/**
 * A disk with a bound on the files that are open at one time.
 *
 * Its users may keep any number of files open. Only the files in use and those used last have a handle; the
 * others are opened again when they are used. An operation that finds all handles in use waits for one. No
 * operation needs two, so none waits for ever.
 */

import type { Disk, DiskEntry, DiskFile, DiskLock } from '../runtime.ts'

export class BoundedDisk implements Disk {
  private readonly disk: Disk
  private readonly handles: Handles

  /** @param maxOpenFiles at least 1. Locks are not counted. */
  constructor(disk: Disk, maxOpenFiles: number) {
    this.disk = disk
    this.handles = new Handles(maxOpenFiles)
  }

  makeFolder(path: string): Promise<void> {
    return this.withHandle(() => this.disk.makeFolder(path))
  }

  list(folder: string): Promise<DiskEntry[]> {
    return this.withHandle(() => this.disk.list(folder))
  }

  syncFolder(folder: string): Promise<void> {
    return this.withHandle(() => this.disk.syncFolder(folder))
  }

  create(path: string): Promise<DiskFile> {
    return BoundedFile.open(this.disk, this.handles, path, () => this.disk.create(path))
  }

  open(path: string): Promise<DiskFile> {
    return BoundedFile.open(this.disk, this.handles, path, () => this.disk.open(path))
  }

  remove(path: string): Promise<void> {
    return this.disk.remove(path)
  }

  removeFolder(path: string): Promise<void> {
    return this.disk.removeFolder(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.disk.rename(from, to)
  }

  lock(path: string): Promise<DiskLock> {
    return this.disk.lock(path)
  }

  private async withHandle<Result>(operation: () => Promise<Result>): Promise<Result> {
    await this.handles.take()
    try {
      return await operation()
    } finally {
      this.handles.give()
    }
  }
}

/** The handles that may be open. */
class Handles {
  private free: number
  /** Files with a handle that no operation uses, the one used least recently first. */
  private readonly idle = new Set<BoundedFile>()
  private readonly waiting: (() => void)[] = []

  constructor(count: number) {
    this.free = count
  }

  /** Resolves once a handle may be opened, if need be after an idle one was closed. */
  async take(): Promise<void> {
    while (this.free === 0) {
      const file = this.leastUseful()
      if (file) await file.suspend()
      else await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    this.free--
  }

  give(): void {
    this.free++
    this.waiting.shift()?.()
  }

  becameIdle(file: BoundedFile): void {
    this.idle.add(file)
    this.waiting.shift()?.()
  }

  becameBusy(file: BoundedFile): void {
    this.idle.delete(file)
  }

  /** The idle file to close. One that is not synced would have to be synced before. */
  private leastUseful(): BoundedFile | undefined {
    let found: BoundedFile | undefined
    for (const file of this.idle) {
      found ??= file
      if (!file.isDirty) return file
    }
    return found
  }
}

class BoundedFile implements DiskFile {
  /** Whether it was changed since the last sync. */
  isDirty = false
  private readonly disk: Disk
  private readonly handles: Handles
  private readonly path: string
  /** Undefined while it is suspended. */
  private handle: DiskFile | undefined
  /** The handle is being opened or closed. Never rejects. */
  private changing: Promise<void> | undefined
  private users = 0
  /** Why a sync before the handle was closed has failed. The next `sync` rejects with it. */
  private syncError: unknown
  private isClosed = false

  static async open(
    disk: Disk,
    handles: Handles,
    path: string,
    open: () => Promise<DiskFile>,
  ): Promise<DiskFile> {
    const file = new BoundedFile(disk, handles, path)
    await file.openHandle(open)
    handles.becameIdle(file)
    return file
  }

  private constructor(disk: Disk, handles: Handles, path: string) {
    this.disk = disk
    this.handles = handles
    this.path = path
  }

  size(): Promise<number> {
    return this.use((handle) => handle.size())
  }

  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.use((handle) => handle.read(offset, length, into))
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.use((handle) => {
      this.isDirty = true
      return handle.write(offset, bytes)
    })
  }

  truncate(size: number): Promise<void> {
    return this.use((handle) => {
      this.isDirty = true
      return handle.truncate(size)
    })
  }

  sync(): Promise<void> {
    return this.use(async (handle) => {
      this.isDirty = false
      const { syncError } = this
      this.syncError = undefined
      await handle.sync()
      if (syncError !== undefined) throw syncError
    })
  }

  async close(): Promise<void> {
    this.isClosed = true
    while (this.changing) await this.changing
    this.handles.becameBusy(this)
    await this.closeHandle()
  }

  /** Closes the handle of a file that no operation uses. The next operation opens it again. */
  suspend(): Promise<void> {
    this.handles.becameBusy(this)
    return this.change(async () => {
      if (this.isDirty) {
        // The system may forget an error of the disk once no handle is left to report it on.
        this.isDirty = false
        await this.handle?.sync().catch((error) => {
          this.syncError ??= error
        })
      }
      await this.closeHandle().catch(() => {})
    })
  }

  private async use<Result>(operation: (handle: DiskFile) => Promise<Result>): Promise<Result> {
    this.users++
    this.handles.becameBusy(this)
    try {
      return await operation(await this.open())
    } finally {
      this.users--
      if (this.users === 0 && this.handle && !this.isClosed) this.handles.becameIdle(this)
    }
  }

  private async open(): Promise<DiskFile> {
    let failure: { readonly error: unknown } | undefined
    while (!failure && (this.changing || !this.handle)) {
      if (this.isClosed) throw Object.assign(new Error(`${this.path} is closed`), { code: 'EBADF' })
      if (this.changing) await this.changing
      else {
        await this.change(() =>
          this.openHandle(() => this.disk.open(this.path)).catch((error) => {
            failure = { error }
          }),
        )
      }
    }
    if (failure) throw failure.error
    return this.handle as DiskFile
  }

  private change(job: () => Promise<void>): Promise<void> {
    this.changing = job().finally(() => {
      this.changing = undefined
    })
    return this.changing
  }

  private async openHandle(open: () => Promise<DiskFile>): Promise<void> {
    await this.handles.take()
    try {
      this.handle = await open()
    } catch (error) {
      this.handles.give()
      throw error
    }
  }

  private async closeHandle(): Promise<void> {
    const { handle } = this
    this.handle = undefined
    if (!handle) return
    try {
      await handle.close()
    } finally {
      this.handles.give()
    }
  }
}
