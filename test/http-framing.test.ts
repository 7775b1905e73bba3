/** Where bodies end, however their bytes are cut into pieces. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Framing, framingOf } from '../src/platform/http-framing.ts'
import { HttpError } from '../src/platform/http-head.ts'

const bytesOf = (text: string) => Buffer.from(text, 'latin1')

/** What a framing makes of pieces: the body, and what is behind it. */
function read(framing: Framing, pieces: readonly Uint8Array[]) {
  const body: Uint8Array[] = []
  const rest: Uint8Array[] = []
  for (const piece of pieces) {
    const used = framing.take(piece, (part) => body.push(part))
    rest.push(piece.subarray(used))
  }
  const text = (parts: Uint8Array[]) => Buffer.concat(parts).toString('latin1')
  return { body: text(body), rest: text(rest), isDone: framing.isDone }
}

const readText = (length: number | 'chunked', text: string) =>
  read(framingOf(length), [bytesOf(text)])

/** Bytes, and a way to cut them into pieces. */
function cutting(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length]
  cuts.sort((a, b) => a - b)
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

const places = fc.array(fc.nat(), { maxLength: 30 })

describe('a body of known length', () => {
  test('ends where it says', () => {
    expect(readText(4, 'bodyrest')).toEqual({ body: 'body', rest: 'rest', isDone: true })
    expect(readText(4, 'bod')).toEqual({ body: 'bod', rest: '', isDone: false })
    expect(readText(0, 'rest')).toEqual({ body: '', rest: 'rest', isDone: true })
    expect(framingOf(0).isDone).toBe(true)
  })

  test('tells how much is to come', () => {
    const framing = framingOf(4)
    read(framing, [bytesOf('bod')])
    expect(framing.remaining).toBe(1)
  })

  test('is the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat({ max: 300 }), places, (bytes, length, places) => {
        const whole = read(framingOf(length), [bytes])
        expect(read(framingOf(length), cutting(bytes, places))).toEqual(whole)
      }),
    )
  })
})

describe('a chunked body', () => {
  test.each([
    ['0\r\n\r\n', ''],
    ['4\r\nbody\r\n0\r\n\r\n', 'body'],
    ['0002\r\nbo\r\n2\r\ndy\r\n000\r\n\r\n', 'body'],
    ['A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n', '01234567890123456789'],
    ['2\r\n\r\n\r\n0\r\n\r\n', '\r\n'],
    ['1;a\r\nx\r\n0;b=c;d="e;\\"\r"\r\n\r\n'.replace('\r"', '"'), 'x'],
    ['1\r\nx\r\n0\r\nTrailer: a\r\nB:\r\n\r\n', 'x'],
  ])('%j is %j', (text, body) => {
    expect(readText('chunked', `${text}rest`)).toEqual({ body, rest: 'rest', isDone: true })
  })

  test.each([
    ['no size', '\r\n'],
    ['no number', 'zz\r\n'],
    ['a sign', '+1\r\nx\r\n'],
    ['a prefix', '0x1\r\nx\r\n'],
    ['a blank before the size', ' 1\r\nx\r\n'],
    ['a blank behind the size', '1 \r\nx\r\n'],
    ['an underscore', '1_0\r\n'],
    ['a size beyond all bounds', '1000000000000\r\n'],
    ['a line that ends without CR', '1\nx\r\n'],
    ['a CR within a line', '1;a\rb\r\nx'],
    ['a NUL within a line', '1;a\0\r\nx'],
    ['an extension without a name', '1;\r\nx'],
    ['an extension with an open quote', '1;a="\r\nx'],
    ['a line without an end', `1;${'x'.repeat(5000)}`],
    ['more data than its size', '1\r\nxy\r\n'],
    ['less data than its size', '3\r\nx\r\n0\r\n\r\n'],
    ['no line end behind its data', '1\r\nx0\r\n\r\n'],
    ['half a line end behind its data', '1\r\nx\n0\r\n\r\n'],
    ['a trailer that is no header', '0\r\nno colon\r\n\r\n'],
    ['a trailer that is folded', '0\r\nA: b\r\n c\r\n\r\n'],
    ['a trailer with a CR in it', '0\r\nA: b\rc\r\n\r\n'],
    ['trailers without an end', `0\r\n${`A: ${'x'.repeat(1000)}\r\n`.repeat(20)}`],
  ])('is refused with %s', (_, text) => {
    expect(() => readText('chunked', text)).toThrow(new HttpError(400, 'malformed chunk'))
  })

  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 10 })
  const encode = (pieces: readonly Uint8Array[]) =>
    Buffer.concat([
      ...pieces.flatMap((piece) => [
        bytesOf(`${piece.length.toString(16)}\r\n`),
        piece,
        bytesOf('\r\n'),
      ]),
      bytesOf('0\r\n\r\n'),
    ])

  test('is read back as it was written, in whatever pieces it comes', () => {
    fc.assert(
      fc.property(chunks, fc.uint8Array(), places, (pieces, behind, places) => {
        const sent = Buffer.concat([encode(pieces), behind])
        expect(read(framingOf('chunked'), cutting(sent, places))).toEqual({
          body: Buffer.concat(pieces).toString('latin1'),
          rest: Buffer.from(behind).toString('latin1'),
          isDone: true,
        })
      }),
    )
  })

  test('is refused in pieces exactly if it is refused as a whole', () => {
    const soup = fc.array(fc.constantFrom('0', '1', '2', 'a', ';', '\r\n', '\r', '\n', ':', ' '), {
      maxLength: 20,
    })
    const outcome = (pieces: readonly Uint8Array[]) => {
      try {
        return read(framingOf('chunked'), pieces)
      } catch (error) {
        if (!(error instanceof HttpError)) throw error
        return error.message
      }
    }
    fc.assert(
      fc.property(soup, places, (tokens, places) => {
        const sent = bytesOf(tokens.join(''))
        expect(outcome(cutting(sent, places))).toEqual(outcome([sent]))
      }),
      { numRuns: 2000 },
    )
  })
})
