/** Every change of one byte and every truncation of every file of a data directory. */

import { describe, expect, test } from 'vitest'
import { readHeader } from '../../../src/segments/record.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { answer, type Handler, refused, stored } from '../../support/fake-runtime.ts'
import { writeOf } from '../../support/relay-fixture.ts'
import { seeds } from '../../support/seeds.ts'

const TIMEOUT_MS = 300_000

/** Records of about 60 bytes: two go into a segment. */
const SEGMENT_BYTES = 130

/** The bytes of each block of a head that mean something. */
const POSITION_BYTES = 48

/** Each write is a batch. */
const SINGLY = { maxBatchBytes: 1 }

type Files = Map<string, Uint8Array>

/** The writes that a server gets of a lane, by the query and the credentials that they come with. */
type Delivered = Map<string, string[]>

/** Lanes of every kind: with credentials, with a drained part, with one record. */
const LANES: readonly (readonly [search: string, authorization: string | undefined, number])[] = [
  ['db=d', 'Basic abc', 5],
  ['db=e&rp=week', undefined, 6],
  ['db=f', undefined, 1],
]

const idOf = (lane: number, i: number) => `m v=${lane}${i} ${lane}${i}`

/** A data directory with undelivered writes, a gap ledger and a dead letter. */
async function dataDirectory(): Promise<Files> {
  let left = 0
  let isUp = false
  const a: Handler = ({ body }) => {
    if (body.includes('poison')) return isUp ? answer(400, 'no') : refused()
    return left-- > 0 ? stored() : refused()
  }
  const first = await createDurableFixture({ a, b: stored }, undefined, SINGLY, SEGMENT_BYTES)
  for (const [lane, [search, authorization, count]] of LANES.entries()) {
    for (let i = 0; i < count; i++) {
      await first.accept(writeOf(idOf(lane, i), search, authorization))
    }
  }
  await first.send('poison v=1 1', 'db=g')
  // One segment of some lane is drained and removed, and the server fails again.
  left = 3
  isUp = true
  await first.runtime.clock.advance(5000)
  expect(first.ledger.entries()).toHaveLength(1)
  return first.disk.kill().files()
}

/** Starts a relay on these files whose server is well. */
async function deliver(files: Iterable<readonly [string, Uint8Array]>) {
  const disk = FakeDisk.of(files)
  const relay = await createDurableFixture({ a: stored, b: stored }, disk, {}, SEGMENT_BYTES)
  await relay.runtime.clock.advance(1)
  const delivered: Delivered = new Map()
  for (const { query, headers, body } of relay.runtime.received.get('a') ?? []) {
    const lane = `${query} ${headers.authorization ?? ''}`
    delivered.set(lane, [...(delivered.get(lane) ?? []), ...body.trim().split('\n')])
  }
  return { delivered, ledger: relay.ledger.entries(), undelivered: relay.relay.undeliveredBytes }
}

/** The records of a segment that the bytes from `from` up to `to` belong to. */
function recordsHit(segment: Uint8Array, from: number, to: number): number {
  let hit = 0
  for (let at = 0; at < segment.length; ) {
    const end = at + (readHeader(segment, at)?.bytes ?? segment.length)
    if (from < end && to > at) hit++
    at = end
  }
  return hit
}

/** Lines of `all`, with those that come again taken out: a server may get a write twice. */
const unique = (all: readonly string[]) => [...new Set(all)]

/**
 * Expects a relay to deliver all but `maxLost` writes.
 *
 * @param isLossKnown whether a loss must be in the ledger. The cut end of the newest segment looks like a write
 * that a crash has interrupted.
 */
async function expectOneRecordLost(
  whole: Delivered,
  files: Files,
  changed: readonly [path: string, bytes: Uint8Array],
  maxLost: number,
  isLossKnown: boolean,
): Promise<void> {
  const { delivered, ledger, undelivered } = await deliver(new Map([...files, changed]))
  let lost = 0
  for (const [lane, lines] of whole) {
    const found = unique(delivered.get(lane) ?? [])
    // Nothing is out of order, and nothing goes elsewhere.
    expect(lines.filter((line) => found.includes(line))).toEqual(
      found.filter((line) => lines.includes(line)),
    )
    lost += lines.filter((line) => !found.includes(line)).length
  }
  expect([...delivered.keys()].filter((lane) => !whole.has(lane))).toEqual([])
  expect(lost).toBeLessThanOrEqual(maxLost)
  expect(undelivered).toBe(0)
  const damaged = ledger.filter(({ reason }) => reason === 'damaged')
  // A loss that is none must not be in the ledger.
  if (maxLost === 0) expect(damaged).toEqual([])
  if (isLossKnown && lost > 0) expect(damaged.length).toBeGreaterThan(0)
}

describe('one damage', async () => {
  const files = await dataDirectory()
  const { delivered: whole } = await deliver(files)
  const paths = [...files.keys()]

  test('finds every kind of file', () => {
    const kinds = ['.json', '/head', '.segment', 'gaps.jsonl', 'dead-letters/']
    expect(kinds.filter((kind) => !paths.some((path) => path.includes(kind)))).toEqual([])
    expect(whole.size).toBe(3)
    expect([...whole.values()].flat()).toHaveLength(9)
  })

  test.each(paths)(
    'a changed byte in %s costs at most the record that it is in',
    {
      timeout: TIMEOUT_MS,
    },
    async (path) => {
      const bytes = files.get(path) as Uint8Array
      const isHead = path.endsWith('/head')
      for (const seed of seeds(isHead ? 3 * POSITION_BYTES : bytes.length)) {
        const i = seed - 1
        const at = isHead ? Math.floor(i / POSITION_BYTES) * 4096 + (i % POSITION_BYTES) : i
        const old = bytes[at] as number
        const changed = bytes.slice()
        changed[at] = [old ^ (1 << (at % 8)), old ^ 0xff, 0][i % 3] as number
        const maxLost = path.endsWith('.segment') ? recordsHit(bytes, at, at + 1) : 0
        await expectOneRecordLost(whole, files, [path, changed], maxLost, true).catch((error) => {
          throw new Error(`${path} at ${at}: ${changed[at]}`, { cause: error })
        })
      }
    },
  )

  test.each(paths)(
    'a truncation of %s costs at most the records that it cuts off',
    {
      timeout: TIMEOUT_MS,
    },
    async (path) => {
      const bytes = files.get(path) as Uint8Array
      const step = path.endsWith('/head') ? 160 : 1
      for (const seed of seeds(Math.floor(bytes.length / step))) {
        const length = (seed - 1) * step
        const maxLost = path.endsWith('.segment') ? recordsHit(bytes, length, bytes.length) : 0
        await expectOneRecordLost(
          whole,
          files,
          [path, bytes.slice(0, length)],
          maxLost,
          false,
        ).catch((error) => {
          throw new Error(`${path} cut to ${length}`, { cause: error })
        })
      }
    },
  )
})
