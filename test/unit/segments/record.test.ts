import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/disk/crc32c.ts'
import {
  encode,
  HEADER_BYTES,
  type LogRecord,
  MAX_QUERY_BYTES,
  prepare,
  readHeader,
  readRecord,
} from '../../../src/segments/record.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

const aRecord: LogRecord = {
  kind: 3,
  acceptedAt: 1_700_000_000_123.25,
  query: 'db=telegraf&rp=one%20day',
  body: bytesOf('cpu,host=a usage=1.5 1700000000000000000\n'),
}

/** The record at `at`; undefined if its header or anything else in it has changed. */
function read(bytes: Uint8Array, at = 0): LogRecord | undefined {
  const header = readHeader(bytes, at)
  return header && readRecord(bytes, at, header)
}

describe('a record', () => {
  test('comes back unchanged', () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.double({ noNaN: true }),
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array(),
        (kind, acceptedAt, query, body) => {
          const record = { kind, acceptedAt, query, body }
          expect(read(encode([prepare(record)], 1))).toEqual(record)
        },
      ),
    )
  })

  test('may have an empty query and body', () => {
    const empty = { kind: 0, acceptedAt: 0, query: '', body: new Uint8Array(0) }
    const bytes = encode([prepare(empty)], 1)
    expect(bytes.length).toBe(HEADER_BYTES)
    expect(read(bytes)).toEqual(empty)
  })

  test('has a query of less than 16 MiB', () => {
    const longest = { ...aRecord, query: 'q'.repeat(MAX_QUERY_BYTES) }
    const bytes = encode([prepare(longest)], 1)
    expect(readHeader(bytes, 0)).toMatchObject({ kind: 3, queryBytes: MAX_QUERY_BYTES })
    expect(read(bytes)?.query).toHaveLength(MAX_QUERY_BYTES)
    const tooLong = { ...aRecord, query: `${longest.query}q` }
    expect(() => prepare(tooLong)).toThrow(RangeError)
  })

  test('written before there were kinds has kind 0', () => {
    const hex =
      'f85257317568b9590b0000000a000000020100000000000000b88756febc7842' +
      '7928f9bb64623d74656c656772616663707520763d3120310a'
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16))
    expect(read(bytes)).toEqual({
      kind: 0,
      acceptedAt: 1_700_000_000_123.5,
      query: 'db=telegraf',
      body: bytesOf('cpu v=1 1\n'),
    })
  })

  test('has a number up to the largest safe integer', () => {
    for (const sequence of [1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(readHeader(encode([prepare(aRecord)], sequence), 0)?.sequence).toBe(sequence)
    }
  })

  test('is followed by the next one', () => {
    const other = { ...aRecord, query: 'db=other' }
    const bytes = encode([prepare(aRecord), prepare(other)], 7)
    const first = readHeader(bytes, 0)
    expect(first?.sequence).toBe(7)
    const at = first?.bytes as number
    expect(readHeader(bytes, at)?.sequence).toBe(8)
    expect([read(bytes), read(bytes, at)]).toEqual([aRecord, other])
  })

  test('with any flipped bit does not count', () => {
    const bytes = encode([prepare(aRecord)], 5)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice()
      broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(read(broken), `bit ${bit}`).toBeUndefined()
    }
  })

  test('with a damaged body still has an intact header', () => {
    const bytes = encode([prepare(aRecord)], 5)
    bytes[bytes.length - 1] = 0
    expect(readHeader(bytes, 0)?.bytes).toBe(bytes.length)
    expect(read(bytes)).toBeUndefined()
  })

  test('cut short anywhere does not count', () => {
    const bytes = encode([prepare(aRecord)], 5)
    for (let length = 0; length < bytes.length; length++) {
      expect(read(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined()
    }
  })

  test('is not found in zeros or after the end', () => {
    expect(readHeader(new Uint8Array(100), 10)).toBeUndefined()
    expect(readHeader(new Uint8Array(100), 200)).toBeUndefined()
  })

  test('has the documented format', () => {
    const record = { kind: 2, acceptedAt: 1.5, query: 'db=a', body: bytesOf('m v=1') }
    const bytes = encode([prepare(record)], 258)
    const view = new DataView(bytes.buffer)
    expect([...bytes.subarray(0, 4)]).toEqual([0xf8, ...bytesOf('RW1')])
    expect(view.getUint32(4, true)).toBe(crc32c(bytes, 8))
    expect(view.getUint32(8, true)).toBe(2 * 2 ** 24 + 4)
    expect(view.getUint32(12, true)).toBe(5)
    expect(view.getBigUint64(16, true)).toBe(258n)
    expect(view.getFloat64(24, true)).toBe(1.5)
    expect(view.getUint32(32, true)).toBe(crc32c(bytes, 8, 32))
    expect(new TextDecoder().decode(bytes.subarray(36))).toBe('db=am v=1')
  })
})
