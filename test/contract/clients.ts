import { InfluxDB as InfluxDB2, Point } from '@influxdata/influxdb-client'
import { FieldType, InfluxDB } from 'influx'
import { describe, expect, test } from 'vitest'
import { run } from '../real/cache.ts'
import { findInfluxd } from '../real/influxd.ts'
import { type Bench, httpRelay, setUpRelay } from './bench.ts'
import { numbers, point, stored, T } from './points.ts'
import type { RelayProcess } from './relay-process.ts'
import { temporaryFile } from './run-relay.ts'

/** Programs and libraries that people write with. */
export function clients(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  commandLine(bench, relay)
  describe("npm's influx", () => influx(bench, relay))
  describe('@influxdata/influxdb-client', () => influxdbClient(bench, relay))
}

function commandLine(bench: Bench, relay: () => RelayProcess): void {
  test("influxd's command line client imports a file", async () => {
    const db = await bench.database()
    const points = numbers(7000).map(point)
    const text = ['# DML', `# CONTEXT-DATABASE: ${db}`, ...points, ''].join('\n')
    const path = await temporaryFile('points.txt', text)
    const { host, port } = relay().address()
    const place = ['-host', host, '-port', String(port), '-precision', 'ns']
    await run((await findInfluxd()).influx, ['-import', `-path=${path}`, ...place])
    await bench.expectRows(db, stored(...points))
  })
}

function influx(bench: Bench, relay: () => RelayProcess): void {
  const schema = [
    { measurement: 'm', tags: ['k'], fields: { v: FieldType.INTEGER, text: FieldType.STRING } },
  ]

  test('writes points and measurements, several at a time', async () => {
    const database = await bench.database()
    const client = new InfluxDB({ ...relay().address(), database, schema })
    const timestamp = new Date(Number(T / 1_000_000n))
    const fields = { v: 1, text: 'ünï "code"\\ \n' }
    await client.writePoints([{ measurement: 'm', tags: { k: 'a b' }, fields, timestamp }])
    await client.writeMeasurement('m', [{ tags: { k: 'c' }, fields: { v: 2 } }], { precision: 's' })
    await Promise.all(
      numbers(50).map((v) => client.writeMeasurement('n', [{ fields: { v }, timestamp }])),
    )
    const rows = await bench.expectSameRows(database, 4)
    expect(rows).toContain(`autogen m,k=a\\ b text="ünï \\"code\\"\\\\ \\n" ${T}`)
    expect(rows).toContain(`autogen m,k=a\\ b v=1i ${T}`)
  })

  test("gets the server's error for a bad point", async () => {
    const client = new InfluxDB({ ...relay().address(), database: await bench.database() })
    const writing = client.writePoints([{ measurement: 'm', fields: {} }])
    await expect(writing).rejects.toThrow(/unable to parse/)
  })

  test('finds the relay online', async () => {
    const [answer] = await new InfluxDB(relay().address()).ping(20_000)
    expect(answer).toMatchObject({ online: true, version: expect.stringMatching(/^1\./) })
  })
}

function influxdbClient(bench: Bench, relay: () => RelayProcess): void {
  /** Writes a hundred points; more bytes than the threshold are gzipped. */
  const writePoints = async (bucket: string, gzipThreshold: number, path?: string) => {
    const client = new InfluxDB2({ url: relay().url(), token: 'user:password' })
    const api = client.getWriteApi('', bucket, 'us', { gzipThreshold, maxRetries: 0 })
    if (path !== undefined) api.path = path
    for (const i of numbers(100)) {
      const time = Number(T / 1000n) + i
      api.writePoint(new Point('m').tag('k', 'a b').intField('v', i).timestamp(time))
    }
    await api.close()
  }
  const points = numbers(100).map((i) => `m,k=a\\ b v=${i}i ${T + BigInt(i) * 1000n}`)

  test("writes to a bucket as with InfluxDB 1.8, though these servers can't", async () => {
    const db = await bench.database('two')
    await writePoints(db, 1_000_000)
    await writePoints(`${db}/two`, 100)
    await bench.expectRows(db, [...stored(...points), ...points.map((line) => `two ${line}`)])
  })

  test('writes to a database at the endpoint of InfluxDB 1', async () => {
    const db = await bench.database()
    await writePoints('', 100, `/write?db=${db}&precision=u`)
    await bench.expectRows(db, stored(...points))
  })
}
