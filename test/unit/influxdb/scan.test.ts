import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { skipWhitespace } from '../../../src/influxdb/line-bytes.ts'
import { split } from '../../../src/influxdb/lines.ts'
import { lacksTimestamp } from '../../../src/influxdb/missing-timestamp.ts'
import { scan } from '../../../src/influxdb/scan.ts'
import { body, encode, TRICKY, upTo } from '../../support/line-protocol.ts'
import { seededRandom } from '../../support/seeded-random.ts'

describe('scan', () => {
  test.each([
    ['', 0],
    ['\n# x\n', 0],
    ['m v=1', 1],
    ['m v="a\nb"\nbad\nm v=2', 3],
  ])('counts the lines of %j that are neither blank nor comments', (text, count) => {
    expect(scan(encode(text)).count).toBe(count)
  })

  test.each([
    ['', true],
    ['m v=1', true],
    ['m v=1\n', true],
    ['m v="a"', true],
    ['m v="a', false],
    ['m v="a\n', false],
    ['m v=1\\', false],
    ['m v=1\\\n', false],
    ['m v="\\\\"', true],
    ['# x a="\n', false],
    ['# x\\', false],
    ['m v="a"\n# y', true],
  ])('finds whether another body can follow %j', (text, endsCleanly) => {
    expect(scan(encode(text)).endsCleanly).toBe(endsCleanly)
  })
})

/** The scan by its definition alone: line by line, byte by byte, with none of its shortcuts. */
function scanSlowly(bytes: Uint8Array): { count: number; missing: number[] } {
  const missing: number[] = []
  let count = 0
  let start = 0
  for (const line of split(bytes, 1)) {
    const next = start + line.length
    const end = bytes[next - 1] === 10 ? next - 1 : next
    const first = skipWhitespace(bytes, start, end)
    if (first < end && bytes[first] !== '#'.charCodeAt(0)) {
      count++
      if (lacksTimestamp(bytes, first, end)) missing.push(end)
    }
    start = next
  }
  return { count, missing }
}

function expectSame(bytes: Uint8Array, story: string): void {
  const missing: number[] = []
  const { count, endsCleanly } = scan(bytes, (end) => missing.push(end))
  const found = { count, missing }
  const expected = scanSlowly(bytes)
  // An assertion for each of many thousand bodies would take longer than the scans.
  if (JSON.stringify(found) !== JSON.stringify(expected)) expect(found, story).toEqual(expected)
  const alone = scan(bytes)
  if (alone.count !== count || alone.endsCleanly !== endsCleanly) {
    expect(alone, story).toEqual({ count, endsCleanly })
  }
}

describe('the shortcuts of a scan find what its definition finds', () => {
  test('in bodies of many kinds', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = seededRandom(seed)
      expectSame(body(random, 1 + upTo(random, 40)), `seed ${seed}`)
    }
  })

  test('in any order of two lines', () => {
    for (const first of TRICKY) {
      for (const second of TRICKY) expectSame(encode(`m v=1\n${first}\n${second}\nm v=1`), first)
    }
  })

  test('with every byte at every position', () => {
    for (const line of ['m,t=a v=1,w=2', 'm,t=a v="b",w=2 7', 'm\\ n v=t']) {
      for (let position = 0; position <= line.length; position++) {
        for (let byte = 0; byte < 256; byte++) {
          const bytes = encode(`m v=1\n${line.slice(0, position)}!${line.slice(position)}\nm v=1 5`)
          bytes[6 + position] = byte
          expectSame(bytes, `${byte} at ${position} of ${line}`)
        }
      }
    }
  })

  test('in a part of a buffer', () => {
    const whole = encode('m v=1\nm v=2 5\nm v=3\nm v="')
    expectSame(whole.subarray(6, 14), 'the middle')
    expectSame(Buffer.from(whole).subarray(3, 20), 'a Buffer')
  })
})
