/** Finds the intact records of one segment file, however damaged it is, in bounded memory. */

import type { DamageReason } from './damage.ts'
import type { DiskFile } from './disk.ts'
import {
  HEADER_BYTES,
  type Header,
  type LogRecord,
  MAGIC_BYTE,
  readHeader,
  readRecord,
} from './record.ts'

/** Where to look, and which records belong there. */
export interface Extent {
  /** The offset at which the segment ends. */
  readonly end: number
  /** The lowest number that may come. */
  readonly sequence: number
  /** The number past the highest that may come. */
  readonly limit: number
}

export interface Found {
  /** Where the record starts, or the end of the extent if there is none. */
  readonly start: number
  readonly header: Header | undefined
  readonly record: LogRecord | undefined
  /** What is wrong with the bytes before `start`, or undefined if there are none. */
  readonly reason: DamageReason | undefined
}

/** Bytes to read at one time. */
const CHUNK_BYTES = 256 * 1024

const NOTHING = new Uint8Array(0)

export class RecordFinder {
  private readonly file: DiskFile
  /** A part of the file, and the offset at which it starts. */
  private window: Uint8Array = NOTHING
  private start = 0

  constructor(file: DiskFile) {
    this.file = file
  }

  /** Gives back the memory that reading took. */
  forget(): void {
    this.window = NOTHING
  }

  /** The first intact record at `from` or behind it. */
  async find(from: number, extent: Extent): Promise<Found> {
    let reason: DamageReason | undefined
    let at = from
    while (at < extent.end) {
      if (!this.holds(at, HEADER_BYTES)) await this.load(at, HEADER_BYTES, extent.end)
      const header = this.headerAt(at, extent.end)
      const fault = faultOf(header, at, extent)
      if (header && fault === undefined) {
        if (!this.holds(at, header.bytes)) await this.load(at, header.bytes, extent.end)
        const record = readRecord(this.window, at - this.start, header)
        if (record) return { start: at, header, record, reason }
      }
      // An intact header leads past its record, so that nothing inside a client's body, which may be a
      // copy of some segment, is taken for one. Behind a broken header there is no choice but to search.
      const leads = header && reason === undefined && at + header.bytes <= extent.end
      at = leads ? at + header.bytes : await this.nextHeader(at + 1, extent.end)
      reason ??= fault ?? 'checksum'
    }
    return { start: extent.end, header: undefined, record: undefined, reason }
  }

  /** The offset of the next intact header at `from` or behind it, or `end`. */
  private async nextHeader(from: number, end: number): Promise<number> {
    let at = from
    while (end - at >= HEADER_BYTES) {
      if (!this.holds(at, HEADER_BYTES)) await this.load(at, HEADER_BYTES, end)
      // The file may be shorter than it should be.
      if (!this.holds(at, HEADER_BYTES)) return end
      const found = this.window.indexOf(MAGIC_BYTE, at - this.start)
      at = found < 0 ? this.start + this.window.length : this.start + found
      if (!this.holds(at, HEADER_BYTES)) continue
      if (this.headerAt(at, end)) return at
      at++
    }
    return end
  }

  private headerAt(at: number, end: number): Header | undefined {
    return end - at < HEADER_BYTES ? undefined : readHeader(this.window, at - this.start)
  }

  private holds(at: number, length: number): boolean {
    return at >= this.start && at + length <= this.start + this.window.length
  }

  /** Has the window hold `length` bytes from `at` on, and more, as far as the file goes. */
  private async load(at: number, length: number, end: number): Promise<void> {
    this.window = NOTHING
    this.window = await this.file.read(at, Math.max(length, Math.min(CHUNK_BYTES, end - at)))
    this.start = at
  }
}

/** What is wrong with the record at `at`, as far as its header tells. */
function faultOf(
  header: Header | undefined,
  at: number,
  { end, sequence, limit }: Extent,
): DamageReason | undefined {
  if (!header) return end - at < HEADER_BYTES ? 'torn' : 'header'
  if (header.sequence < sequence || header.sequence >= limit) return 'sequence'
  return at + header.bytes > end ? 'torn' : undefined
}
