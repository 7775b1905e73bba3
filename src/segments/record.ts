/**
 * Records: how writes look in a segment. docs/segments.md draws the format and gives its reasons.
 */

import { crc32c } from '../disk/crc32c.ts'

/** What the log keeps of a write. */
export interface LogRecord {
  /** Milliseconds since the Unix epoch; any number comes back as it was. */
  readonly acceptedAt: number
  /** The query string of its destination. */
  readonly query: string
  readonly body: Uint8Array
}

/** The fixed part of a record, where it is intact. */
export interface Header {
  /** Bytes of the whole record. */
  readonly bytes: number
  readonly queryBytes: number
  readonly sequence: number
  readonly acceptedAt: number
}

export const HEADER_BYTES = 36

/** Never in line protocol that is UTF-8: F8 begins no character. */
export const MAGIC_BYTE = 0xf8
const MAGIC = 0x31_57_52_f8 // F8 'R' 'W' '1'

const CHECKED_FROM = 8
const HEADER_CHECK_AT = 32

const encoder = new TextEncoder()
// It would drop a byte order mark at the start of a query otherwise.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A record on its way to a segment: all of it but its number. */
export interface EncodedRecord {
  readonly bytes: number
  readonly acceptedAt: number
  readonly query: Uint8Array
  readonly body: Uint8Array
}

export function prepare({ acceptedAt, query, body }: LogRecord): EncodedRecord {
  const text = encoder.encode(query)
  return { bytes: HEADER_BYTES + text.length + body.length, acceptedAt, query: text, body }
}

/** The records one behind the other, numbered from `sequence` on. */
export function encode(drafts: readonly EncodedRecord[], sequence: number): Uint8Array {
  const bytes = new Uint8Array(drafts.reduce((sum, one) => sum + one.bytes, 0))
  let at = 0
  for (const [i, one] of drafts.entries()) {
    write(one, sequence + i, bytes.subarray(at, at + one.bytes))
    at += one.bytes
  }
  return bytes
}

function write(
  { acceptedAt, query, body }: EncodedRecord,
  sequence: number,
  bytes: Uint8Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, query.length, true)
  view.setUint32(12, body.length, true)
  view.setBigUint64(16, BigInt(sequence), true)
  view.setFloat64(24, acceptedAt, true)
  view.setUint32(HEADER_CHECK_AT, crc32c(bytes, CHECKED_FROM, HEADER_CHECK_AT), true)
  bytes.set(query, HEADER_BYTES)
  bytes.set(body, HEADER_BYTES + query.length)
  view.setUint32(4, crc32c(bytes, CHECKED_FROM), true)
}

/** The header at `at`, or undefined if what stands there is none. */
export function readHeader(bytes: Uint8Array, at: number): Header | undefined {
  if (bytes[at] !== MAGIC_BYTE || at + HEADER_BYTES > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  const check = crc32c(bytes, at + CHECKED_FROM, at + HEADER_CHECK_AT)
  if (view.getUint32(HEADER_CHECK_AT, true) !== check) return undefined
  const queryBytes = view.getUint32(8, true)
  return {
    bytes: HEADER_BYTES + queryBytes + view.getUint32(12, true),
    queryBytes,
    sequence: Number(view.getBigUint64(16, true)),
    acceptedAt: view.getFloat64(24, true),
  }
}

/** The record at `at`, whose header was read there, or undefined if it is damaged. Its body is a view. */
export function readRecord(bytes: Uint8Array, at: number, header: Header): LogRecord | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES)
  const end = at + header.bytes
  if (end > bytes.length) return undefined
  if (view.getUint32(4, true) !== crc32c(bytes, at + CHECKED_FROM, end)) return undefined
  const queryAt = at + HEADER_BYTES
  const bodyAt = queryAt + header.queryBytes
  return {
    acceptedAt: header.acceptedAt,
    query: decoder.decode(bytes.subarray(queryAt, bodyAt)),
    body: bytes.subarray(bodyAt, end),
  }
}
