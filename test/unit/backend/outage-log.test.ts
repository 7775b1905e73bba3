import { describe, expect, test } from 'vitest'
import { OutageLog } from '../../../src/backend/outage-log.ts'
import type { Failure } from '../../../src/delivery/outcome.ts'
import { errorAnswer } from '../../../src/influxdb/answer.ts'
import { createLog } from '../../../src/observe/log.ts'
import { FakeClock } from '../../support/fake-runtime.ts'

const SINCE = 'since=2023-11-14T22:13:20.000Z'

function createFixture() {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = createLog((line) => lines.push(line), clock.wallNanoseconds)
  const outages = new OutageLog(clock, log)
  const attempt = (db: string) => ({ db, rp: undefined, undelivered_bytes: 1 })
  const missing = (db: string): Failure => {
    const reason = `404 database not found: "${db}"`
    return { verdict: 'unready', reason, answer: errorAnswer(404, reason), retryAfterMs: 0 }
  }
  return {
    clock,
    lines,
    fail: (db: string) => outages.failed(db, missing(db), attempt(db)),
    succeed: (db: string) => outages.succeeded(db, attempt(db)),
    /** The line that sums up what has failed by the end of the interval. */
    async summary() {
      await clock.advance(10_000)
      return lines.at(-1)
    },
  }
}

describe('the log of a backend that fails', () => {
  test('names each database that is missing, and says since when', async () => {
    const { fail, succeed, summary, lines } = createFixture()
    fail('a')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(new RegExp(` db=a .*${SINCE}`))
    expect(lines[0]).not.toContain('databases=')
    for (const name of ['b', 'c', 'a', 'b', 'c']) fail(name)
    expect(await summary()).toMatch(new RegExp(` databases="a, b, c" ${SINCE} times=5$`))
    succeed('b')
    fail('c')
    expect(await summary()).toMatch(new RegExp(` databases="a, c" ${SINCE}$`))
  })

  test('forgets a database that nobody writes to any more', async () => {
    const { clock, fail, summary } = createFixture()
    fail('typo')
    await clock.advance(600_000)
    fail('a')
    fail('b')
    await clock.advance(1)
    fail('b')
    expect(await summary()).toContain(' databases="a, b" ')
  })

  test('names a bounded number of databases, by bounded names', async () => {
    const { fail, summary } = createFixture()
    for (let i = 0; i < 2000; i++) fail(`${i}-${'x'.repeat(10_000)}`)
    const line = (await summary()) ?? ''
    expect(line).toMatch(/databases="0-x+, 1-x+, .* and 990 more"/)
    expect(/databases="([^"]*)"/.exec(line)?.[1]?.length).toBeLessThan(1000)
  })
})
