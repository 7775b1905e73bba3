import { describe, expect, test } from 'vitest'
import { type Bench, down, httpRelay, output, setUpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { numbers, point, stored, T } from './points.ts'

/** What reaches the servers when everything is well. */
export function writes(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  const url = () => relay().url()
  describe('a write', () => {
    contents(bench, url)
    destinations(bench, url)
  })
  unstamped(bench, url)
}

function contents(bench: Bench, url: () => string): void {
  test('is stored by both servers', async () => {
    const db = await bench.database()
    const body = `cpu,host=a usage=1.5,text="x y" ${T}\ncpu,host=b usage=2 ${T + 1n}\n`
    await store(url(), `db=${db}`, body)
    await bench.expectRows(
      db,
      stored(
        `cpu,host=a text="x y" ${T}`,
        `cpu,host=a usage=1.5 ${T}`,
        `cpu,host=b usage=2 ${T + 1n}`,
      ),
    )
  })

  test('passes on whatever influxd takes, byte for byte', async () => {
    const db = await bench.database()
    const lines = [
      `température,städt=köln größe="日本語 🎉" ${T}`,
      `m\\ x,b=2,a\\,=1 v="line\nbreak",w="\\"q\\\\" ${T}`,
      '# a comment, a blank line, and a point with spaces too many',
      '',
      `  n   v=-9223372036854775808i,t=TRUE   ${T}  `,
    ]
    await store(url(), `db=${db}`, lines.join('\n'))
    await bench.expectRows(
      db,
      stored(
        `température,städt=köln größe="日本語 🎉" ${T}`,
        `m\\ x,a\\,=1,b=2 v="line\\nbreak" ${T}`,
        `m\\ x,a\\,=1,b=2 w="\\"q\\\\" ${T}`,
        `n v=-9223372036854775808i ${T}`,
        `n t=true ${T}`,
      ),
    )
  })

  test('without a single point is a success', async () => {
    const db = await bench.database()
    for (const body of ['', '\n\n', '# nothing\n']) await store(url(), `db=${db}`, body)
    await bench.expectRows(db, [])
  })

  test('of five megabytes is stored whole', async () => {
    const db = await bench.database()
    const lines = numbers(5000).map((i) => `m v="${'x'.repeat(1000)}" ${T + BigInt(i)}`)
    await store(url(), `db=${db}`, lines.join('\n'))
    await bench.expectRows(db, stored(...lines))
  })
}

function destinations(bench: Bench, url: () => string): void {
  test('goes to the retention policy that it names, and to the first database of two', async () => {
    const db = await bench.database('two words')
    await store(url(), `db=${db}&rp=two+words&db=other&consistency=all`, `m v=1 ${T}`)
    await bench.expectRows(db, [`two\\ words m v=1 ${T}`])
  })

  test('that asks for less than min-consistency needs that many servers', async () => {
    const db = await bench.database()
    const outputs = [output('a', bench.a), down('b')]
    for (const [floor, status] of [
      ['one', 204],
      ['quorum', 503],
      ['all', 503],
    ] as const) {
      const relay = await bench.relay(httpRelay(outputs, { 'min-consistency': floor }))
      for (const asked of ['any', 'one']) {
        const answer = await write(relay.url(), `db=${db}&consistency=${asked}`, point(1))
        expect([floor, asked, answer.status]).toEqual([floor, asked, status])
      }
    }
  })

  test('goes to default-retention-policy if it names no policy', async () => {
    const keys = { 'default-retention-policy': 'year 1' }
    const relay = await bench.relay(httpRelay(bench.outputs(), keys))
    const db = await bench.database('year 1', 'two')
    for (const [i, rp] of ['', '&rp=', '&rp=two'].entries()) {
      await store(relay.url(), `db=${db}${rp}`, `m v=${i} ${T}`)
    }
    await bench.expectRows(db, [`year\\ 1 m v=1 ${T}`, `two m v=2 ${T}`])
  })
}

const units: [precision: string, nanoseconds: bigint][] = [
  ['', 1n],
  ['n', 1n],
  ['ns', 1n],
  ['u', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]

function unstamped(bench: Bench, url: () => string): void {
  test.each(units)(
    'a point without a timestamp gets the same one everywhere in precision "%s"',
    async (precision, unit) => {
      const db = await bench.database()
      const before = Date.now()
      await store(url(), `db=${db}&precision=${precision}`, 'm,k=1 v=1\nm,k=2 v=2 1\nm,k=3 v=3\n')
      const after = Date.now()
      const rows = await bench.expectSameRows(db, 3)
      const times = rows.map((row) => BigInt(row.slice(row.lastIndexOf(' ') + 1)))
      expect(times[1]).toBe(unit)
      expect(times[2]).toBe(times[0])
      const milliseconds = Number((times[0] as bigint) / 1_000_000n)
      expect(milliseconds).toBeGreaterThan(before - Number(unit / 1_000_000n) - 1000)
      expect(milliseconds).toBeLessThan(after + 1000)
      expect((times[0] as bigint) % unit).toBe(0n)
    },
  )

  test('an unknown precision means nanoseconds, or is refused, as the server has it', async () => {
    const db = await bench.database()
    const query = `db=${db}&precision=fortnight`
    const direct = await write(bench.a.url, query, point(0))
    const relayed = await write(url(), query, point(1))
    expect([relayed.status, relayed.body]).toEqual([direct.status, direct.body])
    // InfluxDB 1.8 answers 400, and stores the points all the same.
    await bench.expectRowsAt(bench.b, db, stored(point(1)))
  })
}
