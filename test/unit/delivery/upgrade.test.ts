/** A buffer that an earlier build has written: its lane files lack a checksum, its records lack credentials. */

import { describe, expect, test } from 'vitest'
import { encode, prepare } from '../../../src/segments/record.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { refused, stored } from '../../support/fake-runtime.ts'

const LANE = 'data/a/lane-7'
const FILE = `${LANE}.json`

/** The files of a lane as an earlier build wrote them, before anything was delivered. */
function oldBuffer(authorization: string | null): FakeDisk {
  const text = (value: string) => new TextEncoder().encode(value)
  const records = ['m v=1 1', 'm v=2 2'].map((body, i) =>
    prepare({ kind: 0, acceptedAt: 1e12 + i, query: 'db=d&precision=s&rp=r', body: text(body) }),
  )
  const file = { db: 'd', rp: 'r', authorization }
  return FakeDisk.of([
    [FILE, text(`${JSON.stringify(file)}\n`)],
    [`${LANE}/0000000000000001.segment`, encode(records, 1)],
  ])
}

const sentTo = (relay: Awaited<ReturnType<typeof createDurableFixture>>) =>
  (relay.runtime.received.get('a') ?? []).map(
    ({ query, headers, body }) => `${query} ${headers.authorization ?? '-'} ${body}`,
  )

describe('a buffer of an earlier build', () => {
  test.each(['Basic abc', null])('is delivered with its credentials: %s', async (authorization) => {
    const disk = oldBuffer(authorization)
    const relay = await createDurableFixture({ a: stored, b: stored }, disk)
    await relay.runtime.clock.advance(5000)
    expect(sentTo(relay)).toEqual([
      `db=d&precision=s&rp=r ${authorization ?? '-'} m v=1 1\nm v=2 2\n`,
    ])
    expect(relay.logged('buffer is damaged')).toEqual([])
    expect([...disk.files().keys()].filter((path) => path.includes('lane'))).toEqual([])
  })

  test('is delivered without credentials of its own if its lane file is damaged', async () => {
    const disk = oldBuffer('Basic abc')
    disk.put(FILE, new Uint8Array(47))
    const relay = await createDurableFixture({ a: stored, b: stored }, disk)
    await relay.runtime.clock.advance(1)
    expect(sentTo(relay)).toEqual(['db=d&precision=s&rp=r - m v=1 1\nm v=2 2\n'])
    expect(relay.logged('buffer is damaged')).toHaveLength(1)
  })

  test('is not taken for that of another database if its lane file names one', async () => {
    const disk = oldBuffer(null)
    disk.put(FILE, new TextEncoder().encode('{"db":"e","rp":"r","authorization":null}\n'))
    const relay = await createDurableFixture({ a: refused, b: stored }, disk)
    expect(relay.logged('buffer is damaged')).toHaveLength(1)
    await relay.send('m v=3 3', 'db=d&precision=s&rp=r')
    const next = await createDurableFixture({ a: stored, b: stored }, disk.kill())
    await next.runtime.clock.advance(1)
    expect(sentTo(next)).toEqual(['db=d&precision=s&rp=r - m v=1 1\nm v=2 2\nm v=3 3\n'])
  })
})
