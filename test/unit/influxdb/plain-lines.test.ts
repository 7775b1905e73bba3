/** WebAssembly finds and fills the gaps of a body just as the rules of `stamp.ts` do alone. */

import { Buffer } from 'node:buffer'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Places } from '../../../src/influxdb/places.ts'
import { stamp } from '../../../src/influxdb/stamp.ts'
import { PlainLines } from '../../../src/plain-lines.ts'
import { body, encode, point, repeat, TRICKY, upTo } from '../../support/line-protocol.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const WINDOW = 64 * 1024
const TIME = '1700000000000000000'

/** All that can be told of a body, with memory that is not clean. */
function told(bytes: Uint8Array, largeBytes: number) {
  let asked = 0
  const now = () => {
    asked++
    return TIME
  }
  const memory = { take: (length: number) => new Uint8Array(length).fill('!'.charCodeAt(0)) }
  const points = stamp(bytes, now, memory, largeBytes)
  return { ...points, asked, same: points.bytes === bytes }
}

function expectSame(bytes: Uint8Array, story: string): void {
  const { bytes: expected, ...rest } = told(bytes, Number.POSITIVE_INFINITY)
  const { bytes: actual, ...others } = told(bytes, 0)
  expect(others, story).toEqual(rest)
  if (Buffer.compare(actual, expected) === 0) return
  expect(Buffer.from(actual).toString('latin1'), story).toBe(
    Buffer.from(expected).toString('latin1'),
  )
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

describe('with WebAssembly', () => {
  test('a body becomes what it becomes without', () => {
    for (let seed = 1; seed <= 6000; seed++) {
      const random = seededRandom(seed)
      expectSame(body(random, 1 + upTo(random, 40)), `seed ${seed}`)
    }
  })

  test('a body of several windows becomes what it becomes without', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed)
      expectSame(body(random, 1000 + upTo(random, 4000)), `seed ${seed}`)
    }
  })

  test('lines may be longer than a window', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed)
      const long = () => `m,t=${'x'.repeat(WINDOW - 50 + upTo(random, 100))} v=1\n`
      const short = () => repeat(upTo(random, 800), () => `${point(random)}\n`)
      expectSame(encode(short() + long() + short() + long()), `seed ${seed}`)
    }
  })

  test('a line may begin at any place of a block, and of a window', () => {
    const places = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => from + i)
    for (const place of [...places(20, 70), ...places(WINDOW - 20, 20)]) {
      // Points of a kind with the line are passed over in one go with it.
      for (const time of ['', ' 5']) {
        const before = `m v=${'1'.repeat(place - 5 - time.length)}${time}\n`
        for (const line of TRICKY) {
          expectSame(encode(`${before}${line}\nm v=1${time}\n\n`), `${line} at ${place}`)
        }
      }
    }
  })

  test('a byte may stand anywhere', () => {
    for (const line of ['m,t=a v=1,w=2', 'm,t=a v="b",w=2 7', 'm\\ n v=t']) {
      for (let place = 0; place <= line.length; place++) {
        for (let byte = 0; byte < 256; byte++) {
          const bytes = encode(
            `m v=1\nm v=1 5\n${line.slice(0, place)}!${line.slice(place)}\nm v=1 5\n\n`,
          )
          bytes[14 + place] = byte
          expectSame(bytes, `${byte} at ${place} of ${line}`)
        }
      }
    }
  })

  test('very many small points become what they become without', () => {
    expectSame(encode('m v=1\n'.repeat(30_000)), 'no timestamps')
    expectSame(encode('m v=1 1\n'.repeat(30_000)), 'timestamps')
  })

  test('the memory behind a body is of no interest', () => {
    const whole = encode('m v=1\nm v=2 5\nm v=3\nm v="')
    expectSame(whole.subarray(6, 14), 'part of a buffer')
  })
})

describe('WebAssembly passes over', () => {
  test.each([
    'm v=1',
    'm,t=a,u=b v=-1.5,w=2i,x=.5,y=1e+9,z=3u',
    'm v="text",w=""',
    'm s="a, b=c \\" d"',
    'm\\ n,t\\,u=a\\=b v\\ w=1',
    'größe,ort=köln v=1',
  ])('a run of %j, with a timestamp and without', (line) => {
    for (const [point, gaps] of [
      [`${line}\n`, 999],
      [`${line} 1700000000000000000\n`, 0],
      [`${line} -5\n`, 0],
    ] as const) {
      const bytes = encode(point.repeat(1000))
      const lines = PlainLines.of(bytes) as PlainLines
      const found = new Places()
      expect(lines.pass(0, found)).toBe(999)
      expect(lines.end).toBe((bytes.length / 1000) * 999)
      expect(found).toHaveLength(gaps)
    }
  })

  test('points of both kinds, in turn', () => {
    const bytes = encode('m v=1\nm v=1 5\n'.repeat(1000))
    const found = new Places()
    expect(PlainLines.of(bytes)?.pass(0, found)).toBe(1999)
    expect([...found.slice(0, found.length)]).toEqual(
      Array.from({ length: 1000 }, (_, i) => i * 14 + 5),
    )
  })

  test('nothing for a while where it knew nothing', () => {
    const bytes = encode(`m v=t\n${'m v=1\n'.repeat(1000)}`)
    const lines = PlainLines.of(bytes) as PlainLines
    const passed = [0, 6, 6, 6, 6].map((start) => lines.pass(start, new Places()))
    expect(passed).toEqual([0, 0, 0, 0, 999])
  })
})

describe('without WebAssembly', () => {
  const bytes = encode('m v=1\n'.repeat(1000))
  const expected = 'm v=1 NOW\n'.repeat(1000)

  test.each([
    ['there is none', undefined],
    [
      'it has no vectors',
      {
        Module: class {
          constructor() {
            throw new Error('no SIMD')
          }
        },
      },
    ],
  ])('all is done by the rules alone, if %s', async (_, webAssembly) => {
    vi.stubGlobal('WebAssembly', webAssembly)
    vi.resetModules()
    const { stamp } = await import('../../../src/influxdb/stamp.ts')
    const { PlainLines } = await import('../../../src/plain-lines.ts')
    expect(PlainLines.of(bytes)).toBeUndefined()
    const points = stamp(bytes, () => 'NOW')
    expect(new TextDecoder().decode(points.bytes)).toBe(expected)
  })
})
