import { describe, expect, test } from 'vitest'
import { type Bench, down, httpRelay, setUpRelay } from './bench.ts'
import { request } from './client.ts'

const errors: [what: string, method: string, path: string, status: number, error: string][] = [
  ['no parameter', 'POST', '/write', 400, 'database is required'],
  ['an empty database', 'POST', '/write?db=', 400, 'database is required'],
  ['a database behind a semicolon', 'POST', '/write?a=1;db=d', 400, 'database is required'],
  ['no bucket', 'POST', '/api/v2/write?org=o', 400, 'database is required'],
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
    test.each(errors)('to %s (%s %s) is %i %s', async (_, method, path, status, error) => {
      const answer = await request(relay().url() + path, { method, body: 'm v=1' })
      expect(answer.status).toBe(status)
      expect(answer.headers['content-type']).toBe('application/json')
      expect(answer.headers['x-influxdb-error']).toContain(error)
      expect(JSON.parse(answer.body)).toEqual({ error: answer.headers['x-influxdb-error'] })
      if (status !== 405) return
      expect(answer.headers.allow).toBe(path === '/ping' ? 'GET, HEAD' : 'OPTIONS, POST')
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
