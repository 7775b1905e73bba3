/** Finds the intact records of one segment file, however damaged it is, in bounded memory. */

import type { Buffers, DiskFile } from '../runtime.ts'
import type { DamageReason } from './damage.ts'
import {
  HEADER_BYTES,
  type Header,
  type LogRecord,
  MAGIC_BYTE,
  readHeader,
  readRecord,
} from './record.ts'

/** Where to look, and which records belong there. */
export interface ScanRange {
  /** The offset at which the segment ends. */
  readonly end: number
  /** The lowest number that may come. */
  readonly sequence: number
  /** The number past the highest that may come. */
  readonly limit: number
  /** The longest body that is wanted. Of a record with a longer one the header alone is read. */
  readonly room: number
}

export interface Found {
  /** Where the record starts, or the end of the extent if there is none. */
  readonly start: number
  readonly header: Header | undefined
  /** Undefined also if there is no room for it. */
  readonly record: LogRecord | undefined
  /** What is wrong with the bytes before `start`, or undefined if there are none. */
  readonly reason: DamageReason | undefined
}

/** Bytes to read at one time, at least and at most, unless a single record is larger. */
const CHUNK_BYTES = 256 * 1024
const MAX_CHUNK_BYTES = 1024 * 1024

const NOTHING = new Uint8Array(0)

export class RecordScanner {
  private readonly file: DiskFile
  private readonly buffers: Buffers
  /** A part of the file, and the offset at which it starts. */
  private window: Uint8Array = NOTHING
  private start = 0
  /** Whether a record has been given out that is a view of the window: then the memory is its user's. */
  private isInUse = false
  /** As much as the last record took with the header behind it: the next is likely to be as long. */
  private ahead = CHUNK_BYTES

  /** @param buffers memory for what is read; who has done with a record may give back that of its body */
  constructor(file: DiskFile, buffers: Buffers) {
    this.file = file
    this.buffers = buffers
  }

  /** Lets go of the memory that reading took. */
  forget(): void {
    if (!this.isInUse) this.buffers.give(this.window)
    this.window = NOTHING
    this.isInUse = false
  }

  /** The first intact record at `from` or behind it. */
  async find(from: number, extent: ScanRange): Promise<Found> {
    let reason: DamageReason | undefined
    let at = from
    while (at < extent.end) {
      if (!this.holds(at, HEADER_BYTES)) await this.load(at, HEADER_BYTES, extent.end)
      const header = this.headerAt(at, extent.end)
      const fault = faultOf(header, at, extent)
      if (header && fault === undefined) {
        if (bodyBytes(header) > extent.room) return { start: at, header, record: undefined, reason }
        const record = await this.read(at, header, extent.end)
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

  private async read(at: number, header: Header, end: number): Promise<LogRecord | undefined> {
    this.ahead = Math.min(header.bytes + HEADER_BYTES, MAX_CHUNK_BYTES)
    if (!this.holds(at, header.bytes)) await this.load(at, header.bytes, end)
    const record = readRecord(this.window, at - this.start, header)
    this.isInUse ||= record !== undefined
    return record
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
    this.forget()
    const ahead = Math.min(Math.max(this.ahead, CHUNK_BYTES), end - at)
    const size = Math.max(length, ahead)
    this.window = await this.file.read(at, size, this.buffers.take(size))
    this.start = at
  }
}

function bodyBytes({ bytes, queryBytes }: Header): number {
  return bytes - HEADER_BYTES - queryBytes
}

/** What is wrong with the record at `at`, as far as its header tells. */
function faultOf(
  header: Header | undefined,
  at: number,
  { end, sequence, limit }: ScanRange,
): DamageReason | undefined {
  if (!header) return end - at < HEADER_BYTES ? 'torn' : 'header'
  if (header.sequence < sequence || header.sequence >= limit) return 'sequence'
  return at + header.bytes > end ? 'torn' : undefined
}
