import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BodyError, readBody } from '../../../src/http/request-body.ts'
import { Budget, Reservation } from '../../../src/limits/budget.ts'
import { Turns } from '../../../src/limits/turns.ts'
import { createFakeRuntime, settle } from '../../support/fake-runtime.ts'

const MB = 1024 * 1024
const limits = { maxBodyBytes: 4 * MB, readTimeoutMs: 1000 }

/** A body that the test sends piece by piece. */
function createUpload(
  headers: Record<string, string> = {},
  pendingBytes = 64 * MB,
  announcedBytes = pendingBytes / 4,
) {
  const runtime = createFakeRuntime({})
  const budget = new Budget(pendingBytes)
  const announced = new Budget(announcedBytes)
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (created) => {
      controller = created
    },
    cancel: () => {
      isCancelled = true
    },
  })
  const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
  const reading = readBody(
    new Request('http://relay/', init),
    limits,
    new Reservation(budget),
    announced,
    { ...runtime, turns: new Turns(runtime.clock) },
  )
  const outcome: { bytes?: Uint8Array; status?: number; mustClose?: boolean } = {}
  reading.then(
    (bytes) => {
      outcome.bytes = bytes
    },
    (error) => {
      expect(error).toBeInstanceOf(BodyError)
      outcome.status = error.answer.status
      outcome.mustClose = error.mustClose
    },
  )
  return {
    outcome,
    budget,
    announced,
    clock: runtime.clock,
    isCancelled: () => isCancelled,
    async send(piece: Uint8Array) {
      controller.enqueue(piece)
      await settle()
    },
    async end() {
      controller.close()
      await settle()
    },
    async breakOff() {
      controller.error(new Error('the client has gone'))
      await settle()
    },
  }
}

const piece = (length: number) => new Uint8Array(length).fill(120)

describe.each([
  ['in chunks', {}],
  ['of a known length', { 'content-length': '1000000' }],
  ['of a short length', { 'content-length': '1000' }],
])('a body %s', (_, headers: Record<string, string>) => {
  test('is answered 408 when its client sends nothing for read-timeout', async () => {
    const { outcome, clock } = createUpload(headers)
    await clock.advance(999)
    expect(outcome).toEqual({})
    await clock.advance(1001) // a short one may take a second more: 1000 bytes at the lowest rate
    expect(outcome).toEqual({ status: 408, mustClose: true })
  })

  test('is refused when its client goes away', async () => {
    const { outcome, send, breakOff } = createUpload(headers)
    await send(piece(10))
    await breakOff()
    expect(outcome.status).toBe(400)
  })

  test('is refused when it is cut short without an error, if its length is known', async () => {
    const { outcome, send, end } = createUpload(headers)
    await send(piece(10))
    await end()
    if ('content-length' in headers) expect(outcome.status).toBe(400)
    else expect(outcome.bytes).toEqual(piece(10))
  })
})

test('a slow client has all the time that it needs at a kilobyte a second', async () => {
  const { outcome, clock, send, end } = createUpload()
  for (let i = 0; i < 60; i++) {
    await send(piece(500))
    await clock.advance(500)
  }
  await end()
  expect(outcome.bytes).toHaveLength(30_000)
})

test('a client that sends a byte now and then is answered 408', async () => {
  const { outcome, clock, send, isCancelled } = createUpload()
  for (let i = 0; i < 20; i++) {
    await send(piece(1))
    await clock.advance(100)
    if (outcome.status) break
  }
  expect(outcome.status).toBe(408)
  expect(isCancelled()).toBe(true)
  expect(clock.now()).toBeLessThan(1200)
})

test('a body is what its pieces are, whatever their sizes', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), async (sizes, isLengthKnown) => {
      const sent = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0)).map((_, i) => i * 7)
      const headers = { 'content-length': `${sent.length}` }
      const { outcome, send, end } = createUpload(isLengthKnown ? headers : {})
      let at = 0
      for (const size of sizes) {
        await send(sent.slice(at, at + size))
        at += size
      }
      await end()
      expect(Buffer.compare(outcome.bytes as Uint8Array, sent)).toBe(0)
    }),
    { numRuns: 20 },
  )
})

test('a body takes room for what has come, not for what its client claims', async () => {
  const { budget, send } = createUpload({ 'content-length': '4000000' })
  await settle()
  expect(budget.bytes).toBe(0)
  await send(piece(100_000))
  await send(piece(100_000))
  expect(budget.bytes).toBeLessThanOrEqual(400_000)
})

test('a few bytes in several chunks take little room', async () => {
  const { budget, send } = createUpload()
  for (let i = 0; i < 3; i++) await send(piece(1))
  expect(budget.bytes).toBeLessThanOrEqual(4096)
})

test.each([1000, 65_536, 1_000_000])(
  'a body that announces %i bytes past the share of announced bytes takes room as it comes',
  async (length) => {
    const headers = { 'content-length': `${length}` }
    const { outcome, budget, announced, send, end } = createUpload(headers, 64 * MB, length - 1)
    await settle()
    expect([budget.bytes, announced.bytes]).toEqual([0, 0])
    await send(piece(10))
    await send(piece(10))
    expect(budget.bytes).toBeLessThanOrEqual(4096)
    await send(piece(length - 20))
    await end()
    // toEqual() takes seconds for a megabyte.
    expect(Buffer.compare(outcome.bytes ?? new Uint8Array(), piece(length))).toBe(0)
  },
)

test.each([1000, 65_536, 1_000_000])(
  'a body gives back its share of %i announced bytes when it has come, or its client has gone',
  async (length) => {
    for (const isWhole of [true, false]) {
      const { announced, send, end, breakOff } = createUpload({ 'content-length': `${length}` })
      await settle()
      expect(announced.bytes).toBe(length)
      if (isWhole) await send(piece(length))
      await (isWhole ? end() : breakOff())
      expect(announced.bytes).toBe(0)
    }
  },
)

test('a gzip that is larger than what is left of the budget is answered 503', async () => {
  const sent = gzipSync(piece(3 * MB))
  const { outcome, send, end } = createUpload({ 'content-encoding': 'gzip' }, 2 * MB)
  await send(sent)
  await end()
  expect(outcome.status).toBe(503)
})

test('a body whose claim does not fit is answered 503 before it comes', async () => {
  const { outcome } = createUpload({ 'content-length': '4000000' }, MB)
  await settle()
  expect(outcome).toEqual({ status: 503, mustClose: false })
})

test('thousands of tiny chunks are answered 413, and the connection is closed', async () => {
  const runtime = createFakeRuntime({})
  const reading = { ...runtime, turns: new Turns(runtime.clock) }
  const read = async (chunks: number, bytes: number) => {
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < chunks) controller.enqueue(piece(bytes))
        else controller.close()
      },
    })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const request = new Request('http://relay/', init)
    const reservation = new Reservation(new Budget(64 * MB))
    const read = readBody(request, limits, reservation, new Budget(16 * MB), reading)
    return read.then(
      ({ length }) => length,
      (error: BodyError) => [error.answer.status, error.mustClose],
    )
  }
  expect(await read(4000, 1)).toBe(4000)
  expect(await read(5000, 1)).toEqual([413, true])
  expect(await read(5000, 15)).toEqual([413, true])
  expect(await read(5000, 16)).toBe(80_000)
})

test('a length that comes twice counts once', async () => {
  const { outcome, send, end } = createUpload({ 'content-length': '5, 5' })
  await send(piece(5))
  await end()
  expect(outcome).toEqual({ bytes: piece(5) })
})
