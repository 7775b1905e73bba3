/** The format of a record in a segment. docs/segments.md draws it and gives the reasons. */

import { crc32c } from '../disk/crc32c.ts'

/** What a log stores. The log reads none of it. */
export interface LogRecord {
  /** 0 to 255, for the caller: what the body is. A record of any kind is stored and comes back. */
  readonly kind: number
  /** Milliseconds since the Unix epoch; any number comes back unchanged. */
  readonly acceptedAt: number
  /** The query string of the destination, at most `MAX_QUERY_BYTES` of UTF-8. */
  readonly query: string
  readonly body: Uint8Array
}

/** The fixed part of a record, once its checksum has been verified. */
export interface Header {
  /** Bytes of the whole record. */
  readonly bytes: number
  readonly kind: number
  readonly queryBytes: number
  readonly sequence: number
  readonly acceptedAt: number
}

export const HEADER_BYTES = 36

/** The query's length has three bytes. The fourth, 0 in the first files, is the kind. */
export const MAX_QUERY_BYTES = 0xff_ff_ff

/** Does not occur in UTF-8, so a search for headers in line protocol skips quickly. */
export const MAGIC_BYTE = 0xf8
const MAGIC = 0x31_57_52_f8 // F8 'R' 'W' '1'

const CHECKED_FROM = 8
const KIND_AT = 11
const HEADER_CHECK_AT = 32

const encoder = new TextEncoder()
// By default a decoder drops a byte order mark at the start of the query.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A record ready to be written: only its sequence number is missing. */
export interface EncodedRecord {
  /** Bytes of the whole record. */
  readonly bytes: number
  readonly kind: number
  readonly acceptedAt: number
  readonly query: Uint8Array
  readonly body: Uint8Array
}

/** @throws RangeError if the query is too long */
export function prepare({ kind, acceptedAt, query, body }: LogRecord): EncodedRecord {
  const text = encoder.encode(query)
  if (text.length > MAX_QUERY_BYTES) throw new RangeError(`query too long: ${text.length} bytes`)
  const bytes = HEADER_BYTES + text.length + body.length
  return { bytes, kind, acceptedAt, query: text, body }
}

/** The records back to back, numbered from `sequence` on. */
export function encode(records: readonly EncodedRecord[], sequence: number): Uint8Array {
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + record.bytes, 0))
  let at = 0
  for (const [i, record] of records.entries()) {
    encodeInto(bytes.subarray(at, at + record.bytes), record, sequence + i)
    at += record.bytes
  }
  return bytes
}

function encodeInto(
  bytes: Uint8Array,
  { kind, acceptedAt, query, body }: EncodedRecord,
  sequence: number,
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

/** The header at `at`, or undefined if there is no intact one. */
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

/** The record at `at` with this header, or undefined if it is damaged. Its body is a view of `bytes`. */
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
