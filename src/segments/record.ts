/** The format of a record in a segment. docs/segments.md draws it and gives the reasons. */

import { crc32c } from '../disk/crc32c.ts'

/** What a log stores. It does not look into any of it. */
export interface LogRecord {
  /** What the body is, 0 to 255: the caller's numbers. Every number comes back, also an unknown one. */
  readonly kind: number
  /** Milliseconds since the Unix epoch; any number comes back as it was. */
  readonly acceptedAt: number
  /** The query string of the destination, at most `MAX_QUERY_BYTES` of UTF-8. */
  readonly query: string
  readonly body: Uint8Array
}

/** The fixed part of a record, where it is intact. */
export interface Header {
  /** Bytes of the whole record. */
  readonly bytes: number
  readonly kind: number
  readonly queryBytes: number
  readonly sequence: number
  readonly acceptedAt: number
}

export const HEADER_BYTES = 36

/** The query's length has three bytes; the fourth holds the kind. It was 0 before there were kinds. */
export const MAX_QUERY_BYTES = 0xff_ff_ff

/** Never in line protocol that is UTF-8: F8 begins no character. */
export const MAGIC_BYTE = 0xf8
const MAGIC = 0x31_57_52_f8 // F8 'R' 'W' '1'

const CHECKED_FROM = 8
const KIND_AT = 11
const HEADER_CHECK_AT = 32

const encoder = new TextEncoder()
// It would drop a byte order mark at the start of a query otherwise.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A record on its way to a segment: all of it but its number. */
export interface EncodedRecord {
  readonly bytes: number
  readonly kind: number
  readonly acceptedAt: number
  readonly query: Uint8Array
  readonly body: Uint8Array
}

/** @throws RangeError if the query is too long */
export function prepare({ kind, acceptedAt, query, body }: LogRecord): EncodedRecord {
  const text = encoder.encode(query)
  if (text.length > MAX_QUERY_BYTES) throw new RangeError(`a query of ${text.length} bytes`)
  const bytes = HEADER_BYTES + text.length + body.length
  return { bytes, kind, acceptedAt, query: text, body }
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
  { kind, acceptedAt, query, body }: EncodedRecord,
  sequence: number,
  bytes: Uint8Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, query.length, true)
  view.setUint8(KIND_AT, kind)
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
  const queryBytes = view.getUint32(8, true) & MAX_QUERY_BYTES
  return {
    bytes: HEADER_BYTES + queryBytes + view.getUint32(12, true),
    kind: view.getUint8(KIND_AT),
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
    kind: header.kind,
    acceptedAt: header.acceptedAt,
    query: decoder.decode(bytes.subarray(queryAt, bodyAt)),
    body: bytes.subarray(bodyAt, end),
  }
}
