import { Agent } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Bench, httpRelay, output, setUpRelay } from './bench.ts'
import { type Answer, store, write } from './client.ts'
import { type FaultyBackend, slow, startFaulty } from './faulty-backend.ts'
import { numbers, stored, T } from './points.ts'

const lines = numbers(200).map((i) => `m,k=${i} v=${i} ${T}`)

/** Many clients at one time. */
export function concurrency(bench: Bench): void {
  describe('two hundred writes of one point from fifty connections', () => {
    atServers(bench)
    beforeOthers(bench)
    asRequests(bench)
  })
}

/** Writes all bodies from fifty connections. */
async function writeAtOnce(url: string, query: string, bodies: string[]): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  onTestFinished(() => agent.destroy())
  return Promise.all(bodies.map((body) => write(url, query, body, { agent })))
}

const statuses = (answers: Answer[]) => [...new Set(answers.map(({ status }) => status))]

function atServers(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))

  test('are all stored on both servers', async () => {
    const db = await bench.database()
    expect(statuses(await writeAtOnce(relay().url(), `db=${db}`, lines))).toEqual([204])
    await bench.expectRows(db, stored(...lines))
  })

  test('each have their own answer, the bad ones among them too', async () => {
    const db = await bench.database()
    await store(relay().url(), `db=${db}`, `m,k=first v=1 ${T}`)
    await bench.expectSameRows(db, 1)
    const bad = new Map([
      [60, 'no fields'],
      [61, `m v="of another type" ${T}`],
      [130, 'm v="without an end'],
      [131, 'm\\'],
    ])
    const mixed = lines.map((line, i) => bad.get(i) ?? line)
    const answers = await writeAtOnce(relay().url(), `db=${db}`, mixed)
    for (const [i, { status, body }] of answers.entries()) {
      expect([mixed[i], status]).toEqual([mixed[i], bad.has(i) ? 400 : 204])
      if (bad.has(i) && i !== 61) expect(JSON.parse(body).error).toContain(`'${bad.get(i)}`)
    }
    const good = lines.filter((_, i) => !bad.has(i))
    await bench.expectRows(db, stored(`m,k=first v=1 ${T}`, ...good))
  })
}

/** Bodies that are no error by themselves, but would swallow the first line of what follows them. */
const open = ['# it"s a=" comment', '# a comment with a backslash \\']

function beforeOthers(bench: Bench): void {
  test('lose nothing to others whose last line goes on past its end', async () => {
    const db = await bench.database()
    const relay = await bench.relay(httpRelay(bench.outputs()))
    const mixed = lines.flatMap((line, i) => (i % 10 === 5 ? [...open, line] : [line]))
    expect(statuses(await writeAtOnce(relay.url(), `db=${db}`, mixed))).toEqual([204])
    await bench.expectRows(db, stored(...lines))
  })
}

function asRequests(bench: Bench): void {
  const relayToSlow = async () => {
    const backend = await startFaulty(slow(50))
    return { backend, relay: await bench.relay(httpRelay([output('slow', backend)])) }
  }

  test('reach a slow server in far fewer requests', async () => {
    const { backend, relay } = await relayToSlow()
    expect(statuses(await writeAtOnce(relay.url(), 'db=d', lines))).toEqual([204])
    expect(backend.lines.sort()).toEqual([...lines].sort())
    expect(backend.received.length).toBeLessThan(100)
  })

  test('of several databases, policies and precisions are kept apart', async () => {
    const { backend, relay } = await relayToSlow()
    const queries = ['db=d', 'db=e', 'db=d&precision=s', 'db=d&rp=r']
    const sent = queries.flatMap((query, i) =>
      lines.slice(10 * i, 10 * i + 10).map((line) => `${query} ${line}`),
    )
    await Promise.all(
      sent.map((text) => {
        const [, query = '', line = ''] = /^(\S+) (.*)$/.exec(text) ?? []
        return store(relay.url(), query, line)
      }),
    )
    expect(linesWithQueries(backend).sort()).toEqual(sent.sort())
  })
}

function linesWithQueries({ received }: FaultyBackend): string[] {
  return received.flatMap(({ path, body }) => {
    const query = path.slice(path.indexOf('?') + 1)
    const lines = body.split('\n').filter((line) => line !== '')
    return lines.map((line) => `${query} ${line}`)
  })
}
