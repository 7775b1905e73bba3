import { describe, expect, test } from 'vitest'
import type { ConsistencyLevel } from '../src/consistency.ts'
import { parseLedger } from '../src/ledger-file.ts'
import { createDurableFixture as createFixture } from './durable-fixture.ts'
import { FakeDisk } from './fake-disk.ts'
import { answer, type Handler, later, refused, settle, silence, stored } from './fake-runtime.ts'

describe('a backend with a buffer on disk', () => {
  test('does not touch the disk while it answers', async () => {
    const { send, disk } = await createFixture({ a: stored, b: stored })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
    expect(disk.operations).toBe(before)
  })

  test('has its client wait for the disk when it is slow', async () => {
    const { send, runtime, disk } = await createFixture({ a: silence, b: stored })
    const sent = await send('m v=1 1')
    expect(sent.status).toBeUndefined()
    const before = disk.operations
    await runtime.clock.advance(10)
    expect(disk.operations).toBeGreaterThan(before)
    expect(sent.status).toBe(204)
  })

  test('gets everything after a crash of the relay, in order', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (let i = 0; i < 5; i++)
      expect(await first.send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    const disk = first.disk.crash(() => 0)
    const second = await createFixture({ a: stored, b: stored }, disk)
    await settle()
    expect(second.bodies('a')).toEqual(['m v=0 0\nm v=1 1\nm v=2 2\nm v=3 3\nm v=4 4\n'])
    expect(second.bodies('b')).toEqual([])
    const third = await createFixture(
      { a: stored, b: stored },
      second.disk.crash(() => 0),
    )
    await settle()
    expect(third.bodies('a')).toEqual([])
  })

  test('gets new writes only behind those on disk', async () => {
    const a = later()
    let up = false
    const { send, runtime, bodies } = await createFixture({
      a: () => (up ? a.handler() : refused()),
      b: stored,
    })
    await send('m v=1 1')
    up = true
    await runtime.clock.advance(500)
    expect(await send('m v=2 1')).toMatchObject({ status: 204 })
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=1 1', 'm v=2 1'])
    up = true
    expect(await send('m v=3 1')).toMatchObject({ status: undefined })
    await a.respond(stored())
    expect(bodies('a').at(-1)).toBe('m v=3 1')
  })

  test('is not written to when no backend takes the write', async () => {
    const { send, disk } = await createFixture({ a: refused, b: refused })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(disk.operations).toBe(before)
  })

  test('leaves the write with its client when the disk fails', async () => {
    const { send, disk, logged } = await createFixture({ a: refused, b: stored })
    disk.fail({ code: 'ENOSPC', kinds: ['write'], times: 100 })
    const { answer: got } = await send('m v=1 1')
    expect(got).toMatchObject({ status: 503, retryAfter: '1' })
    expect(logged('disk failed')).toHaveLength(1)
  })

  test('sets aside, alone, what it rejects after it was acknowledged', async () => {
    let up = false
    const a = ({ body }: { body: string }) =>
      up ? (body.includes('poison') ? answer(400, 'field type conflict') : stored()) : refused()
    const { send, runtime, bodies, disk, books } = await createFixture({ a, b: stored })
    for (const body of ['m v=1 1', 'm poison=1 2', 'm v=3 3']) await send(body)
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a').slice(-3)).toEqual(['m v=1 1', 'm poison=1 2', 'm v=3 3'])
    expect(books.ledger.entries()).toMatchObject([
      { backend: 'a', database: 'd', points: 1, reason: 'rejected', first: 2n, last: 2n },
    ])
    const letters = [...disk.files()].filter(([path]) => path.includes('dead-letters'))
    expect(new TextDecoder().decode(letters[0]?.[1])).toContain('m poison=1 2\n')
  })
})

describe('a full buffer on disk', () => {
  const small = { bufferBytes: 400 }
  const line = (i: number) => `m v="${'x'.repeat(100)}" ${i}`

  test('refuses, by default, what it cannot keep', async () => {
    const { send } = await createFixture({ a: refused, b: stored }, new FakeDisk(), small)
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await send(line(i))).status)
    expect(statuses).toEqual([204, 204, 503, 503])
  })

  test('drops the newest if it is told to, and the ledger says which', async () => {
    const { send, books } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-newest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(books.ledger.entries()).toMatchObject([
      { first: 2n, last: 3n, points: 2, reason: 'buffer full' },
    ])
  })

  test('drops the oldest if it is told to, and the ledger says which', async () => {
    const { send, books } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-oldest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(books.ledger.entries()).toMatchObject([{ first: 0n, reason: 'buffer full' }])
  })

  test('gives up what is too old', async () => {
    const { send, runtime, books, relay } = await createFixture(
      { a: refused, b: stored },
      new FakeDisk(),
      { maxAgeMs: 60_000 },
    )
    await send(line(1))
    await runtime.clock.advance(90_000)
    expect(books.ledger.entries()).toMatchObject([{ points: 1, reason: 'too old' }])
    expect(relay.undeliveredBytes).toBe(0)
  })
})

describe('a stop', () => {
  const ledgerOn = (disk: FakeDisk) => {
    const file = disk
      .crash(() => 0)
      .files()
      .get('data/gaps.jsonl')
    return parseLedger(new TextDecoder().decode(file)).entries
  }

  test.each([
    ['with buffers on disk', { bufferBytes: 1, whenFull: 'drop-newest' }],
    ['without buffers', { bufferBytes: 0 }],
  ] as const)('puts in the ledger what the disk has refused before, %s', async (_, options) => {
    const { send, disk, relay } = await createFixture(
      { a: refused, b: stored },
      new FakeDisk(),
      options,
    )
    disk.fail({ code: 'ENOSPC', kinds: ['write'], path: 'gaps', times: 1 })
    await send('m v=1 1')
    disk.heal()
    await relay.close()
    expect(ledgerOn(disk)).toMatchObject([{ backend: 'a', points: 1 }])
  })

  test.each(['gaps', 'dead-letters'])('waits for notes on their way to disk: %s', async (part) => {
    const a = later()
    const { send, disk, relay } = await createFixture({ a: a.handler, b: stored }, new FakeDisk(), {
      bufferBytes: 0,
    })
    let release = () => {}
    disk.before = ({ kind, path }) => {
      if (kind !== 'sync' || !path.includes(part)) return
      return new Promise((resolve) => {
        release = resolve
      })
    }
    await send('m v=1 1')
    await a.respond(answer(400, 'field type conflict'))
    let closed = false
    const closing = relay.close().then(() => {
      closed = true
    })
    await settle()
    expect(closed).toBe(false)
    release()
    await closing
    expect(ledgerOn(disk)).toMatchObject([{ backend: 'a', points: 1 }])
  })

  test('does not wait for a disk that refuses for good, and says so', async () => {
    const { send, disk, relay, logged } = await createFixture(
      { a: refused, b: stored },
      new FakeDisk(),
      { bufferBytes: 0 },
    )
    disk.fail({ code: 'ENOSPC', kinds: ['write'], path: 'gaps', times: 1000 })
    await send('m v=1 1')
    await relay.close()
    expect(logged('records of losses could not be written')).not.toEqual([])
    expect(logged('backend lacks acknowledged points')).toHaveLength(1)
  })
})

describe('consistency', () => {
  test.each([
    ['any', [refused, refused], 204],
    ['one', [refused, refused], 503],
    ['one', [stored, refused], 204],
    ['quorum', [stored, refused], 503],
    ['quorum', [stored, stored], 204],
    ['all', [stored, refused], 503],
    ['all', [stored, stored], 204],
  ] as [ConsistencyLevel, [Handler, Handler], number][])(
    '%s, %#',
    async (level, [a, b], status) => {
      const { send } = await createFixture({ a, b })
      expect(await send('m v=1 1', 'db=d', level)).toMatchObject({ status })
    },
  )
})
