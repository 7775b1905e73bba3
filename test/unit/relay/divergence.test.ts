import { describe, expect, test } from 'vitest'
import type { ConsistencyLevel } from '../../../src/influxdb/consistency.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { answer, type Handler, later, refused, settle, stored } from '../../support/fake-runtime.ts'
import { writeOf } from '../../support/relay-fixture.ts'

/** Three points. The servers refuse some of them. */
const BODY = 'm v=1 1\nm v=2i 2\nm v=3i 3'

const text = (reason: string, dropped: number) => `partial write: ${reason} dropped=${dropped}`
const partial = (dropped: number, reason = 'field type conflict: v') =>
  answer(400, text(reason, dropped))
const whole = () => answer(400, 'field type conflict')
const unparsable = () => answer(400, "unable to parse 'm': missing fields")
const down = () => answer(503, 'engine is closed')

/** The answers of backends in order: which backend, and what. */
type Answers = readonly (readonly [backend: 'a' | 'b' | 'c', response: () => Response])[]

/** What the gap ledger says: backend, points and reason. */
type Entries = readonly (readonly [backend: string, points: number, reason: string])[]

interface Case {
  readonly title: string
  readonly answers: Answers
  readonly status: number
  readonly entries: Entries
  readonly consistency?: ConsistencyLevel
}

const cases: readonly Case[] = [
  {
    title: 'both refuse the whole write',
    answers: [
      ['a', whole],
      ['b', whole],
    ],
    status: 400,
    entries: [],
  },
  {
    title: 'neither can parse the write',
    answers: [
      ['a', unparsable],
      ['b', unparsable],
    ],
    status: 400,
    entries: [],
  },
  {
    title: 'both drop the same points',
    answers: [
      ['a', () => partial(2)],
      ['b', () => partial(2)],
    ],
    status: 400,
    entries: [],
  },
  {
    title: 'one drops more points than the other',
    answers: [
      ['a', () => partial(1)],
      ['b', () => partial(2)],
    ],
    status: 400,
    entries: [['b', 1, 'diverged']],
  },
  {
    title: 'each drops other points',
    answers: [
      ['a', () => partial(1, 'x')],
      ['b', () => partial(2, 'y')],
    ],
    status: 400,
    entries: [
      ['a', 1, 'diverged'],
      ['b', 2, 'diverged'],
    ],
  },
  {
    title: 'one drops points, the other stores the write later',
    answers: [
      ['a', () => partial(2)],
      ['b', stored],
    ],
    status: 400,
    entries: [['a', 2, 'diverged']],
  },
  {
    title: 'one refuses the write, the other stores it later',
    answers: [
      ['a', unparsable],
      ['b', stored],
    ],
    status: 400,
    entries: [['a', 3, 'diverged']],
  },
  {
    title: 'one stores a part of the write, the other refuses it',
    answers: [
      ['a', () => partial(1)],
      ['b', whole],
    ],
    status: 400,
    entries: [['b', 2, 'diverged']],
  },
  {
    title: 'one refuses the write, the other is down',
    answers: [
      ['a', unparsable],
      ['b', down],
    ],
    status: 400,
    entries: [],
  },
  {
    title: 'one stores the write, the other refuses it while the client waits for all',
    answers: [
      ['a', stored],
      ['b', () => partial(1)],
    ],
    status: 400,
    entries: [['b', 1, 'diverged']],
    consistency: 'all',
  },
  {
    title: 'one of three stores the write, two refuse it',
    answers: [
      ['a', unparsable],
      ['b', stored],
      ['c', unparsable],
    ],
    status: 400,
    entries: [
      ['a', 3, 'diverged'],
      ['c', 3, 'diverged'],
    ],
  },
  {
    title: 'two of three drop the same points, one stores the write',
    answers: [
      ['a', () => partial(1)],
      ['b', () => partial(1)],
      ['c', stored],
    ],
    status: 400,
    entries: [
      ['a', 1, 'diverged'],
      ['b', 1, 'diverged'],
    ],
  },
  {
    title: 'all three refuse the write',
    answers: [
      ['a', whole],
      ['b', whole],
      ['c', whole],
    ],
    status: 400,
    entries: [],
  },
]

describe.each([
  ['in memory', 0],
  ['on disk', 100_000],
])('a write that its client was told has failed, with a buffer %s', (_, bufferBytes) => {
  test.each(cases)('$title', async ({ answers, status, entries, consistency }) => {
    const backends = Object.fromEntries(answers.map(([name]) => [name, later()]))
    const handlers = Object.entries(backends).map(([name, { handler }]) => [name, handler] as const)
    const { accept, ledger, disk } = await createDurableFixture(
      Object.fromEntries<Handler>(handlers),
      undefined,
      { bufferBytes },
    )
    const sent = await accept(writeOf(BODY, 'db=d', undefined, consistency))
    for (const [name, response] of answers) await backends[name]?.respond(response())
    await settle()
    expect(sent.status).toBe(status)
    expect(ledger.entries().map((one) => [one.backend, one.points, one.reason])).toEqual(entries)
    expect([...disk.files().keys()].filter((path) => path.includes('dead-letters/'))).toEqual([])
  })
})

describe('an acknowledged write', () => {
  test('lacks only the points that a server dropped', async () => {
    const a = later()
    const { send, runtime, ledger } = await createDurableFixture({ a: a.handler, b: stored })
    const sent = await send(BODY)
    await runtime.clock.advance(10)
    expect(sent.status).toBe(204)
    await a.respond(partial(2))
    await settle()
    expect(ledger.entries()).toMatchObject([{ backend: 'a', points: 2, reason: 'rejected' }])
  })

  test('is not entered as rejected if its client was told the same', async () => {
    let up = false
    const a = () => {
      if (!up) return refused()
      return whole()
    }
    const { send, runtime, ledger } = await createDurableFixture({ a, b: () => partial(1) })
    for (let i = 0; i < 40; i++) expect(await send(BODY)).toMatchObject({ status: 400 })
    up = true
    await runtime.clock.advance(1000)
    // The other server has two points of each.
    expect(ledger.entries()).toMatchObject([{ backend: 'a', points: 80, reason: 'diverged' }])
  })
})

describe('a write on disk that its client was told has failed', () => {
  /** Entries after a restart, if `b` has dropped a point and `a` was down. */
  const entriesAfter = async (handler: Handler, options = {}) => {
    const first = await createDurableFixture(
      { a: refused, b: () => partial(1) },
      undefined,
      options,
    )
    expect(await first.send(BODY)).toMatchObject({ status: 400 })
    await settle()
    const second = await createDurableFixture(
      { a: handler, b: stored },
      first.disk.crash(() => 0),
      options,
    )
    await settle()
    expect(second.bodies('a')).toEqual([BODY])
    expect(second.bodies('b')).toEqual([])
    return second.ledger.entries().map((one) => [one.backend, one.points, one.reason])
  }

  test.each<[string, Handler, Entries]>([
    ['is no loss if the next process gets the same answer', () => partial(1), []],
    ['is a loss of the other server if this one stores it', stored, [['b', 1, 'diverged']]],
    ['is a loss if this server drops more points', () => partial(2), [['a', 1, 'diverged']]],
    ['is a loss if this server refuses it', whole, [['a', 2, 'diverged']]],
  ])('%s', async (_, handler, entries) => {
    expect(await entriesAfter(handler)).toEqual(entries)
  })

  test.each<[string, Handler, Entries]>([
    ['acknowledged, is a loss as any other', stored, [['a', 3, 'too old']]],
    [
      'rejected, is a loss as far as the other server has it',
      () => partial(1),
      [['a', 2, 'diverged']],
    ],
    ['rejected, is no loss if no server has it', whole, []],
  ])('dropped as too old, and %s', async (_, b, entries) => {
    const { send, runtime, ledger } = await createDurableFixture({ a: refused, b }, undefined, {
      maxAgeMs: 1000,
    })
    await send(BODY)
    await runtime.clock.advance(10_000)
    expect(ledger.entries().map((one) => [one.backend, one.points, one.reason])).toEqual(entries)
  })
})
