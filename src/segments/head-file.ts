/**
 * The file that says up to where a log has been delivered.
 *
 * It has three places to write to: a position never goes where the last one that was synced is, nor
 * where the last one is. So a write that is torn by a kill costs one position, and a power cut costs
 * those since the last sync.
 */

import { crc32c } from '../disk/crc32c.ts'
import { codeOf } from '../disk/disk.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { isUnreadable } from './damage.ts'
import type { Position } from './segment-index.ts'

export const HEAD = 'head'

const PLACES = [0, 1, 2]
/** So far apart that a torn write, which may spoil all that a disk writes at one time, spoils one. */
const PLACE_BYTES = 4096
const MAGIC = 0x31_48_57_f8 // F8 'W' 'H' '1'
const ENTRY_BYTES = 48

interface Entry {
  /** Counts the writes, from 1: the highest is the latest. */
  readonly generation: number
  /** The generation of the last one that had been synced when this one was written, 0 for none. */
  readonly durable: number
  readonly position: Position
}

export class HeadFile {
  private readonly disk: Disk
  private readonly folder: string
  private file: DiskFile | undefined
  /** Whether the folder has been synced since the file was made here. */
  private isNamed = true
  private generation = 0
  /** The generations at each place, 0 for none; and the last of them that was synced. */
  private readonly places: number[] = PLACES.map(() => 0)
  private durable = 0

  constructor(disk: Disk, folder: string) {
    this.disk = disk
    this.folder = folder
  }

  /**
   * The last position, synced, or undefined if there is none. Of the file's name the caller must take
   * care, by a sync of the folder.
   *
   * @throws SyntaxError if the file holds no position that is intact, or twice cannot be read, and so was
   * removed; else an error of the disk
   */
  async read(): Promise<Position | undefined> {
    const bytes = await this.load()
    if (!bytes) return undefined
    const entries = PLACES.map((place) => decode(bytes, place * PLACE_BYTES))
    for (const place of PLACES) this.places[place] = entries[place]?.generation ?? 0
    this.generation = Math.max(...this.places)
    const latest = entries.find((entry) => entry?.generation === this.generation)
    if (!latest) throw new SyntaxError(`${this.path} holds no position`)
    this.durable = latest.durable
    // Whether the disk has what we read cannot be told: a killed process may not have synced it, or have
    // failed to. Only what is written now and synced is sure to be there.
    const write = () => this.write(latest.position, true)
    await write().catch(write)
    return latest.position
  }

  /** Writes a position: safe from a kill once this resolves, and, if `durable`, from a power cut. */
  async write(position: Position, durable: boolean): Promise<void> {
    this.file ??= await this.openFile()
    const { places, generation: latest } = this
    const place = places.findIndex((one) => one === 0 || (one !== latest && one !== this.durable))
    const generation = latest + 1
    const entry = encode({ generation, durable: this.durable, position })
    await this.file.write(place * PLACE_BYTES, entry)
    places[place] = generation
    this.generation = generation
    if (!durable) return
    await this.file.sync()
    // A file whose name is lost takes its positions with it.
    if (!this.isNamed) await this.disk.syncFolder(this.folder)
    this.isNamed = true
    this.durable = generation
  }

  /** Closes the file; the next `write` opens it again. */
  async close(): Promise<void> {
    const { file } = this
    this.file = undefined
    await file?.close()
  }

  /** The bytes of the file, which is then open; undefined if there is none. */
  private async load(): Promise<Uint8Array | undefined> {
    const load = async () => {
      this.file ??= await this.disk.open(this.path)
      return this.file.read(0, PLACES.length * PLACE_BYTES)
    }
    try {
      return await load().catch(load)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      if (!isUnreadable(error)) throw error
      await this.close().catch(() => {})
      // Should the disk be able to read it one day, what it says then is long past.
      await this.disk.remove(this.path)
      throw new SyntaxError(`${this.path} cannot be read`, { cause: error })
    }
  }

  private async openFile(): Promise<DiskFile> {
    try {
      return await this.disk.open(this.path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    this.isNamed = false
    const file = await this.disk.create(this.path)
    // All the space it will ever take: a backlog must drain even when the disk is full.
    await file.write(0, new Uint8Array(PLACES.length * PLACE_BYTES)).catch(() => {})
    return file
  }

  private get path(): string {
    return `${this.folder}/${HEAD}`
  }
}

function encode({ generation, durable, position }: Entry): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setBigUint64(8, BigInt(generation), true)
  view.setBigUint64(16, BigInt(durable), true)
  view.setBigUint64(24, BigInt(position.segment), true)
  view.setBigUint64(32, BigInt(position.offset), true)
  view.setBigUint64(40, BigInt(position.sequence), true)
  view.setUint32(4, crc32c(bytes, 8), true)
  return bytes
}

function decode(bytes: Uint8Array, at: number): Entry | undefined {
  if (at + ENTRY_BYTES > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, ENTRY_BYTES)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  if (view.getUint32(4, true) !== crc32c(bytes, at + 8, at + ENTRY_BYTES)) return undefined
  const number = (offset: number) => Number(view.getBigUint64(offset, true))
  const position = { segment: number(24), offset: number(32), sequence: number(40) }
  return { generation: number(8), durable: number(16), position }
}
