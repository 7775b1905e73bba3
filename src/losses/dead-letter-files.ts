/** The files of dead letters in a folder, bounded in size. */

import { createFile, readFile, removeIfThere } from '../disk/atomic-file.ts'
import { inBlocks } from '../disk/blocks.ts'
import { codeOf } from '../disk/disk.ts'
import { join } from '../influxdb/lines.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { type DeadLetterKind, intactBytes } from './dead-letter-format.ts'

export interface RemovedFile {
  /** The file name. Undefined for a letter larger than the bound, which was not written. */
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

/** A file that has this share of the bound is full. */
const FILE_SHARE = 1 / 8

/** `influx2.telegraf.ns.000012.lp`: kind and number. `torn` holds the part of a letter left by a crash. */
const FILE_NAME = /^(.+)\.(\d{6,})\.(lp|base64|torn)$/

export class DeadLetterFiles {
  readonly maxBytes: number
  readonly maxFileBytes: number
  private readonly disk: Disk
  private readonly folder: string
  private readonly onRemoved: (removed: RemovedFile) => void
  /** The bytes of each file by its name, the oldest first. */
  private readonly files = new Map<string, number>()
  /** The names of the files that take more letters, by kind. */
  private readonly current = new Map<string, string>()
  private nextNumber = 1
  private used = 0

  constructor(
    disk: Disk,
    folder: string,
    maxBytes: number,
    onRemoved: (removed: RemovedFile) => void,
  ) {
    this.disk = disk
    this.folder = folder
    this.maxBytes = maxBytes
    this.maxFileBytes = Math.floor(maxBytes * FILE_SHARE)
    this.onRemoved = onRemoved
  }

  /** Bytes of all files, each in whole blocks. */
  get bytes(): number {
    return this.used
  }

  /** Finds the files of earlier processes and repairs them. They take no more letters. */
  async load(onDamage: (damage: DamagedFile) => void): Promise<void> {
    await this.disk.makeFolder(this.folder)
    const found = (await this.disk.list(this.folder))
      .filter(({ name, isFolder }) => !isFolder && FILE_NAME.test(name))
      .sort((a, b) => numberOf(a.name) - numberOf(b.name))
    for (const { name, bytes } of found) this.setSize(name, bytes)
    this.nextNumber = numberOf(found.at(-1)?.name ?? '') + 1
    for (const { name } of found) {
      const damage = name.endsWith('.torn') ? undefined : await this.repair(name)
      if (damage) onDamage(damage)
    }
  }

  /**
   * Appends letters to the file of their kind, or to a new one, after removing the oldest files if there is
   * no room. A new file outlasts a power cut only after `sync`.
   */
  async append(kind: DeadLetterKind, letters: Uint8Array): Promise<void> {
    const { header } = kind
    await this.makeRoom(inBlocks(header.length + letters.length))
    const name = this.current.get(kind.key)
    if (name !== undefined && (await this.appendTo(name, letters))) return
    this.current.set(
      kind.key,
      await this.create(kind.fileName, kind.ending, join([header, letters])),
    )
  }

  /** The next letter of this kind starts a new file. */
  seal(kind: DeadLetterKind): void {
    this.current.delete(kind.key)
  }

  /** The next letter of every kind starts a new file: after an error the content of a file is unknown. */
  sealAll(): void {
    this.current.clear()
  }

  sync(): Promise<void> {
    return this.disk.syncFolder(this.folder)
  }

  private async makeRoom(bytes: number): Promise<void> {
    for (const [name, size] of this.files) {
      if (this.used + bytes <= this.maxBytes) return
      const isRemoved = await removeIfThere(this.disk, this.pathOf(name))
      this.forget(name)
      if (isRemoved) this.onRemoved({ name, bytes: size })
    }
  }

  /** Returns false, and writes nothing, if the file is full, was moved away, or was changed. */
  private async appendTo(name: string, letters: Uint8Array): Promise<boolean> {
    const size = this.files.get(name)
    if (size === undefined || size + letters.length > this.maxFileBytes) return false
    let file: DiskFile
    try {
      file = await this.disk.open(this.pathOf(name))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      // An operator has moved the file away.
      this.forget(name)
      return false
    }
    const write = async () => {
      await file.write(size, letters)
      await file.sync()
    }
    try {
      if ((await file.size()) !== size) return false
      await write().catch(async (error) => {
        // Half a line, if it were sent again, could have another timestamp.
        await cut(file, size).catch(() => {})
        throw error
      })
    } finally {
      await file.close()
    }
    this.setSize(name, size + letters.length)
    return true
  }

  /** Creates the next file of a kind. Returns its name. */
  private async create(kind: string, ending: string, bytes: Uint8Array): Promise<string> {
    const number = String(this.nextNumber++).padStart(6, '0')
    const name = `${kind}.${number}.${ending}`
    await createFile(this.disk, this.pathOf(name), bytes)
    this.setSize(name, bytes.length)
    return name
  }

  /** Moves bytes at the end of a file that are not a whole letter to a file of their own. */
  private async repair(name: string): Promise<DamagedFile | undefined> {
    const bytes = await readFile(this.disk, this.pathOf(name))
    if (!bytes) return undefined
    const intact = intactBytes(bytes)
    const torn = bytes.subarray(intact)
    if (torn.length === 0 && intact > 0) return undefined
    let movedTo: string | undefined
    try {
      const [, kind = ''] = FILE_NAME.exec(name) ?? []
      const copy = torn.length > 0 ? await this.create(kind, 'torn', torn) : undefined
      await this.sync()
      if (intact > 0) await this.truncate(name, intact)
      else await this.remove(name)
      movedTo = copy
    } catch {
      // The file stays as it is, and is repaired at the next start.
    }
    return torn.length > 0 ? { name, bytes: torn.length, movedTo } : undefined
  }

  private async truncate(name: string, size: number): Promise<void> {
    const file = await this.disk.open(this.pathOf(name))
    try {
      await cut(file, size)
    } finally {
      await file.close()
    }
    this.setSize(name, size)
  }

  private async remove(name: string): Promise<void> {
    await removeIfThere(this.disk, this.pathOf(name))
    this.forget(name)
  }

  private setSize(name: string, bytes: number): void {
    this.used += inBlocks(bytes) - inBlocks(this.files.get(name) ?? 0)
    this.files.set(name, bytes)
  }

  private forget(name: string): void {
    this.used -= inBlocks(this.files.get(name) ?? 0)
    this.files.delete(name)
  }

  private pathOf(name: string): string {
    return `${this.folder}/${name}`
  }
}

async function cut(file: DiskFile, size: number): Promise<void> {
  await file.truncate(size)
  await file.sync()
}

function numberOf(name: string): number {
  return Number(FILE_NAME.exec(name)?.[2] ?? 0)
}
