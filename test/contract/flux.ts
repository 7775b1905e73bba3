import { InfluxDB, flux as script } from '@influxdata/influxdb-client'
import { describe, expect, test } from 'vitest'
import { type Bench, httpRelay, output, setUpRelay } from './bench.ts'
import { request, store } from './client.ts'
import { answering, type Behaviour, startFaulty } from './faulty-backend.ts'
import { numbers, point } from './points.ts'

const post = (url: string, body: string, type = 'application/vnd.flux', path = '/api/v2/query') =>
  request(`${url}${path}`, { method: 'POST', body, headers: { 'content-type': type } })

const RANGE = 'range(start: 2020-01-01T00:00:00Z, stop: 2030-01-01T00:00:00Z)'

const CSV = ',result,table,_value\r\n,_result,0,1\r\n\r\n'

/** Answers as InfluxDB 1.8 does. */
const csv: Behaviour = (response) =>
  response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' }).end(CSV)

/** Queries in Flux, which InfluxDB has since 1.7 and has turned off by default. */
export function flux(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))

  describe('a Flux query', () => {
    test('is answered as by a server that is asked directly', async () => {
      const db = await bench.database()
      await store(relay().url(), `db=${db}`, numbers(2000).map(point).join('\n'))
      await bench.expectSameRows(db, 2000)
      const read = `from(bucket: "${db}") |> ${RANGE}`
      const dialect = { header: true, delimiter: ',', annotations: ['datatype'] }
      const cases: [body: string, type: string][] = [
        [read, 'application/vnd.flux'],
        [
          `from(bucket: "${db}/autogen") |> ${RANGE} |> count()`,
          'application/vnd.flux; charset=utf-8',
        ],
        [JSON.stringify({ query: read, dialect }), 'application/json'],
        [JSON.stringify({ query: read, dialect, type: 'flux' }), 'text/plain'],
        ['from(bucket: "missing") |> range(start: -1h)', 'application/vnd.flux'],
        ['from(bucket', 'application/vnd.flux'],
        ['', 'application/vnd.flux'],
        ['{}', 'application/json'],
      ]
      for (const [body, type] of cases) {
        const through = await post(relay().url(), body, type, '/api/v2/query?org=o')
        const direct = await post(bench.a.url, body, type, '/api/v2/query?org=o')
        expect([through.status, through.body], body).toEqual([direct.status, direct.body])
        expect(through.headers['content-type']).toBe(direct.headers['content-type'])
      }
    })

    test('is asked of another server if the first has no Flux', async () => {
      const without = await startFaulty(answering(404))
      const disabled = await startFaulty(answering(403, 'Flux query service disabled.'))
      const with18 = await startFaulty(csv)
      const outputs = [output('a', without), output('b', disabled), output('c', with18)]
      const other = await bench.relay(httpRelay(outputs))
      for (const _ of numbers(6)) {
        expect(await post(other.url(), 'buckets()')).toMatchObject({ status: 200, body: CSV })
      }
    })

    test('with a mistake is no fault of the server', async () => {
      const strict = await startFaulty(answering(500, 'expected RPAREN, got EOF'))
      const other = await bench.relay(httpRelay([output('a', strict)]))
      const answer = await post(other.url(), 'from(')
      expect(answer).toMatchObject({ status: 500, body: '{"error":"expected RPAREN, got EOF"}\n' })
    })

    test('of @influxdata/influxdb-client reaches a server, with a Basic user for its token', async () => {
      const server = await startFaulty(csv)
      const other = await bench.relay(httpRelay([output('a', server)]))
      const client = new InfluxDB({ url: other.url(), token: 'user:password' })
      const rows = await client.getQueryApi('o').collectRows(script`from(bucket: ${'d/rp'})`)
      expect(rows).toEqual([{ result: '_result', table: '0', _value: '1' }])
      const [received] = server.received
      expect(received).toMatchObject({ path: '/api/v2/query?org=o' })
      expect(received?.headers.authorization).toBe(`Basic ${btoa('user:password')}`)
      expect(JSON.parse(received?.body ?? '').query).toBe('from(bucket: "d/rp")')
    })

    const changes: [what: string, body: string, type: string, path?: string][] = [
      ['a script that writes', 'from(bucket: "a") |> to(bucket: "b")', 'application/vnd.flux'],
      ['JSON with one', '{"query": "x |> to(bucket: \\"b\\")"}', 'application/json'],
      ['JSON with a compiled one', '{"AST": {}, "query": "buckets()"}', 'application/json'],
      ['a deletion', '{}', 'application/json', '/api/v2/delete?bucket=d'],
    ]

    test.each(changes)('is refused with 403 if it is %s', async (_, body, type, path) => {
      const answer = await post(relay().url(), body, type, path)
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.body).error).toContain('the relay cannot bring to all servers')
    })

    test.each([
      ['no JSON', 'from(bucket: "d")', 400, 'not valid JSON'],
      ['InfluxQL', '{"query": "SHOW DATABASES", "type": "influxql"}', 400, 'unknown query type'],
      ['no text', '{"query": 1}', 400, 'not a string'],
      [
        'nested deeply',
        `{"query": "", "params": ${'['.repeat(2e5)}${']'.repeat(2e5)}}`,
        400,
        'JSON|deep',
      ],
      ['a long script', JSON.stringify({ query: ' '.repeat(2e5) }), 413, 'Flux script'],
      ['larger than a megabyte', ' '.repeat(1024 * 1024 + 1), 413, 'Too Large'],
    ])('is refused if it is %s', async (_, body, status, error) => {
      const answer = await post(relay().url(), body, 'application/json')
      expect(answer.status).toBe(status)
      expect(JSON.parse(answer.body).error).toMatch(new RegExp(error))
    })

    test('is sent as it was read: a key that Go reads in another case has no effect', async () => {
      const server = await startFaulty(csv)
      const other = await bench.relay(httpRelay([output('a', server)]))
      const body = '{"query": "buckets()", "Query": "x |> to(bucket: \\"b\\")"}'
      expect(await post(other.url(), body, 'application/json')).toMatchObject({ status: 200 })
      expect(server.received[0]?.body).toBe('{"query":"buckets()","type":"flux"}')
    })

    test('is not found if queries are off', async () => {
      const other = await bench.relay(httpRelay(bench.outputs(), { query: false }))
      expect(await post(other.url(), 'buckets()')).toMatchObject({ status: 404 })
    })
  })
}
