import { describe, expect, test } from 'vitest'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { refused } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'
import {
  answeringStatements,
  receivedBy,
  resultError,
  statementOf,
  well,
} from '../../support/statements.ts'

const textOf = ({ body }: { body: Uint8Array }) => new TextDecoder().decode(body)

type Fixture = Awaited<ReturnType<typeof createDurableFixture>>

/** Points that a backend lacks for good in the database `d`. */
const addGap = ({ ledger }: Fixture, backend: string) =>
  ledger.add({
    ...{ backend, database: 'd', retentionPolicy: '', first: 1n, last: 2n, points: 1 },
    ...{ writes: 0, reason: 'buffer full', at: 0 },
  })

const gapsOf = ({ ledger }: Fixture) =>
  ledger.entries().map(({ backend, database, reason, writes }) => ({
    ...{ backend, database, reason, writes },
  }))

describe('the answer to a statement', () => {
  test('is that of the first server that has executed it', async () => {
    const b = answeringStatements(() => Response.json({ results: [{ statement_id: 0, b: true }] }))
    const { accept } = await createFixture({ a: refused, b })
    const { status, answer } = await accept(statementOf('CREATE DATABASE d'))
    expect([status, answer && textOf(answer)]).toEqual([
      200,
      '{"results":[{"statement_id":0,"b":true}]}',
    ])
  })

  test('is that of a server without a gap, if there is one', async () => {
    const answers = (name: string) =>
      answeringStatements(() => Response.json({ results: [], by: name }))
    const fixture = await createDurableFixture({ a: answers('a'), b: answers('b') })
    await addGap(fixture, 'a')
    const { answer } = await fixture.accept(statementOf('SELECT v FROM m; DELETE FROM m'))
    expect(answer && textOf(answer)).toContain('"by":"b"')
  })

  test('is a permanent error at once, and no other server executes the statement later', async () => {
    const a = answeringStatements(() => resultError('invalid name'))
    const fixture = await createDurableFixture({ a, b: refused })
    const { status, answer } = await fixture.accept(statementOf('CREATE DATABASE "a/b"'))
    expect([status, answer && textOf(answer)]).toEqual([
      200,
      expect.stringContaining('invalid name'),
    ])
    expect(fixture.relay.undeliveredBytes).toBe(0)
    expect(gapsOf(fixture)).toEqual([])
  })

  test("is a server's passing error if all fail", async () => {
    const busy = answeringStatements(() =>
      resultError('max-concurrent-queries limit exceeded(1, 1)'),
    )
    const { accept } = await createFixture({ a: busy, b: refused })
    const { answer } = await accept(statementOf('DELETE FROM m'))
    expect(answer && textOf(answer)).toContain('max-concurrent-queries')
  })

  test('is success if what one server lacks is to be removed, and another has removed it', async () => {
    const a = answeringStatements(() => resultError('database not found: d'))
    const fixture = await createDurableFixture({ a, b: well })
    const { answer } = await fixture.accept(statementOf('DROP MEASUREMENT m'))
    expect(answer && textOf(answer)).not.toContain('error')
    await fixture.runtime.clock.advance(5000)
    expect(fixture.relay.undeliveredBytes).toBe(0)
    expect(gapsOf(fixture)).toEqual([])
  })
})

describe('a server that rejects what another has executed', () => {
  const text = "CREATE USER jane WITH PASSWORD 'hunter2'; DELETE FROM m"

  test('has an entry in the gap ledger and in the log, without passwords', async () => {
    let isUp = false
    const rejecting = answeringStatements(() => resultError("invalid name 'hunter2'"))
    const fixture = await createDurableFixture({
      a: well,
      b: (request) => (isUp ? rejecting(request) : refused()),
    })
    expect(await fixture.accept(statementOf(text))).toMatchObject({ status: 200 })
    isUp = true
    await fixture.runtime.clock.advance(5000)
    expect(gapsOf(fixture)).toEqual([
      { backend: 'b', database: 'd', reason: 'rejected', writes: 1 },
    ])
    const [line] = fixture.logged('backend rejected an acknowledged statement')
    expect(line).toContain('CREATE USER jane WITH PASSWORD [REDACTED]; DELETE FROM m')
    expect(fixture.runtime.log.join('\n')).not.toContain('hunter2')
    const letters = [...fixture.disk.files()].filter(([path]) => path.includes('dead-letters'))
    expect(letters).toEqual([])
  })
})

describe('SELECT INTO', () => {
  const copy = 'SELECT v INTO target.autogen.c FROM m'

  test('is not executed by a server with a gap in what it reads', async () => {
    const fixture = await createDurableFixture({ a: well, b: well })
    await addGap(fixture, 'a')
    expect(await fixture.accept(statementOf(copy))).toMatchObject({ status: 200 })
    await fixture.runtime.clock.advance(5000)
    expect(receivedBy(fixture.runtime.received.get('a'))).toEqual([])
    expect(receivedBy(fixture.runtime.received.get('b'))).toEqual([copy])
    expect(gapsOf(fixture)).toContainEqual({
      ...{ backend: 'a', database: 'target', reason: 'rejected', writes: 1 },
    })
  })

  test('is 503 if all servers have gaps', async () => {
    const fixture = await createDurableFixture({ a: well, b: well })
    await addGap(fixture, 'a')
    await addGap(fixture, 'b')
    const { status, answer } = await fixture.accept(statementOf(copy))
    expect([status, answer?.error]).toEqual([503, expect.stringContaining('see the gap ledger')])
    expect(receivedBy(fixture.runtime.received.get('a'))).toEqual([])
  })

  test('is not held up by gaps in other databases', async () => {
    const fixture = await createDurableFixture({ a: well, b: well })
    await addGap(fixture, 'a')
    await fixture.accept(statementOf('SELECT v INTO d.autogen.c FROM other.autogen.m'))
    expect(receivedBy(fixture.runtime.received.get('a'))).toHaveLength(1)
  })
})

test('more statements than may wait for a server are refused', async () => {
  const fixture = await createDurableFixture({ a: well, b: refused }, undefined, {
    bufferBytes: 100_000_000,
    pendingBytes: 100_000_000,
    lanesBytes: 100_000_000,
  })
  let accepted = 0
  for (; accepted < 2000 && !fixture.relay.isFullOfStatements; accepted++) {
    void fixture.relay.accept(statementOf(`DROP DATABASE d${accepted}`, undefined, ''))
  }
  expect(accepted).toBe(1000)
})
