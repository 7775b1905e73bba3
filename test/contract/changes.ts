import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startInfluxd } from '../real/influxd.ts'
import { type Bench, down, httpRelay, output } from './bench.ts'
import { request, store, write } from './client.ts'
import { answering, startFaulty } from './faulty-backend.ts'
import { point, T } from './points.ts'
import { patience } from './relay-process.ts'

/** What a server that is down gets when it is back, and soon. */
const BUFFERED = { 'buffer-size-mb': 64, 'max-delay-interval': '200ms' }

interface Result {
  readonly error?: string
  readonly series?: readonly { readonly values: readonly (readonly unknown[])[] }[]
}

/** Sends statements to a relay or a server, and returns the answer. */
async function ask(url: string, q: string, more = '', method = 'POST') {
  const { status, body } = await request(`${url}/query?q=${encodeURIComponent(q)}${more}`, {
    method,
  })
  return { status, body, results: (JSON.parse(body).results ?? []) as Result[] }
}

const namesIn = ([result]: readonly Result[]) => result?.series?.[0]?.values.flat() ?? []

/** Statements that change something, through a relay in front of two real servers. */
export function changes(bench: Bench): void {
  const folder = async () => {
    const dir = await mkdtemp(join(tmpdir(), 'relay-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    return dir
  }
  const durable = async (keys = {}, outputs = bench.outputs({ ...BUFFERED, ...keys })) =>
    httpRelay(outputs, {}, { 'data-dir': await folder() })

  describe('a statement that changes something', () => {
    test.each(['GET', 'POST'])('by %s reaches both servers', async (method) => {
      const relay = await bench.relay(httpRelay(bench.outputs()))
      const name = `changed_by_${method}`
      const { status, body } = await ask(relay.url(), `CREATE DATABASE ${name}`, '', method)
      expect([status, body]).toEqual([200, '{"results":[{"statement_id":0}]}\n'])
      for (const { url } of [bench.a, bench.b]) {
        await vi.waitFor(async () => {
          expect(namesIn((await ask(url, 'SHOW DATABASES')).results)).toContain(name)
        }, patience)
      }
    })

    test.each([
      'no InfluxQL at all',
      'CREATE DATABASE "a/b"',
      'DROP MEASUREMENT',
      'CREATE RETENTION POLICY p ON missing DURATION 1h REPLICATION 1',
      'DROP USER nobody',
      'DELETE FROM m',
      'DROP MEASUREMENT "a\0b"',
      'DROP MEASUREMENT "\u{1f600}" -- \u2028',
      'CREATE DATABASE',
      "SET PASSWORD FOR nobody = 'x",
      'SHOW DATABASES; CREATE DATABASE "a/b"',
    ])('that fails is answered as by a server: %j', async (q) => {
      const relay = await bench.relay(await durable())
      const { status, body } = await ask(relay.url(), q)
      const direct = await Promise.all([bench.a, bench.b].map(({ url }) => ask(url, q)))
      expect(direct).toContainEqual(expect.objectContaining({ status, body }))
      await vi.waitFor(async () => {
        expect((await request(`${relay.url()}/ready/query/a`)).status).toBe(200)
        expect((await request(`${relay.url()}/ready/query/b`)).status).toBe(200)
      }, patience)
    })

    test('keeps its place among the writes for a server that is down, also if the relay is killed', async () => {
      const db = await bench.database('long')
      const configuration = await durable()
      let relay = await bench.relay(configuration)
      const { b } = bench
      await b.kill()
      onTestFinished(() => b.start())
      const run = async (q: string) => {
        const { status, results } = await ask(relay.url(), q, `&db=${db}`)
        expect([status, results[0]?.error]).toEqual([200, undefined])
      }
      await store(relay.url(), `db=${db}`, point(1))
      await store(relay.url(), `db=${db}&rp=long`, point(1))
      await run('DELETE FROM m')
      await store(relay.url(), `db=${db}`, [point(2), point(3)].join('\n'))
      await run(`DELETE FROM m WHERE time = ${T + 2n}`)
      await run(`CREATE RETENTION POLICY "new" ON ${db} DURATION INF REPLICATION 1`)
      await store(relay.url(), `db=${db}&rp=new`, point(4))
      await relay.stop('SIGKILL')
      relay = await bench.relay(configuration)
      await store(relay.url(), `db=${db}`, point(5))
      await run('DROP SERIES FROM other')
      await store(relay.url(), `db=${db}`, point(6))
      await b.start()
      const rowsOf = async (policy: string) => {
        const { body } = await ask(b.url, `SELECT v FROM ${db}.${policy}.m`, '&epoch=ns')
        return body
      }
      await vi.waitFor(async () => expect(await rowsOf('autogen')).toContain(`${T + 6n}`), patience)
      for (const policy of ['autogen', 'long', 'new']) {
        const { body } = await ask(bench.a.url, `SELECT v FROM ${db}.${policy}.m`, '&epoch=ns')
        await vi.waitFor(async () => expect(await rowsOf(policy)).toBe(body), patience)
      }
      expect(await rowsOf('autogen')).not.toContain(`${T + 1n}`)
      expect(await rowsOf('autogen')).not.toContain(`${T + 2n}`)
      expect(await rowsOf('long')).not.toContain(`${T + 1n}`)
    })

    test('creates a database while a server is down, and the server gets it before its points', async () => {
      const relay = await bench.relay(await durable())
      const { b } = bench
      await b.kill()
      onTestFinished(() => b.start())
      const db = `telegraf_${relay.address().port}`
      // As Telegraf does when it starts.
      const { status, body } = await ask(relay.url(), `CREATE DATABASE "${db}"`)
      expect([status, body]).toEqual([200, '{"results":[{"statement_id":0}]}\n'])
      await store(relay.url(), `db=${db}`, point(1))
      await b.start()
      await bench.expectRowsAt(b, db, await bench.a.rows(db))
      expect(relay.text).not.toContain('database not found')
    })

    test('DROP DATABASE and what follows leave a server that was down like the other', async () => {
      const db = await bench.database()
      const relay = await bench.relay(await durable())
      const { b } = bench
      const writeStatus = async (i: number) =>
        (await write(relay.url(), `db=${db}`, point(i))).status
      expect(await writeStatus(1)).toBe(204)
      await bench.expectSameRows(db, 1)
      await b.kill()
      onTestFinished(() => b.start())
      expect(await writeStatus(2)).toBe(204)
      await ask(relay.url(), `DROP DATABASE ${db}`)
      expect(await writeStatus(3)).toBe(404)
      await ask(relay.url(), `CREATE DATABASE ${db}`)
      expect(await writeStatus(4)).toBe(204)
      await b.start()
      await bench.expectRowsAt(b, db, await bench.a.rows(db))
      expect(await bench.a.rows(db)).toHaveLength(1)
    })

    test('deletes on a server that was down only what was old when it was accepted', async () => {
      const db = await bench.database()
      const relay = await bench.relay(await durable())
      const { b } = bench
      const now = BigInt(Date.now()) * 1_000_000n
      const inFuture = `m v=1 ${now + 3_000_000_000n}`
      await store(relay.url(), `db=${db}`, [`m v=0 ${now - 60_000_000_000n}`, inFuture].join('\n'))
      await bench.expectSameRows(db, 2)
      await b.kill()
      onTestFinished(() => b.start())
      await ask(relay.url(), 'DELETE FROM m WHERE time < now()', `&db=${db}`)
      expect(await bench.a.rows(db)).toHaveLength(1)
      await new Promise((resolve) => setTimeout(resolve, 4000))
      await b.start()
      await bench.expectRowsAt(b, db, await bench.a.rows(db))
    }, 60_000)

    test('is 503 while no server is up, and is not kept', async () => {
      const relay = await bench.relay(
        httpRelay([down('a', BUFFERED), down('b', BUFFERED)], {}, { 'data-dir': await folder() }),
      )
      const { status, body } = await ask(relay.url(), 'CREATE DATABASE d')
      expect([status, JSON.parse(body).error]).toEqual([503, 'unable to write points'])
    })

    test('waits for another server if one lacks the user, and its error reaches the client', async () => {
      const guarded = await startInfluxd({ auth: { username: 'admin', password: 'secret' } })
      onTestFinished(() => guarded.stop())
      const relay = await bench.relay(httpRelay([output('a', guarded)]))
      const refused = await ask(relay.url(), 'CREATE DATABASE d', '&u=joe&p=wrong')
      expect([refused.status, JSON.parse(refused.body).error]).toEqual([
        401,
        'authorization failed',
      ])
      const { status } = await ask(relay.url(), 'CREATE DATABASE d', '&u=admin&p=secret')
      expect(status).toBe(200)
    })

    test('can have ten megabytes', async () => {
      const relay = await bench.relay(httpRelay(bench.outputs()))
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const post = (length: number) =>
        request(`${relay.url()}/query`, {
          method: 'POST',
          headers,
          body: `q=${encodeURIComponent(`DROP DATABASE none -- ${'x'.repeat(length)}`)}`,
        })
      expect((await post(10_000_000)).status).toBe(200)
    })
  })

  describe('create-databases', () => {
    /** The policies of a database on a server, without the order. */
    const policiesOf = async (url: string, db: string) => {
      const { results } = await ask(url, `SHOW RETENTION POLICIES ON "${db}"`)
      return (results[0]?.series?.[0]?.values ?? []).map((row) => row.join(' ')).sort()
    }

    test('a server gets a database that it lacks, with the policies of another', async () => {
      const db = 'created "as" elsewhere'
      const relay = await bench.relay(
        httpRelay(
          bench.outputs(BUFFERED),
          { 'create-databases': true },
          { 'data-dir': await folder() },
        ),
      )
      const name = db.replaceAll('"', '\\"')
      await bench.a.query(
        `CREATE DATABASE "${name}" WITH DURATION 30d SHARD DURATION 3d NAME "p 1"`,
      )
      await bench.a.query(`CREATE RETENTION POLICY "long" ON "${name}" DURATION INF REPLICATION 1`)
      const now = `m v=1 ${BigInt(Date.now()) * 1_000_000n}`
      await store(relay.url(), `db=${encodeURIComponent(db)}&rp=long`, now)
      await bench.expectRowsAt(bench.b, db, await bench.a.rows(db))
      expect(await policiesOf(bench.b.url, name)).toEqual(await policiesOf(bench.a.url, name))
    })

    test('a database that no server has is not created', async () => {
      const relay = await bench.relay(
        httpRelay(
          bench.outputs(BUFFERED),
          { 'create-databases': true },
          { 'data-dir': await folder() },
        ),
      )
      const { status } = await request(`${relay.url()}/write?db=nowhere`, {
        method: 'POST',
        body: point(1),
      })
      expect(status).toBe(404)
      expect(namesIn((await ask(bench.a.url, 'SHOW DATABASES')).results)).not.toContain('nowhere')
    })
  })

  describe('a password in a statement', () => {
    test('reaches no log and no file that others can read', async () => {
      const dir = await folder()
      const broken = await startFaulty(
        answering(200, '{"results":[{"statement_id":0,"error":"user \'hunter2\' is no good"}]}'),
      )
      const outputs = [output('a', bench.a, BUFFERED), output('b', broken, BUFFERED)]
      const relay = await bench.relay(
        httpRelay([...outputs, down('c', BUFFERED)], {}, { 'data-dir': dir }),
      )
      await ask(relay.url(), "CREATE USER jane WITH PASSWORD 'hunter2'")
      onTestFinished(async () => void (await bench.a.query('DROP USER jane')))
      await ask(relay.url(), "SET PASSWORD FOR jane = 'hunter2'")
      await ask(relay.url(), "CREATE USER joe WITH PASSWORD 'hunter2'x")
      await vi.waitFor(async () => expect(relay.text).toContain('backend failed'), patience)
      expect(relay.text).not.toContain('hunter2')
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        const { mode } = await stat(join(entry.parentPath, entry.name))
        expect(mode & 0o077, entry.name).toBe(0)
      }
    })
  })

  describe('a statement about what each server numbers', () => {
    const single = () => bench.relay(httpRelay(bench.outputs()))

    test('SHOW QUERIES lists those of all servers', async () => {
      const relay = await single()
      const { status, body } = await ask(relay.url(), 'SHOW QUERIES')
      const [{ columns, values }] = JSON.parse(body).results[0].series
      expect([status, columns.slice(0, 4), columns.at(-1)]).toEqual([
        ...[200, ['qid', 'query', 'database', 'duration'], 'output'],
      ])
      // Other queries may run, too.
      const outputs = new Set(values.map((row: unknown[]) => row.at(-1)))
      expect(outputs).toEqual(new Set(['a', 'b']))
      const partly = await bench.relay(httpRelay([output('a', bench.a), down('b')]))
      const { body: half } = await ask(partly.url(), 'SHOW QUERIES')
      expect(JSON.parse(half).results[0].messages).toEqual([
        { level: 'warning', text: 'no answer from b' },
      ])
    })

    test('KILL QUERY goes to the output that it names', async () => {
      const relay = await single()
      const { body } = await ask(relay.url(), 'KILL QUERY 99999 ON "b"')
      expect(JSON.parse(body).results[0].error).toContain('no such query id: 99999')
      for (const q of ['KILL QUERY 1', 'KILL QUERY 1 ON "c"']) {
        const { status, body } = await ask(relay.url(), q)
        expect([status, JSON.parse(body).error]).toEqual([
          400,
          expect.stringContaining('"a" or "b"'),
        ])
      }
    })

    test('DROP SHARD is refused', async () => {
      const relay = await single()
      const { status, body } = await ask(relay.url(), 'DROP SHARD 1')
      expect([status, JSON.parse(body).error]).toEqual([400, expect.stringContaining('DELETE')])
    })

    test('a subscription is made on the first server alone', async () => {
      const db = await bench.database()
      const relay = await single()
      const create = `CREATE SUBSCRIPTION s ON ${db}.autogen DESTINATIONS ALL 'udp://127.0.0.1:9'`
      expect((await ask(relay.url(), create)).body).toBe('{"results":[{"statement_id":0}]}\n')
      onTestFinished(async () => void (await bench.a.query(`DROP SUBSCRIPTION s ON ${db}.autogen`)))
      expect((await ask(relay.url(), 'SHOW SUBSCRIPTIONS')).body).toContain('127.0.0.1:9')
      expect((await ask(bench.a.url, 'SHOW SUBSCRIPTIONS')).body).toContain('127.0.0.1:9')
      expect((await ask(bench.b.url, 'SHOW SUBSCRIPTIONS')).body).not.toContain('127.0.0.1:9')
    })
  })
}
