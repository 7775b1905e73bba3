import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { type Bench, down, httpRelay, output } from './bench.ts'
import { type Answer, request, store, write } from './client.ts'
import { type Behaviour, babbling, closing, startFaulty } from './faulty-backend.ts'
import { point, stored, T } from './points.ts'
import { patience, type RelayProcess } from './relay-process.ts'
import { temporaryFile } from './run-relay.ts'

const username = 'admin'
const password = 'hunter2 & söns'
const wrong = 'wrong-secret'
const db = 'guarded'

const basic = (text: string) => Buffer.from(`${username}:${text}`).toString('base64')
const header = (text: string) => ({ authorization: `Basic ${basic(text)}` })
const userinfo = `${username}:${encodeURIComponent(password)}`

/** Every secret of these tests, as it could appear in a log: plain, in a URL, in a header. */
const secrets = [password, encodeURIComponent(password), basic(password), wrong, basic(wrong)]

/** Servers that ask for a name and a password. */
export function credentials(bench: Bench): void {
  describe('a server that asks for credentials', () => {
    const guarded = new Guarded(bench)
    beforeAll(() => guarded.start())
    afterAll(() => guarded.server?.stop())
    fromClients(guarded)
    fromOutputs(guarded)
    colons(bench, guarded)
    failures(bench, guarded)
  })
}

/** A server with one user, and what tests do with it. */
class Guarded {
  server: Influxd | undefined
  readonly #bench: Bench
  #points = 0

  constructor(bench: Bench) {
    this.#bench = bench
  }

  async start(): Promise<void> {
    this.server = await startInfluxd({ auth: { username, password } })
    await this.server.query(`CREATE DATABASE ${db}`)
  }

  get url(): string {
    return (this.server as Influxd).url
  }

  /** A relay with this server as its output; none of its log may hold a secret. */
  relay(keys = {}): Promise<RelayProcess> {
    return relayWithoutSecrets(this.#bench, [output('guarded', this, keys)])
  }

  /** Writes a new point; it is stored exactly if the answer is a success. */
  async post(relay: RelayProcess, query = '', headers = {}): Promise<Answer> {
    const line = point(this.#points++)
    const answer = await write(relay.url(), `db=${db}${query}`, line, { headers })
    const rows = await (this.server as Influxd).rows(db)
    expect(rows.includes(`autogen ${line}`)).toBe(answer.status === 204)
    return answer
  }
}

async function relayWithoutSecrets(
  bench: Bench,
  outputs: Record<string, unknown>[],
  file: Record<string, unknown> = {},
): Promise<RelayProcess> {
  const relay = await bench.relay(httpRelay(outputs, {}, file))
  onTestFinished(() => {
    for (const secret of secrets) expect(relay.text).not.toContain(secret)
  })
  return relay
}

function fromClients(guarded: Guarded): void {
  test('gets them from a client, in a header or in parameters', async () => {
    const relay = await guarded.relay()
    const query = `&u=${username}&p=${encodeURIComponent(password)}`
    expect((await guarded.post(relay, '', header(password))).status).toBe(204)
    expect((await guarded.post(relay, query)).status).toBe(204)
    expect((await guarded.post(relay, query, header(wrong))).status).toBe(204)
    expect((await guarded.post(relay, query.replaceAll('%20', '+'))).status).toBe(204)
  })

  test('refuses wrong ones with 401 and its challenge', async () => {
    const relay = await guarded.relay()
    const answers = [
      await guarded.post(relay, '', header(wrong)),
      await guarded.post(relay, `&u=${username}&p=${wrong}`),
      await guarded.post(relay, `&u=${username}&p=${wrong}`, header(password)),
      await guarded.post(relay),
    ]
    for (const { status, headers, body } of answers) {
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Basic realm="InfluxDB"')
      expect(headers['content-type']).toBe('application/json')
      expect(JSON.parse(body).error).toMatch(/authorization failed|unable to parse auth/)
    }
  })

  test('gets them as the token of a client of InfluxDB 2', async () => {
    const relay = await guarded.relay()
    const post = (token: string) =>
      request(`${relay.url()}/api/v2/write?bucket=${db}`, {
        method: 'POST',
        headers: { authorization: `Token ${username}:${token}` },
        body: Buffer.from(`v2 v=1 ${T}`), // a string would make Node write the header in UTF-8
      })
    expect((await post(wrong)).status).toBe(401)
    expect(await guarded.server?.rows(db, 'v2')).toEqual([])
    // Some clients send Latin-1, others UTF-8.
    expect((await post(password)).status).toBe(204)
    expect((await post(Buffer.from(password).toString('latin1'))).status).toBe(204)
    expect(await guarded.server?.rows(db, 'v2')).toEqual([`autogen v2 v=1 ${T}`])
  })
}

function fromOutputs(guarded: Guarded): void {
  test('gets those of its output in place of the clients', async () => {
    const relay = await guarded.relay({ username, password })
    expect((await guarded.post(relay)).status).toBe(204)
    expect((await guarded.post(relay, `&u=nobody&p=${wrong}`)).status).toBe(204)
    expect((await guarded.post(relay, '', header(wrong))).status).toBe(204)
  })

  test('gets those in the URL of its output', async () => {
    const location = `${guarded.url.replace('//', `//${userinfo}@`)}/write`
    const relay = await guarded.relay({ location })
    expect((await guarded.post(relay)).status).toBe(204)
  })
}

function colons(bench: Bench, guarded: Guarded): void {
  const user = 'aa:bb'
  const query = `&u=${encodeURIComponent(user)}&p=${encodeURIComponent(password)}`
  beforeAll(async () => {
    await guarded.server?.query(`CREATE USER "${user}" WITH PASSWORD '${password}'`)
    await guarded.server?.query(`GRANT WRITE ON ${db} TO "${user}"`)
  })

  test('gets a user name with a colon from a client, or its output', async () => {
    const relay = await guarded.relay()
    expect((await guarded.post(relay, query)).status).toBe(204)
    expect((await guarded.post(relay, `&u=${user}&p=${wrong}`)).status).toBe(401)
    const other = await guarded.relay({ username: user, password })
    expect((await guarded.post(other)).status).toBe(204)
  })

  test('gets a user name with a colon from the disk once it is back', async () => {
    const relay = await relayWithoutSecrets(
      bench,
      [output('guarded', guarded, { 'buffer-size-mb': 1 }), output('b', bench.b)],
      { 'data-dir': dirname(await temporaryFile('unused', '')) },
    )
    await bench.b.query(`CREATE DATABASE ${db}`)
    await guarded.server?.kill()
    const line = point(1_000_000)
    await store(relay.url(), `db=${db}${query}`, line)
    await guarded.server?.start()
    await vi.waitFor(
      async () => expect(await guarded.server?.rows(db)).toContain(`autogen ${line}`),
      patience,
    )
  })

  test.each([
    ['closes the connection', closing],
    ['answers with something else', babbling],
    ['quotes the URL', quoting],
  ])('never brings a password into the log when it %s', async (_, behaviour) => {
    const backend = await startFaulty(behaviour)
    const relay = await relayWithoutSecrets(bench, [output('b', backend)])
    const { status, body } = await write(relay.url(), `db=${db}${query}`, point(0))
    expect(status).toBeGreaterThanOrEqual(400)
    expect(body).not.toContain(encodeURIComponent(password))
    await relay.waitForLine('backend failed')
    expect(backend.received[0]?.path).toContain(query)
  })
}

/** Answers as a proxy does that names what it does not have. */
const quoting: Behaviour = (response) =>
  response.writeHead(404).end(`The requested URL ${response.req.url} was not found.`)

function failures(bench: Bench, guarded: Guarded): void {
  test('with wrong ones in its output fails alone: the other server stores', async () => {
    const relay = await relayWithoutSecrets(bench, [
      output('guarded', guarded, { username, password: wrong }),
      output('a', bench.a),
    ])
    await bench.a.query(`CREATE DATABASE ${db}`)
    await store(relay.url(), `db=${db}`, point(0))
    await bench.expectRowsAt(bench.a, db, stored(point(0)))
    const { reason } = await relay.waitForLine('backend failed', { backend: 'guarded' })
    expect(reason).toBe('401 {"error":"authorization failed"}')
  })

  test('that is down makes the log name it, but none of the secrets', async () => {
    const location = `http://${userinfo}@127.0.0.1:1/write`
    const outputs = [down('nowhere', { username, password }), down('in the URL', { location })]
    const relay = await relayWithoutSecrets(bench, outputs)
    const query = `db=d&u=${username}&p=${wrong}`
    for (const search of [query, `${query}&u=%zz;p=${wrong}`, `p=${wrong}`]) {
      const { status } = await write(relay.url(), search, point(0), { headers: header(wrong) })
      expect(status).toBe(search.includes('db=') ? 503 : 400)
    }
    await relay.waitForLine('backend failed', { backend: 'in the URL' })
  })
}
