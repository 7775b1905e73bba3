import { describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { LANE_BYTES } from '../../../src/delivery/lane-folder.ts'
import type { Ownership } from '../../../src/delivery/queued-write.ts'
import type { ConsistencyLevel } from '../../../src/influxdb/consistency.ts'
import { parseLedger } from '../../../src/losses/gap-ledger-format.ts'
import { createDurableFixture as createFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import {
  answer,
  type Handler,
  later,
  refused,
  settle,
  silence,
  stored,
} from '../../support/fake-runtime.ts'
import { writeOf } from '../../support/relay-fixture.ts'

/** A tracker whose ownership the test sets. */
function createTracker(onSpilled = () => {}) {
  return {
    ownership: 'client' as Ownership,
    isOpen: true,
    isSpilled: false,
    note: undefined,
    ...{ stored: () => undefined, rejected: async () => {}, recordLoss: async () => {} },
    ...{ deferred() {}, dropped() {}, spillFailed() {}, doneReading() {} },
    spilled() {
      this.isSpilled = true
      onSpilled()
    },
  }
}

describe('a backend with a buffer on disk', () => {
  test('the disk is not touched while all backends answer promptly', async () => {
    const { send, disk } = await createFixture({ a: stored, b: stored })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
    expect(disk.operations).toBe(before)
  })

  test('a write that a slow backend has not answered within 10 ms is acknowledged from disk', async () => {
    const { send, runtime, disk } = await createFixture({ a: silence, b: stored })
    const sent = await send('m v=1 1')
    expect(sent.status).toBeUndefined()
    const before = disk.operations
    await runtime.clock.advance(10)
    expect(disk.operations).toBeGreaterThan(before)
    expect(sent.status).toBe(204)
  })

  test('writes on disk are delivered in order after a crash, once', async () => {
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

  test('writes on disk are delivered before new ones', async () => {
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

  test('a write that no backend takes is not written to disk', async () => {
    const { send, disk } = await createFixture({ a: refused, b: refused })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(disk.operations).toBe(before)
  })

  test('a client gets 503 for a write that the disk does not take', async () => {
    const { send, disk, logged } = await createFixture({ a: refused, b: stored })
    disk.fail({ code: 'ENOSPC', kinds: ['write'], times: 100 })
    const { answer: got } = await send('m v=1 1')
    expect(got).toMatchObject({ status: 503, retryAfter: '1' })
    // The answer does not name the relay's files.
    expect(got?.error).toBe('unable to keep the write: disk full (ENOSPC)')
    expect(logged('disk failed')).toHaveLength(1)
    expect(logged('data/a/lane-1')).toHaveLength(1)
  })

  test('an acknowledged write that is rejected becomes a dead letter, its neighbours are delivered', async () => {
    let up = false
    const a = ({ body }: { body: string }) =>
      up ? (body.includes('poison') ? answer(400, 'field type conflict') : stored()) : refused()
    const { send, runtime, bodies, disk, ledger } = await createFixture({ a, b: stored })
    for (const body of ['m v=1 1', 'm poison=1 2', 'm v=3 3']) await send(body)
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a').slice(-3)).toEqual(['m v=1 1', 'm poison=1 2', 'm v=3 3'])
    expect(ledger.entries()).toMatchObject([
      { backend: 'a', database: 'd', points: 1, reason: 'rejected', first: 2n, last: 2n },
    ])
    const letters = [...disk.files()].filter(([path]) => path.includes('dead-letters'))
    expect(new TextDecoder().decode(letters[0]?.[1])).toContain('m poison=1 2\n')
  })
})

describe('a full buffer on disk', () => {
  // A lane and two blocks of records.
  const small = { bufferBytes: LANE_BYTES + 2 * 4096 }
  const line = (i: number) => `m v="${'x'.repeat(3000)}" ${i}`

  test('a full buffer refuses writes by default', async () => {
    const { send } = await createFixture({ a: refused, b: stored }, new FakeDisk(), small)
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await send(line(i))).status)
    expect(statuses).toEqual([204, 204, 503, 503])
  })

  test('drop-newest drops new writes and records them in the gap ledger', async () => {
    const { send, ledger } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-newest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(ledger.entries()).toMatchObject([
      { first: 2n, last: 3n, points: 2, reason: 'buffer full' },
    ])
  })

  test('drop-oldest drops the oldest writes and records them in the gap ledger', async () => {
    const { send, ledger } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-oldest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(ledger.entries()).toMatchObject([{ first: 0n, reason: 'buffer full' }])
  })

  test('the client of a dropped write is answered even if the disk cannot save the head', async () => {
    const { send, disk, runtime } = await createFixture(
      { a: later().handler, b: stored },
      new FakeDisk(),
      { ...small, whenFull: 'drop-oldest' },
    )
    const sent = await send(line(0), 'db=d', 'all')
    await runtime.clock.advance(10)
    expect(sent).toMatchObject({ status: undefined })
    disk.fail({ code: 'EIO', kinds: ['write', 'create'], path: 'head', times: 1 })
    for (let i = 1; i < 4; i++) await send(line(i))
    expect(sent).toMatchObject({ status: 503 })
  })

  test('a write older than max-age is dropped and recorded in the gap ledger', async () => {
    const { send, runtime, ledger, relay } = await createFixture(
      { a: refused, b: stored },
      new FakeDisk(),
      { maxAgeMs: 60_000 },
    )
    await send(line(1))
    await runtime.clock.advance(90_000)
    expect(ledger.entries()).toMatchObject([{ points: 1, reason: 'too old' }])
    expect(relay.undeliveredBytes).toBe(0)
  })
})

describe('a batch in flight that the disk does not take', () => {
  test('a batch that the disk dropped in flight is not requeued behind newer writes', async () => {
    const answers = { d: later(), e: later() }
    const a: Handler = ({ query }) => answers[query.get('db') as 'd' | 'e'].handler()
    const { send, runtime, ledger } = await createFixture({ a, b: stored }, new FakeDisk(), {
      bufferBytes: LANE_BYTES + 2 * 4096,
      whenFull: 'drop-newest',
    })
    const expire = () => runtime.clock.advance(10)
    await send(`m v="${'x'.repeat(150)}" 1`, 'db=e')
    await expire()
    expect(await send(`m v="${'y'.repeat(100)}" 1`)).toMatchObject({ status: undefined })
    await expire()
    expect(ledger.entries()).toMatchObject([{ database: 'd', reason: 'buffer full' }])
    await answers.e.respond(stored())
    await send('m v="new" 1')
    await expire()
    await answers.d.respond(answer(500, 'timeout'))
    await runtime.clock.advance(500)
    await answers.d.respond(stored())
    const bodies = runtime.received.get('a')?.filter(({ query }) => query.get('db') === 'd')
    expect(bodies?.map(({ body }) => body.replace(/y+/, 'old'))).toEqual([
      'm v="old" 1',
      'm v="new" 1',
    ])
    expect(answers.d.waiting).toBe(0)
    expect(ledger.entries()).toMatchObject([{ points: 1, times: 1 }])
  })

  test('a batch in flight that neither disk nor backend takes goes back to its client', async () => {
    const a = later()
    const { send, runtime, disk, bodies, relay } = await createFixture({ a: a.handler, b: stored })
    const old = await send('m v=1 1')
    disk.fail({ code: 'ENOSPC', kinds: ['write'], path: '.segment' })
    await runtime.clock.advance(10)
    const young = await send('m v=2 1')
    await runtime.clock.advance(10)
    expect([old.status, young.status]).toEqual([undefined, undefined])
    await a.respond(answer(500, 'timeout'))
    expect(old.answer?.error).toBe('unable to keep the write: disk full (ENOSPC)')
    expect(young).toMatchObject({ status: 204 })
    await runtime.clock.advance(500)
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 1'])
    expect(relay.undeliveredBytes).toBe(0)
  })

  test.each([
    ['broken', {}],
    ['full', { bufferBytes: 1 }],
  ])(
    'a batch that the disk refused is acknowledged once its slow backend stores it, disk %s',
    async (_, options) => {
      const a = later()
      const { send, runtime, disk, ledger } = await createFixture(
        { a: a.handler, b: stored },
        new FakeDisk(),
        options,
      )
      disk.fail({ code: 'EIO', times: 1e6 })
      const first = await send('m v=1 1')
      const second = await send('m v=2 2')
      await runtime.clock.advance(1000)
      expect([first.status, second.status]).toEqual([undefined, undefined])
      await a.respond(stored())
      expect([first.status, second.status]).toEqual([204, undefined])
      const third = await send('m v=3 3')
      await runtime.clock.advance(1000)
      await a.respond(answer(400, 'field type conflict'))
      expect([second.status, third.status]).toEqual([400, undefined])
      await a.respond(answer(500, 'timeout'))
      expect(third.status).toBe(503)
      // The other backend has the second write. The client sends the third one again.
      expect(ledger.entries()).toMatchObject([{ backend: 'a', first: 2n, reason: 'diverged' }])
      expect(await send('m v=4 4')).toMatchObject({ status: 503 })
    },
  )
})

/** The pause of a lane after its first failure. */
const FIRST_PAUSE_MS = 500

/** Resolves after some microtasks. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined
}

describe('a write that the relay owns', () => {
  /**
   * Lets the relay own a write some microtasks after the lane's second attempt has begun. Resolves with what
   * the next process delivers.
   */
  async function ownedDuringAttempt(turns: number) {
    let attempts = 0
    const a = () => (attempts++ === 0 ? refused() : silence())
    const { runtime, relay, disk } = await createFixture({ a, b: stored })
    const { queue } = relay.backends[0] as Backend
    const old = createTracker()
    const { after } = runtime.clock
    const andKeep: typeof after = (ms, callback) =>
      after(ms, async () => {
        callback()
        if (ms !== FIRST_PAUSE_MS) return
        await pass(turns)
        old.ownership = 'relay'
        queue.append(writeOf('m v=2 1'), { ...createTracker(), ownership: 'relay' })
        queued.lane.mustDeliver(queued)
      })
    Object.assign(runtime.clock, { after: andKeep })
    const queued = queue.append(writeOf('m v=1 1'), old)
    await runtime.clock.advance(FIRST_PAUSE_MS)
    const next = await createFixture({ a: stored, b: stored }, disk.kill())
    await settle()
    return next.bodies('a')
  }

  test('a write is spilled before newer ones, also while its batch is being taken', async () => {
    for (let turns = 0; turns < 12; turns++) {
      expect(await ownedDuringAttempt(turns), `${turns} turns`).toEqual(['m v=1 1\nm v=2 1\n'])
    }
  })

  test('a write that comes while a spill ends is spilled, too', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { relay } = await createFixture({ a: refused, b: stored })
      const { queue } = relay.backends[0] as Backend
      const last = createTracker()
      const first = createTracker(async () => {
        await pass(turns)
        last.ownership = 'relay'
        const queued = queue.append(writeOf('m v=2 2'), last)
        queued.lane.mustDeliver(queued)
      })
      const queued = queue.append(writeOf('m v=1 1'), first)
      await settle()
      first.ownership = 'relay'
      queued.lane.mustDeliver(queued)
      await settle()
      expect(last.isSpilled, `${turns} turns`).toBe(true)
    }
  })

  test('a write that its backend has answered is not spilled', async () => {
    const a = later()
    const { relay, runtime, disk } = await createFixture({ a: a.handler, b: stored })
    relay.own(writeOf('m v=1 1'))
    await settle()
    disk.before = ({ path }) => (path.includes('dead-letters') ? new Promise(() => {}) : undefined)
    await a.respond(answer(400, 'field type conflict'))
    await runtime.clock.advance(10)
    expect([...disk.files().keys()].filter((path) => path.endsWith('.segment'))).toEqual([])
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
  ] as const)('a stop records losses that the disk has refused before, %s', async (_, options) => {
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

  test.each(['gaps', 'dead-letters'])(
    'a stop waits for records that are being written: %s',
    async (part) => {
      const a = later()
      const { send, disk, relay } = await createFixture(
        { a: a.handler, b: stored },
        new FakeDisk(),
        {
          bufferBytes: 0,
        },
      )
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
    },
  )

  test('a retry that comes after the stop sends nothing and logs no fault of the disk', async () => {
    const { send, bodies, relay, runtime, logged } = await createFixture({
      a: () => answer(503, 'down'),
      b: stored,
    })
    await send('m v=1 1')
    await relay.close()
    const { length } = bodies('a')
    await runtime.clock.advance(60_000)
    expect(bodies('a')).toHaveLength(length)
    expect(logged('disk failed')).toEqual([])
  })

  test('an answer that comes after the stop logs no fault of the disk', async () => {
    const a = later()
    const { send, relay, runtime, logged } = await createFixture({ a: a.handler, b: stored })
    await send('m v=1 1')
    await runtime.clock.advance(20)
    await relay.close()
    await a.respond(stored())
    await runtime.clock.advance(60_000)
    expect(logged('disk failed')).toEqual([])
  })

  test('a stop does not wait for a disk that fails for good, and logs that', async () => {
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
    'consistency %s is checked, case %#',
    async (level, [a, b], status) => {
      const { send } = await createFixture({ a, b })
      expect(await send('m v=1 1', 'db=d', level)).toMatchObject({ status })
    },
  )
})
