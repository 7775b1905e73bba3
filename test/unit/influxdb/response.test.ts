import { describe, expect, test } from 'vitest'
import { summaryOf } from '../../../src/influxdb/answer.ts'
import { readAnswer } from '../../../src/influxdb/response.ts'

const KB = 1024
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A body in pieces of one size. */
function streamOf(body: string, pieceBytes: number) {
  const bytes = new TextEncoder().encode(body)
  const state = { sent: 0, isCancelled: false }
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (state.sent >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(state.sent, state.sent + pieceBytes))
      state.sent += pieceBytes
    },
    cancel() {
      state.isCancelled = true
    },
  })
  return { stream, state }
}

const error = (message: string) => `${JSON.stringify({ error: message })}\n`

describe('the body of an answer', () => {
  test.each([1, 17, 1000, 100_000])('is kept whole in pieces of %i bytes', async (pieceBytes) => {
    for (const length of [0, 1, 1023, 1024, 1025, 5000, 64 * KB]) {
      const body = 'x'.repeat(length)
      const { stream } = streamOf(body, pieceBytes)
      const answer = await readAnswer(new Response(stream, { status: 400 }))
      expect(text(answer.body) === body, `${length} bytes`).toBe(true)
      expect(answer.body.buffer.byteLength).toBe(length)
    }
  })

  test.each([1, 1000, 100_000])('is cut to 64 KB in pieces of %i bytes', async (pieceBytes) => {
    const { stream, state } = streamOf('x'.repeat(70 * KB), pieceBytes)
    const answer = await readAnswer(new Response(stream, { status: 500 }))
    expect(text(answer.body)).toBe('x'.repeat(64 * KB))
    expect(state.isCancelled).toBe(false)
  })

  test('is not read to its end if it is very long', async () => {
    const { stream, state } = streamOf('x'.repeat(4 * KB * KB), 64 * KB)
    await readAnswer(new Response(stream, { status: 500 }))
    expect(state.isCancelled).toBe(true)
    expect(state.sent).toBeLessThan(2 * KB * KB)
  })

  test.each(['x', '"', '\\', '\u0001', 'é', '🎉', 'ab\u0002"'])(
    'stays JSON when an error of many %j is cut',
    async (repeated) => {
      for (let shift = 0; shift < 8; shift++) {
        const whole = '-'.repeat(shift) + repeated.repeat(70 * KB)
        const { stream } = streamOf(error(whole), 5000)
        const { body } = await readAnswer(new Response(stream, { status: 400 }))
        const cut: string = JSON.parse(text(body)).error
        expect(cut.endsWith('...')).toBe(true)
        expect(whole.startsWith(cut.slice(0, -4))).toBe(true)
        expect(body.length).toBeGreaterThan(63 * KB)
        expect(body.length).toBeLessThan(65 * KB)
      }
    },
  )
})

test('headers of an answer are cut to 1 KB, and its summary to 200 characters', async () => {
  const headers = { 'x-influxdb-error': 'e'.repeat(5000), 'www-authenticate': 'w'.repeat(5000) }
  const answer = await readAnswer(new Response('', { status: 401, headers }))
  expect(answer.error).toBe('e'.repeat(1024))
  expect(answer.challenge).toBe('w'.repeat(1024))
  expect(summaryOf(answer)).toBe(`${'e'.repeat(197)}...`)
})
