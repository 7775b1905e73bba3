import { describe, expect, test } from 'vitest'
import { type Bench, down, httpRelay, setUpRelay } from './bench.ts'
import { request } from './client.ts'

const TOO_LONG = 'database, retention policy and credentials have more than 2000 characters'
const long = 'x'.repeat(2000)

const errors: [what: string, method: string, path: string, status: number, error: string][] = [
  ['no parameter', 'POST', '/write', 400, 'database is required'],
  ['an empty database', 'POST', '/write?db=', 400, 'database is required'],
  ['a database behind a semicolon', 'POST', '/write?a=1;db=d', 400, 'database is required'],
  ['a database of 2,000 letters', 'POST', `/write?db=${long}`, 400, TOO_LONG],
  ['a password of 2,000 letters', 'POST', `/write?db=d&u=u&p=${long}`, 400, TOO_LONG],
  ['a bucket of 2,000 letters', 'POST', `/api/v2/write?bucket=${long}`, 400, TOO_LONG],
  ['no bucket', 'POST', '/api/v2/write?org=o', 404, 'bucket name "" is missing a slash'],
  ['half a bucket', 'POST', '/api/v2/write?bucket=/rp', 404, 'has an empty database'],
  ['v1 nanoseconds', 'POST', '/api/v2/write?bucket=d&precision=n', 400, 'invalid precision "n"'],
  ['v1 microseconds', 'POST', '/api/v2/write?bucket=d&precision=u', 400, 'invalid precision "u"'],
  ['minutes', 'POST', '/api/v2/write?bucket=d&precision=m', 400, 'invalid precision "m"'],
  ['hours', 'POST', '/api/v2/write?bucket=d&precision=h', 400, 'invalid precision "h"'],
  ['a posted health check', 'POST', '/health', 405, 'method not allowed'],
  ['a posted status', 'POST', '/status', 405, 'method not allowed'],
  ['GET of a bucket', 'GET', '/api/v2/write?bucket=d', 405, 'method not allowed'],
  ['GET', 'GET', '/write?db=d', 405, 'method not allowed'],
  ['PUT', 'PUT', '/write?db=d', 405, 'method not allowed'],
  ['DELETE', 'DELETE', '/write?db=d', 405, 'method not allowed'],
  ['a posted ping', 'POST', '/ping', 405, 'method not allowed'],
  ['another path', 'POST', '/writes?db=d', 404, 'not found'],
  ['a slash too many', 'POST', '/write/?db=d', 404, 'not found'],
  ['a query by PUT', 'PUT', '/query?q=SHOW+DATABASES', 405, 'method not allowed'],
  ['the root', 'GET', '/', 404, 'not found'],
]

/** Answers of the relay's own, for which no server is asked: there is none. */
export function endpoints(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay([down('a')]))

  describe("the relay's own answer", () => {
    test.each(errors)('to %s (%s %.60s) is %i %s', async (_, method, path, status, error) => {
      const answer = await request(relay().url() + path, { method, body: 'm v=1' })
      expect(answer.status).toBe(status)
      expect(answer.headers['content-type']).toBe('application/json')
      expect(answer.headers['x-influxdb-error']).toContain(error)
      expect(JSON.parse(answer.body)).toEqual({ error: answer.headers['x-influxdb-error'] })
      if (status !== 405) return
      const isWrite = path.includes('write')
      const allowed = path.startsWith('/query') ? 'GET, OPTIONS, POST' : 'GET, HEAD, OPTIONS'
      expect(answer.headers.allow).toBe(isWrite ? 'OPTIONS, POST' : allowed)
    })

    test('to an Authorization header of 2,000 letters is 400', async () => {
      const headers = { authorization: `Bearer ${long}` }
      const sent = { method: 'POST', body: 'm v=1', headers }
      const { status, body } = await request(`${relay().url()}/write?db=d`, sent)
      expect([status, JSON.parse(body)]).toEqual([400, { error: TOO_LONG }])
    })

    test('to OPTIONS says what may be done with /write', async () => {
      const answer = await request(`${relay().url()}/write`, { method: 'OPTIONS' })
      expect(answer).toMatchObject({ status: 204, headers: { allow: 'OPTIONS, POST' }, body: '' })
    })

    test.each(['GET', 'HEAD'])('to a ping by %s is 204 with a version', async (method) => {
      const { status, headers, body } = await request(`${relay().url()}/ping`, { method })
      expect([status, body]).toEqual([204, ''])
      expect(headers['x-influxdb-version']).toMatch(/^1\.\d+\.\d+$/) // clients parse it
      expect(headers['x-influxdb-build']).toBe('relay')
    })

    test.each(['GET', 'HEAD'])('to /status by %s is that to a ping', async (method) => {
      const [ping, status] = await Promise.all(
        ['/ping', '/status'].map((path) => request(relay().url() + path, { method })),
      )
      const headers = { ...ping?.headers, date: status?.headers.date }
      expect(status).toEqual({ status: 204, headers, body: '' })
    })

    test('to a health check passes, in the form of InfluxDB 1.8 and 2', async () => {
      const { status, headers, body } = await request(`${relay().url()}/health`)
      expect(status).toBe(200)
      expect(headers['content-type']).toContain('application/json')
      expect(JSON.parse(body)).toEqual({
        checks: [],
        message: 'ready for queries and writes',
        name: 'influxdb',
        status: 'pass',
        version: headers['x-influxdb-version'],
      })
    })

    test.each([
      ['POST', '/write?db=d', 503],
      ['POST', '/write', 400],
      ['POST', '/api/v2/write', 404],
      ['GET', '/write', 405],
      ['GET', '/nowhere', 404],
      ['GET', '/ping', 204],
      ['GET', '/health', 200],
      ['OPTIONS', '/write', 204],
      ['OPTIONS', '/api/v2/write', 204],
      ['OPTIONS', '/health', 204],
    ])('to a page of any origin (%s %s, %i) may be read by it', async (method, path, status) => {
      const origin = 'https://page.test:8443'
      const asked = { 'access-control-request-method': 'POST' }
      const answer = await request(relay().url() + path, {
        method,
        headers: { origin, ...(method === 'OPTIONS' ? asked : {}) },
        ...(method === 'POST' ? { body: 'm v=1' } : {}),
      })
      expect(answer).toMatchObject({ status, headers: { 'access-control-allow-origin': origin } })
      expect(answer.headers['access-control-allow-methods']).toContain('POST')
      expect(answer.headers['access-control-allow-headers']).toContain('Authorization')
      expect(answer.headers['access-control-expose-headers']).toContain('X-InfluxDB-Version')
    })

    test('to a verbose ping is 200 with the version in the body', async () => {
      const { status, headers, body } = await request(`${relay().url()}/ping?verbose=true`)
      expect(status).toBe(200)
      expect(headers['content-type']).toContain('application/json')
      expect(JSON.parse(body)).toEqual({ version: headers['x-influxdb-version'] })
    })

    test('to a ping can be 200', async () => {
      const other = await bench.relay(httpRelay([down('a')], { 'default-ping-response': 200 }))
      expect(await request(`${other.url()}/ping`)).toMatchObject({ status: 200, body: '' })
    })
  })
}
