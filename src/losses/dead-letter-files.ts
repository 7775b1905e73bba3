/** The files of dead letters in a folder, and the bound on what they take together. */

import { createFile, readFile, removeIfThere } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import { join } from '../influxdb/lines.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { type DeadLetterKind, intactBytes } from './dead-letter-format.ts'

export interface RemovedFile {
  /** Its name in the folder; undefined for a letter that is larger than the bound: it was not written. */
  readonly name: string | undefined
  readonly bytes: number
}

export interface DamagedFile {
  readonly name: string
  /** Bytes at its end that are not a whole letter. */
  readonly bytes: number
  /** The file, in the same folder, to which they were moved; undefined if the disk refused. */
  readonly movedTo: string | undefined
}

/** A file takes no more letters once it has this share of the bound. */
const FILE_SHARE = 1 / 8

const BLOCK_BYTES = 4096

/** `influx2.telegraf.ns.000012.lp`: kind and number. `torn` for what a crash has left of a letter. */
const FILE_NAME = /^(.+)\.(\d{6,})\.(lp|torn)$/

export class LetterFolder {
  readonly maxBytes: number
  readonly maxFileBytes: number
  private readonly disk: Disk
  private readonly path: string
  private readonly onRemoved: (removed: RemovedFile) => void
  /** The bytes of all files, by name, the oldest first. */
  private readonly files = new Map<string, number>()
  /** The names of the files that take more letters, by kind. */
  private readonly current = new Map<string, string>()
  private nextNumber = 1
  private used = 0

  constructor(
    disk: Disk,
    path: string,
    maxBytes: number,
    onRemoved: (removed: RemovedFile) => void,
  ) {
    this.disk = disk
    this.path = path
    this.maxBytes = maxBytes
    this.maxFileBytes = Math.floor(maxBytes * FILE_SHARE)
    this.onRemoved = onRemoved
  }

  /** What the files take, counted in whole blocks. */
  get bytes(): number {
    return this.used
  }

  /** Finds the files that are there, and repairs them. They take no more letters. */
  async load(onDamage: (damage: DamagedFile) => void): Promise<void> {
    await this.disk.makeFolder(this.path)
    const found = (await this.disk.list(this.path))
      .filter(({ name, isFolder }) => !isFolder && FILE_NAME.test(name))
      .sort((a, b) => numberOf(a.name) - numberOf(b.name))
    for (const { name, bytes } of found) this.keep(name, bytes)
    this.nextNumber = numberOf(found.at(-1)?.name ?? '') + 1
    for (const { name } of found) {
      const damage = name.endsWith('.lp') ? await this.repair(name) : undefined
      if (damage) onDamage(damage)
    }
  }

  /**
   * Puts letters behind those of their kind; they are on disk for good once the folder has been synced.
   * Makes room first.
   */
  async append(kind: DeadLetterKind, letters: Uint8Array): Promise<void> {
    const { header } = kind
    await this.makeRoom(inBlocks(header.length + letters.length))
    const name = this.current.get(kind.key)
    if (name !== undefined && (await this.extend(name, letters))) return
    this.current.set(kind.key, await this.create(kind.fileName, 'lp', join([header, letters])))
  }

  /** Lets the next letter of this kind begin a new file. */
  seal(kind: DeadLetterKind): void {
    this.current.delete(kind.key)
  }

  /** After a failure nobody knows what the files that were being written will have kept. */
  sealAll(): void {
    this.current.clear()
  }

  sync(): Promise<void> {
    return this.disk.syncFolder(this.path)
  }

  private async makeRoom(bytes: number): Promise<void> {
    for (const [name, size] of this.files) {
      if (this.used + bytes <= this.maxBytes) return
      const isRemoved = await removeIfThere(this.disk, this.pathOf(name))
      this.forget(name)
      if (isRemoved) this.onRemoved({ name, bytes: size })
    }
  }

  /** False, and nothing is written, if the file is full, or is not as the relay has left it. */
  private async extend(name: string, letters: Uint8Array): Promise<boolean> {
    const size = this.files.get(name)
    if (size === undefined || size + letters.length > this.maxFileBytes) return false
    const file = await this.openIfThere(name)
    if (!file) return false
    try {
      if ((await file.size()) !== size) return false
      await this.writeOrUndo(file, size, letters)
    } finally {
      await file.close()
    }
    this.keep(name, size + letters.length)
    return true
  }

  private async writeOrUndo(file: DiskFile, size: number, letters: Uint8Array): Promise<void> {
    try {
      await file.write(size, letters)
      await file.sync()
    } catch (error) {
      // A line that was cut in the middle could be sent again with another timestamp.
      await cut(file, size).catch(() => {})
      throw error
    }
  }

  /** Somebody may have moved a file away, to send it again: then it is gone from the count, too. */
  private async openIfThere(name: string): Promise<DiskFile | undefined> {
    try {
      return await this.disk.open(this.pathOf(name))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      this.forget(name)
      return undefined
    }
  }

  /** Makes the next file of a kind, and returns its name. */
  private async create(kind: string, ending: string, bytes: Uint8Array): Promise<string> {
    const number = String(this.nextNumber++).padStart(6, '0')
    const name = `${kind}.${number}.${ending}`
    await createFile(this.disk, this.pathOf(name), bytes)
    this.keep(name, bytes.length)
    return name
  }

  /** Takes off the end of a file what is not a whole letter. */
  private async repair(name: string): Promise<DamagedFile | undefined> {
    const bytes = await readFile(this.disk, this.pathOf(name))
    if (!bytes) return undefined
    const intact = intactBytes(bytes)
    const torn = bytes.subarray(intact)
    if (torn.length === 0 && intact > 0) return undefined
    try {
      const movedTo = await this.moveEnd(name, intact, torn)
      return torn.length > 0 ? { name, bytes: torn.length, movedTo } : undefined
    } catch {
      return { name, bytes: torn.length, movedTo: undefined }
    }
  }

  private async moveEnd(name: string, intact: number, torn: Uint8Array): Promise<string> {
    const [, kind = ''] = FILE_NAME.exec(name) ?? []
    const movedTo = torn.length > 0 ? await this.create(kind, 'torn', torn) : ''
    await this.sync()
    if (intact > 0) {
      await this.truncate(name, intact)
    } else {
      await removeIfThere(this.disk, this.pathOf(name))
      this.forget(name)
    }
    return movedTo
  }

  private async truncate(name: string, size: number): Promise<void> {
    const file = await this.disk.open(this.pathOf(name))
    try {
      await cut(file, size)
    } finally {
      await file.close()
    }
    this.keep(name, size)
  }

  private keep(name: string, bytes: number): void {
    this.used += inBlocks(bytes) - inBlocks(this.files.get(name) ?? 0)
    this.files.set(name, bytes)
  }

  private forget(name: string): void {
    this.used -= inBlocks(this.files.get(name) ?? 0)
    this.files.delete(name)
  }

  private pathOf(name: string): string {
    return `${this.path}/${name}`
  }
}

async function cut(file: DiskFile, size: number): Promise<void> {
  await file.truncate(size)
  await file.sync()
}

/** What a file of this size takes of a disk, about: a million tiny files fill one, too. */
export function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

function numberOf(name: string): number {
  return Number(FILE_NAME.exec(name)?.[2] ?? 0)
}
