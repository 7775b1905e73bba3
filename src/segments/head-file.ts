/**
 * The file that stores the head of a log: the position up to which records were delivered.
 *
 * The file has three blocks. A position is never written over the latest one, nor over the last one that
 * was synced. So a write torn by a kill loses one position, and a power cut loses those since the last sync.
 */

import { crc32c } from '../disk/crc32c.ts'
import { codeOf } from '../disk/disk.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { isUnreadable } from './damage.ts'
import type { Position } from './segment-index.ts'

export const HEAD = 'head'

const BLOCKS = [0, 1, 2]
/** A disk writes whole sectors, of at most this size: a torn write damages one block alone. */
const BLOCK_BYTES = 4096
const MAGIC = 0x31_48_57_f8 // F8 'W' 'H' '1'
const POSITION_BYTES = 48

interface SavedPosition {
  /** Counts the writes, from 1: the highest is the latest. */
  readonly generation: number
  /** The generation of the last position that was synced before this one was written, 0 for none. */
  readonly durable: number
  readonly position: Position
}

export class HeadFile {
  /** Whether `read` has found damage: then the latest position may be missing. */
  isDamaged = false
  private readonly disk: Disk
  private readonly folder: string
  private file: DiskFile | undefined
  /** Whether the file's name is synced. */
  private isNameDurable = true
  private generation = 0
  /** The generation in each block, 0 for none. */
  private readonly blocks: number[] = BLOCKS.map(() => 0)
  /** The last generation that was synced. */
  private durable = 0

  constructor(disk: Disk, folder: string) {
    this.disk = disk
    this.folder = folder
  }

  /**
   * The last position, synced, or undefined if there is no file. The caller syncs the folder.
   *
   * @throws SyntaxError if the file holds no intact position, or could not be read twice and was removed;
   * or an error of the disk
   */
  async read(): Promise<Position | undefined> {
    const bytes = await this.load()
    if (!bytes) return undefined
    const saved = BLOCKS.map((block) => decode(bytes, block * BLOCK_BYTES))
    this.isDamaged = BLOCKS.some((block) => !saved[block] && !isUnused(bytes, block * BLOCK_BYTES))
    for (const block of BLOCKS) this.blocks[block] = saved[block]?.generation ?? 0
    this.generation = Math.max(...this.blocks)
    const latest = saved.find((one) => one?.generation === this.generation)
    if (!latest) throw new SyntaxError(`${this.path} holds no position`)
    this.durable = latest.durable
    // A process that was killed may not have synced what was read here. Only a new write and its sync
    // make it durable.
    const write = () => this.write(latest.position, true)
    await write().catch(write)
    return latest.position
  }

  /** Saves a position. Once this resolves a kill does not lose it; nor, if `durable`, a power cut. */
  async write(position: Position, durable: boolean): Promise<void> {
    this.file ??= await this.openFile()
    const { blocks, generation: latest } = this
    const block = blocks.findIndex((one) => one === 0 || (one !== latest && one !== this.durable))
    const generation = latest + 1
    const bytes = encode({ generation, durable: this.durable, position })
    await this.file.write(block * BLOCK_BYTES, bytes)
    blocks[block] = generation
    this.generation = generation
    if (!durable) return
    await this.file.sync()
    // A power cut would lose a file whose name is not synced.
    if (!this.isNameDurable) await this.disk.syncFolder(this.folder)
    this.isNameDurable = true
    this.durable = generation
  }

  /** Closes the file. The next `write` opens it again. */
  async close(): Promise<void> {
    const { file } = this
    this.file = undefined
    await file?.close()
  }

  /** The bytes of the file, which stays open; undefined if there is none. */
  private async load(): Promise<Uint8Array | undefined> {
    const load = async () => {
      this.file ??= await this.disk.open(this.path)
      return this.file.read(0, BLOCKS.length * BLOCK_BYTES)
    }
    try {
      return await load().catch(load)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      if (!isUnreadable(error)) throw error
      await this.close().catch(() => {})
      // If the disk can read the file again one day, its position will be out of date.
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
    this.isNameDurable = false
    const file = await this.disk.create(this.path)
    // Takes its full size at once, so that a log can be drained when the disk is full.
    await file.write(0, new Uint8Array(BLOCKS.length * BLOCK_BYTES)).catch(() => {})
    return file
  }

  private get path(): string {
    return `${this.folder}/${HEAD}`
  }
}

function encode({ generation, durable, position }: SavedPosition): Uint8Array {
  const bytes = new Uint8Array(POSITION_BYTES)
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

/** Whether no position was ever written to a block. */
function isUnused(bytes: Uint8Array, at: number): boolean {
  return at < bytes.length && bytes.subarray(at, at + POSITION_BYTES).every((byte) => byte === 0)
}

function decode(bytes: Uint8Array, at: number): SavedPosition | undefined {
  if (at + POSITION_BYTES > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, POSITION_BYTES)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  if (view.getUint32(4, true) !== crc32c(bytes, at + 8, at + POSITION_BYTES)) return undefined
  const number = (offset: number) => Number(view.getBigUint64(offset, true))
  const position = { segment: number(24), offset: number(32), sequence: number(40) }
  return { generation: number(8), durable: number(16), position }
}
