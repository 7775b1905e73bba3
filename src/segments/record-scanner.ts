/** Finds the intact records of one segment file, whatever else is in it, in bounded memory. */

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

/** Which records to look for. */
export interface ScanRange {
  /** The offset at which the segment ends. */
  readonly end: number
  /** The lowest sequence number that may come. */
  readonly sequence: number
  /** The sequence number past the highest that may come. */
  readonly limit: number
  /** A record whose body is longer is found, but not read. */
  readonly maxBodyBytes: number
}

export interface Found {
  /** Where the record starts; the end of the range if there is none. */
  readonly start: number
  readonly header: Header | undefined
  /** Undefined also if its body is too long. */
  readonly record: LogRecord | undefined
  /** Why the bytes before `start` are damaged; undefined if there are none. */
  readonly reason: DamageReason | undefined
}

/** The least and the most that is read at once, unless a single record is longer. */
const CHUNK_BYTES = 256 * 1024
const MAX_CHUNK_BYTES = 1024 * 1024

const NOTHING = new Uint8Array(0)

export class RecordScanner {
  private readonly file: DiskFile
  private readonly buffers: Buffers
  /** A part of the file, and its offset. */
  private window: Uint8Array = NOTHING
  private windowStart = 0
  /** Whether the body of a record is a view of the window. Then the user of the record owns the memory. */
  private isShared = false
  /** How much to read: the length of the last record and one header, since the next may be as long. */
  private readAhead = CHUNK_BYTES

  /** @param buffers memory for what is read. The user of a record may give back the memory of its body. */
  constructor(file: DiskFile, buffers: Buffers) {
    this.file = file
    this.buffers = buffers
  }

  /** Frees the window, unless a record uses it. */
  dropWindow(): void {
    if (!this.isShared) this.buffers.give(this.window)
    this.window = NOTHING
    this.isShared = false
  }

  /** The first intact record at or after `from`. */
  async find(from: number, range: ScanRange): Promise<Found> {
    const { end } = range
    let reason: DamageReason | undefined
    let at = from
    while (at < end) {
      if (!this.holds(at, HEADER_BYTES)) await this.load(at, HEADER_BYTES, end)
      const header = this.headerAt(at, end)
      const fault = faultOf(header, at, range)
      if (header && fault === undefined) {
        if (bodyBytesOf(header) > range.maxBodyBytes) {
          return { start: at, header, record: undefined, reason }
        }
        this.readAhead = Math.min(header.bytes + HEADER_BYTES, MAX_CHUNK_BYTES)
        if (!this.holds(at, header.bytes)) await this.load(at, header.bytes, end)
        const record = readRecord(this.window, at - this.windowStart, header)
        if (record) {
          this.isShared = true
          return { start: at, header, record, reason }
        }
      }
      // An intact header gives the start of the next record. The body is skipped: it comes from a client
      // and may be a copy of a segment. After a broken header only a search is left.
      const canSkip = header && reason === undefined && at + header.bytes <= end
      at = canSkip ? at + header.bytes : await this.searchHeader(at + 1, end)
      reason ??= fault ?? 'checksum'
    }
    return { start: end, header: undefined, record: undefined, reason }
  }

  /** The offset of the first intact header at or after `from`, or `end`. */
  private async searchHeader(from: number, end: number): Promise<number> {
    let at = from
    while (end - at >= HEADER_BYTES) {
      if (!this.holds(at, HEADER_BYTES)) await this.load(at, HEADER_BYTES, end)
      // The file may be shorter than the segment should be.
      if (!this.holds(at, HEADER_BYTES)) return end
      const found = this.window.indexOf(MAGIC_BYTE, at - this.windowStart)
      at = this.windowStart + (found < 0 ? this.window.length : found)
      if (!this.holds(at, HEADER_BYTES)) continue
      if (this.headerAt(at, end)) return at
      at++
    }
    return end
  }

  private headerAt(at: number, end: number): Header | undefined {
    return end - at < HEADER_BYTES ? undefined : readHeader(this.window, at - this.windowStart)
  }

  private holds(at: number, length: number): boolean {
    return at >= this.windowStart && at + length <= this.windowStart + this.window.length
  }

  /** Makes the window hold `length` bytes from `at` on, as far as the file goes. */
  private async load(at: number, length: number, end: number): Promise<void> {
    this.dropWindow()
    const size = Math.max(length, Math.min(Math.max(this.readAhead, CHUNK_BYTES), end - at))
    this.window = await this.file.read(at, size, this.buffers.take(size))
    this.windowStart = at
  }
}

function bodyBytesOf({ bytes, queryBytes }: Header): number {
  return bytes - HEADER_BYTES - queryBytes
}

/** What is wrong with the record at `at`, as far as its header shows. */
function faultOf(
  header: Header | undefined,
  at: number,
  { end, sequence, limit }: ScanRange,
): DamageReason | undefined {
  if (!header) return end - at < HEADER_BYTES ? 'torn' : 'header'
  if (header.sequence < sequence || header.sequence >= limit) return 'sequence'
  return at + header.bytes > end ? 'torn' : undefined
}
