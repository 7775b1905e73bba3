import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { createEdgeRuntime } from '../../../src/edge.ts'
import { createApp } from '../../../src/http/app.ts'
import { createLog } from '../../../src/observe/log.ts'
import { openRelay } from '../../../src/start.ts'
import {
  answer,
  createFakeRuntime,
  type Handler,
  later,
  settle,
  stored,
} from '../../support/fake-runtime.ts'

/** @param keys TOML lines for the `[[http]]` block */
async function createFixture(handlers: Record<string, Handler>, keys = '', outputKeys = '') {
  const outputs = Object.keys(handlers).map(
    (name) => `{ name = "${name}", location = "http://${name}/write" ${outputKeys} }`,
  )
  const source = `[[http]]\nbind-addr = ":0"\noutput = [${outputs}]\n${keys}`
  const {
    http: [config],
  } = await loadConfig('test.toml', async () => source)
  if (!config) throw new Error('no [[http]] block')
  const runtime = createFakeRuntime(handlers)
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const relay = await openRelay(config.backends, runtime, log)
  const app = createApp(config, relay, runtime, log)
  return {
    runtime,
    relay,
    app,
    write: (body: BodyInit, search = '?db=d', headers: Record<string, string> = {}) =>
      app.request(`/write${search}`, { method: 'POST', body, headers }),
    last: (name: string) => runtime.received.get(name)?.at(-1),
  }
}

describe('POST /write', () => {
  test('gives every backend the same bytes and answers 204', async () => {
    const { write, last } = await createFixture({ a: stored, b: stored })
    const response = await write('m v=1\nm v=2 5')
    expect(response.status).toBe(204)
    expect(await response.text()).toBe('')
    await settle()
    expect(last('a')?.body).toBe('m v=1 1700000000000000000\nm v=2 5')
    expect(last('b')?.body).toBe(last('a')?.body)
  })

  test.each([
    ['', '1700000000000000000'],
    ['n', '1700000000000000000'],
    ['u', '1700000000000000'],
    ['ms', '1700000000000'],
    ['s', '1700000000'],
    ['m', '28333333'],
    ['h', '472222'],
    ['us', '1700000000000000000'],
    ['constructor', '1700000000000000000'],
  ])('stamps in the precision %j', async (precision, timestamp) => {
    const { write, last } = await createFixture({ a: stored })
    await write('m v=1', `?db=d&precision=${precision}`)
    expect(last('a')?.body).toBe(`m v=1 ${timestamp}`)
  })

  test.each([
    ['?db=d', 'db=d'],
    ['?db=d&rp=r&precision=s', 'db=d&precision=s&rp=r'],
    ['?precision=s&db=d', 'db=d&precision=s'],
    ['?db=d&db=e', 'db=d'],
    ['?db=a+b%2fc%C3%a9', 'db=a%20b%2Fc%C3%A9'],
    ['?db=d&x=1;y=2&z=%zz&w=%ff', 'db=d&w=%ff'],
    ['?db=d&u=me&p=secret', 'db=d'],
  ])('forwards %j as %j', async (search, query) => {
    const { write, last } = await createFixture({ a: stored })
    await write('m v=1 1', search)
    expect(last('a')?.url).toBe(`http://a/write?${query}`)
  })

  test.each(['', '?db=', '?x=d', '?db=d;x'])('refuses %j: no database', async (search) => {
    const { write, runtime } = await createFixture({ a: stored })
    const response = await write('m v=1 1', search)
    expect(response.status).toBe(400)
    expect(await response.text()).toBe('{"error":"database is required"}\n')
    expect(response.headers.get('x-influxdb-error')).toBe('database is required')
    expect(runtime.received.get('a')).toEqual([])
  })

  test('fills in the default retention policy and never overrides one', async () => {
    const { write, last } = await createFixture({ a: stored }, 'default-retention-policy = "r"')
    await write('m v=1 1')
    expect(last('a')?.query.get('rp')).toBe('r')
    await write('m v=1 1', '?db=d&rp=')
    expect(last('a')?.query.get('rp')).toBe('r')
    await write('m v=1 1', '?db=d&rp=mine')
    expect(last('a')?.query.get('rp')).toBe('mine')
  })

  test('passes credentials on, and u and p before the header', async () => {
    const { write, last } = await createFixture({ a: stored })
    await write('m v=1 1', '?db=d', { authorization: 'Basic abc' })
    expect(last('a')?.headers.authorization).toBe('Basic abc')
    await write('m v=1 1', '?db=d&u=ü&p=p%3Aw', { authorization: 'Basic abc' })
    expect(last('a')?.headers.authorization).toBe(`Basic ${btoa('Ã¼:p:w')}`)
    await write('m v=1 1', '?db=d&u=me&p=', { authorization: 'Basic abc' })
    expect(last('a')?.headers.authorization).toBe('Basic abc')
  })

  test('takes the first of several headers of one name, as influxd does', async () => {
    const { app, last } = await createFixture({ a: stored })
    const headers = new Headers()
    for (const value of ['Basic abc', 'Basic def']) headers.append('authorization', value)
    for (const value of ['gzip', 'identity']) headers.append('content-encoding', value)
    const init = { method: 'POST', body: gzipSync('m v=1 1'), headers }
    expect((await app.request('/write?db=d', init)).status).toBe(204)
    expect(last('a')?.headers.authorization).toBe('Basic abc')
    expect(last('a')?.body).toBe('m v=1 1')
  })

  test('answers 503 with Retry-After past max-connections requests in flight', async () => {
    const a = later()
    const { write } = await createFixture({ a: a.handler }, 'max-connections = 1')
    const first = write('m v=1 1')
    await settle()
    const second = await write('m v=2 2')
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1'])
    await a.respond(stored())
    expect((await first).status).toBe(204)
    const third = write('m v=3 3')
    await settle()
    await a.respond(stored())
    expect((await third).status).toBe(204)
  })

  test("uses an output's own credentials in place of the client's", async () => {
    const { write, last } = await createFixture({ a: stored }, '', ', token = "t"')
    await write('m v=1 1', '?db=d', { authorization: 'Basic abc' })
    expect(last('a')?.headers.authorization).toBe('Token t')
  })

  test('inflates gzip, of several members too', async () => {
    const { write, last } = await createFixture({ a: stored })
    const body = Buffer.concat([gzipSync('m v=1 1\n'), gzipSync('m v=2 2\n')])
    expect((await write(body, '?db=d', { 'content-encoding': 'gzip' })).status).toBe(204)
    expect(last('a')?.body).toBe('m v=1 1\nm v=2 2\n')
  })

  test('sends gzip to an output that wants it', async () => {
    const { write, last } = await createFixture({ a: stored }, '', ', gzip = true')
    await write('m v=1 1')
    expect(last('a')?.headers['content-encoding']).toBe('gzip')
  })

  test.each([
    ['plain text', 'm v=1 1', 'gzip: invalid header'],
    ['nothing', '', 'gzip: unexpected EOF'],
    ['half a stream', gzipSync('m v=1 1\n'.repeat(100)).subarray(0, 20), 'gzip: unexpected EOF'],
  ])('answers 400 to %s that claims to be gzip', async (_, body, message) => {
    const { write } = await createFixture({ a: stored })
    const response = await write(body, '?db=d', { 'content-encoding': 'gzip' })
    expect(response.status).toBe(400)
    expect(response.headers.get('x-influxdb-error')).toBe(message)
  })

  test.each([
    ['a long body', 'x'.repeat(2 ** 20 + 1), {}],
    ['a long body with its length', 'x'.repeat(2 ** 20 + 1), { 'content-length': '1048577' }],
    ['a gzip bomb', gzipSync(Buffer.alloc(2 ** 24)), { 'content-encoding': 'gzip' }],
  ])('answers 413 to %s', async (_, body, headers: Record<string, string>) => {
    const { write, runtime } = await createFixture({ a: stored }, 'max-body-size-mb = 1')
    const answered = write(body, '?db=d', headers)
    await runtime.clock.advance(0)
    const response = await answered
    expect(response.status).toBe(413)
    expect(await response.text()).toBe('{"error":"Request Entity Too Large"}\n')
    expect(runtime.received.get('a')).toEqual([])
  })

  test('takes a body of just max-body-size-mb', async () => {
    const { write } = await createFixture({ a: stored }, 'max-body-size-mb = 1')
    expect((await write(`m v="${'x'.repeat(2 ** 20 - 8)}" 1`)).status).toBe(204)
  })

  test('answers 503 with Retry-After past max-pending-mb, and recovers', async () => {
    const a = later()
    const { write, runtime } = await createFixture({ a: a.handler }, 'max-pending-mb = 1')
    const body = `m v="${'x'.repeat(700_000)}" 1`
    const first = write(body)
    await settle()
    const second = await write(body)
    expect(second.status).toBe(503)
    expect(second.headers.get('retry-after')).toBe('1')
    await a.respond(stored())
    expect((await first).status).toBe(204)
    const third = write(body)
    await settle()
    await a.respond(stored())
    expect((await third).status).toBe(204)
    expect(runtime.received.get('a')).toHaveLength(2)
  })

  describe('while one backend is left far behind', () => {
    const large = `m v="${'x'.repeat(200_000)}" 1`

    async function createLaggard() {
      const a = later()
      const handlers = { a: a.handler, b: stored }
      const fixture = await createFixture(handlers, 'max-pending-mb = 1')
      await fixture.write('m v=1 1')
      await a.respond(stored())
      expect((await fixture.write(large)).status).toBe(204)
      return { ...fixture, a, reached: () => fixture.runtime.received.get('b')?.length }
    }

    test('waits until it has caught up', async () => {
      const { write, runtime, a, reached } = await createLaggard()
      const next = write('m v=2 2')
      await runtime.clock.advance(200)
      expect(reached()).toBe(2)
      await a.respond(stored())
      await runtime.clock.advance(2)
      expect((await next).status).toBe(204)
    })

    test('waits no longer than 250 ms', async () => {
      const { write, runtime, reached } = await createLaggard()
      const next = write('m v=2 2')
      await runtime.clock.advance(249)
      expect(reached()).toBe(2)
      await runtime.clock.advance(3)
      expect((await next).status).toBe(204)
    })

    test('does not wait for one that hangs', async () => {
      const { write, runtime } = await createLaggard()
      await runtime.clock.advance(500)
      expect((await write('m v=2 2')).status).toBe(204)
    })
  })

  test("hands a backend's error on with the control bytes gone from its header", async () => {
    const message = `unable to parse 'm\u0001': missing fields`
    const body = `${JSON.stringify({ error: message })}\n`
    const { write } = await createFixture({
      a: () => new Response(body, { status: 400, headers: { 'x-influxdb-error': 'm\u0001: bad' } }),
    })
    const response = await write('m\u0001')
    expect(response.status).toBe(400)
    expect(await response.text()).toBe(body)
    expect(response.headers.get('x-influxdb-error')).toBe('m : bad')
  })

  test('keeps the challenge of a 401', async () => {
    const { write } = await createFixture({
      a: () =>
        answer(401, 'authorization failed', { 'www-authenticate': 'Basic realm="InfluxDB"' }),
    })
    const response = await write('m v=1 1')
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="InfluxDB"')
  })

  test('never logs a password', async () => {
    const refuse = () => answer(401, 'authorization failed')
    const { write, runtime } = await createFixture(
      { a: refuse },
      '',
      ', password = "s3cret", username = "me"',
    )
    await write('m v=1 1', '?db=d&u=me&p=s3cret', { authorization: `Basic ${btoa('me:s3cret')}` })
    expect(runtime.log).not.toHaveLength(0)
    expect(runtime.log.join('\n')).not.toMatch(new RegExp(`s3cret|${btoa('me:s3cret')}`))
  })
})

describe('POST /api/v2/write', () => {
  test.each([
    ['bucket=d&precision=ns', 'db=d&precision=n', undefined],
    ['bucket=d%2Fr&org=x&precision=us', 'db=d&precision=u&rp=r', 'Basic bWU6cHc='],
    ['bucket=d%2F&precision=s', 'db=d&precision=s', undefined],
    ['bucket=d&precision=', 'db=d', undefined],
    ['bucket=d%2fr', 'db=d&rp=r', undefined],
    ['bucket=d/rp/x&rp=y&db=z', 'db=d&rp=rp%2Fx', undefined],
    ['bucket=%ff/r', 'db=%ff&rp=r', undefined],
    ['bucket=d&consistency=none', 'consistency=none&db=d', undefined],
    ['bucket=d&u=me&p=pw', 'db=d', 'Basic bWU6cHc='],
  ])('writes %j as %j', async (search, query, authorization) => {
    const { app, last } = await createFixture({ a: stored })
    const headers = new Headers(authorization ? { authorization: 'Token me:pw' } : {})
    const init = { method: 'POST', body: 'm v=1 1', headers }
    expect((await app.request(`/api/v2/write?${search}`, init)).status).toBe(204)
    expect(last('a')?.url).toBe(`http://a/write?${query}`)
    expect(last('a')?.headers.authorization).toBe(authorization)
  })

  test.each([
    ['', 404, 'bucket name "" is missing a slash; not in "database/retention-policy" format'],
    ['bucket=%2Fr', 404, 'bucket name "/r" is in db/rp form but has an empty database'],
    ['bucket=d&precision=n', 400, 'invalid precision "n" (use ns, us, ms or s)'],
    ['bucket=d&precision=u', 400, 'invalid precision "u" (use ns, us, ms or s)'],
    ['bucket=d&precision=m', 400, 'invalid precision "m" (use ns, us, ms or s)'],
    ['bucket=d&precision=h', 400, 'invalid precision "h" (use ns, us, ms or s)'],
    ['precision=%22', 400, 'invalid precision "\\"" (use ns, us, ms or s)'],
  ])('refuses %j with %i, as InfluxDB 1.8 does', async (search, status, error) => {
    const { app, runtime } = await createFixture({ a: stored })
    const response = await app.request(`/api/v2/write?${search}`, { method: 'POST', body: '' })
    expect(response.status).toBe(status)
    expect(response.headers.get('x-influxdb-error')).toBe(error)
    expect(await response.json()).toEqual({ error })
    expect(runtime.received.get('a')).toEqual([])
  })
})

describe('a user name with a colon', () => {
  test.each([
    ['/write', 'db=d&u=a%3Ab&p=s3%26cret', ''],
    ['/api/v2/write', 'bucket=d&u=a%3ab&p=s3%26cret', ''],
    ['/write', 'db=d', ', username = "a:b", password = "s3&cret"'],
  ])('reaches the server in the query string: %s?%s%s', async (path, search, keys) => {
    const { app, last } = await createFixture({ a: stored }, '', keys)
    const response = await app.request(`${path}?${search}`, { method: 'POST', body: 'm v=1 1' })
    expect(response.status).toBe(204)
    expect(last('a')?.url).toBe('http://a/write?db=d&u=a%3Ab&p=s3%26cret')
    expect(last('a')?.headers.authorization).toBeUndefined()
  })

  test.each([
    [
      'a server that quotes the URL',
      ({ url }: { url: string }) => new Response(`${url} is gone: s3&cret`, { status: 404 }),
    ],
    [
      'a runtime that quotes the URL',
      ({ url }: { url: string }) => {
        throw new Error(`cannot fetch ${url}`)
      },
    ],
  ])('does not bring the password into log or answer with %s', async (_, respond) => {
    const { write, runtime } = await createFixture({ a: respond })
    const response = await write('m v=1 1', '?db=d&u=a%3Ab&p=s3%26cret')
    expect(response.ok).toBe(false)
    const said = `${await response.text()} ${JSON.stringify([...response.headers])}`
    expect(runtime.log).not.toHaveLength(0)
    expect(`${said} ${runtime.log.join('\n')}`).not.toMatch(/s3%26cret|s3&cret/)
  })
})

describe('min-consistency', () => {
  test.each([
    ['any', 'consistency=any', 'any'],
    ['one', 'consistency=any', 'one'],
    ['quorum', 'consistency=one', 'all of two'],
    ['all', 'consistency=one', 'all of two'],
    ['all', '', 'all of two'],
    ['one', 'consistency=all', 'all of two'],
  ])('%s is a floor for %j: %s', async (floor, search, needed) => {
    const { write } = await createFixture(
      { a: stored, b: () => answer(503, 'down') },
      `min-consistency = "${floor}"`,
    )
    const { status } = await write('m v=1 1', `?db=d&${search}`)
    expect(status).toBe(needed === 'all of two' ? 503 : 204)
  })
})

describe('a request with an origin', () => {
  const origin = 'http://page.test'
  test.each([
    ['POST', '/write?db=d', 204],
    ['POST', '/write', 400],
    ['POST', '/api/v2/write', 404],
    ['GET', '/write', 405],
    ['GET', '/nowhere', 404],
    ['OPTIONS', '/write', 204],
    ['OPTIONS', '/api/v2/write', 204],
    ['OPTIONS', '/health', 204],
    ['GET', '/ping', 204],
    ['GET', '/health', 200],
  ])('%s %s may be read by its page', async (method, path, status) => {
    const { app } = await createFixture({ a: stored })
    const body = method === 'POST' ? { body: 'm v=1 1' } : {}
    const plain = await app.request(path, { method, ...body })
    const response = await app.request(path, { method, headers: { origin }, ...body })
    expect([plain.status, response.status]).toEqual([status, status])
    const cors = (headers: Headers) =>
      [...headers].filter(([name]) => name.startsWith('access-control-'))
    expect(cors(plain.headers)).toEqual([])
    expect(cors(response.headers)).toEqual([
      [
        'access-control-allow-headers',
        'Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, X-HTTP-Method-Override',
      ],
      ['access-control-allow-methods', 'DELETE, GET, OPTIONS, POST, PUT'],
      ['access-control-allow-origin', origin],
      ['access-control-expose-headers', 'Date, X-InfluxDB-Version, X-InfluxDB-Build'],
    ])
  })
})

describe('other requests', () => {
  test.each(['GET', 'HEAD'])(
    '%s /ping is 204 with a version that clients can parse',
    async (method) => {
      const { app } = await createFixture({ a: stored })
      const response = await app.request('/ping', { method })
      expect(response.status).toBe(204)
      expect(response.headers.get('x-influxdb-version')).toMatch(/^1\.\d+\.\d+$/)
    },
  )

  test.each(['GET', 'HEAD'])('%s /status is 204 with the headers of /ping', async (method) => {
    const { app } = await createFixture({ a: stored }, 'default-ping-response = 200')
    const response = await app.request('/status', { method })
    expect(response.status).toBe(204)
    expect([...response.headers]).toEqual([...(await app.request('/ping')).headers])
  })

  test('/health passes while every server is down', async () => {
    const { app, write } = await createFixture({ a: () => answer(503, 'down') })
    expect((await write('m v=1 1')).status).toBe(503)
    const response = await app.request('/health')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      checks: [],
      message: 'ready for queries and writes',
      name: 'influxdb',
      status: 'pass',
      version: response.headers.get('x-influxdb-version'),
    })
  })

  test('/ping?verbose=true tells the version as InfluxDB 1.8 does', async () => {
    const { app } = await createFixture({ a: stored }, 'default-ping-response = 200')
    const response = await app.request('/ping?verbose=true')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ version: expect.stringMatching(/^1\.8\./) })
    expect((await app.request('/ping?verbose=false')).status).toBe(200)
  })

  test.each([
    ['PUT', '/write', 405, 'OPTIONS, POST'],
    ['GET', '/write?db=d', 405, 'OPTIONS, POST'],
    ['POST', '/ping', 405, 'GET, HEAD, OPTIONS'],
    ['POST', '/health', 405, 'GET, HEAD, OPTIONS'],
    ['DELETE', '/status', 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/write', 204, 'OPTIONS, POST'],
    ['PUT', '/query', 405, 'GET, OPTIONS, POST'],
    ['OPTIONS', '/query', 204, 'GET, OPTIONS, POST'],
    ['GET', '/ready/query/x', 404, null],
    ['POST', '/write/', 404, null],
    ['POST', '//write', 404, null],
    ['GET', '/', 404, null],
  ])('%s %s is %i', async (method, path, status, allow) => {
    const { app } = await createFixture({ a: stored })
    const response = await app.request(`http://relay${path}`, { method })
    expect(response.status).toBe(status)
    expect(response.headers.get('allow')).toBe(allow)
    if (status < 400) return
    const { error } = (await response.json()) as { error: string }
    expect(response.headers.get('x-influxdb-error')).toBe(error)
  })
})

test('the app runs on web-standard globals alone', async () => {
  const runtime = {
    ...createEdgeRuntime(),
    createFetch: createFakeRuntime({ a: stored }).createFetch,
  }
  const { config } = {
    config: await loadConfig(
      'x',
      async () => '[[http]]\nbind-addr=":0"\noutput=[{location="http://a"}]',
    ),
  }
  const [http] = config.http
  if (!http) throw new Error('no [[http]] block')
  const log = createLog(() => {}, runtime.clock.wallNanoseconds)
  const relay = await openRelay(http.backends, runtime, log)
  const app = createApp(http, relay, runtime, log)
  const write = (body: BodyInit, headers = {}) =>
    app.request('/write?db=d', { method: 'POST', body, headers })
  expect((await write('m v=1')).status).toBe(204)
  const gzip = { 'content-encoding': 'gzip' }
  expect(
    (await write((await runtime.gzip(new TextEncoder().encode('m v=1'))) as BodyInit, gzip)).status,
  ).toBe(204)
  expect((await write(gzipSync(Buffer.alloc(2 ** 25)), gzip)).status).toBe(413)
  expect((await write('no gzip', gzip)).status).toBe(400)
})
