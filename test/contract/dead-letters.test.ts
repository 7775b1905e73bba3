/** Dead letters can be sent again as their files say: by the real `influx -import`, and as curl would. */

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { opaque } from '../../src/influxdb/write.ts'
import type { DeadLetter } from '../../src/losses/dead-letter-format.ts'
import { DeadLetters } from '../../src/losses/dead-letters.ts'
import { createNodeDisk } from '../../src/platform/node-disk.ts'
import { run } from '../real/cache.ts'
import { findInfluxd, type Influxd, startInfluxd } from '../real/influxd.ts'
import { letter as plainLetter } from '../support/letter-fixture.ts'
import { remoteWrite } from '../support/remote-write.ts'

let server: Influxd
let folder: string

beforeAll(async () => {
  server = await startInfluxd()
  folder = await mkdtemp(join(tmpdir(), 'dead-letters-'))
})

afterAll(async () => {
  await server?.stop()
  if (folder) await rm(folder, { recursive: true })
})

/** What influxd says when it is in the worst of moods. */
const MESSAGE = `unable to parse 'm a="b\\': missing, "v="\\`

const letter = (body: string, given: Partial<DeadLetter> = {}) =>
  plainLetter(body, {
    backend: 'influx "1"=\\',
    database: 'dead',
    message: MESSAGE,
    ...given,
  })

/** The files, by path, that the letters make in a new folder. */
async function filesWith(letters: readonly DeadLetter[]): Promise<string[]> {
  const path = await mkdtemp(join(folder, 'files-'))
  const deadLetters = await DeadLetters.open(createNodeDisk(), path)
  await Promise.all(letters.map((one) => deadLetters.add(one)))
  return (await readdir(path)).sort().map((name) => join(path, name))
}

/** Runs the command that the file gives for it. */
async function importFile(file: string): Promise<string> {
  const { influx } = await findInfluxd()
  const [, options] = /^# {3}influx (.*) FILE$/m.exec(await readFile(file, 'utf8')) ?? []
  if (options === undefined) throw new Error('the file is not for influx -import')
  return run(influx, [...options.split(' '), file, '-port', String(server.port)])
}

/** Does what curl does with the command that the file gives for it. */
async function post(file: string): Promise<number> {
  const bytes = await readFile(file)
  const [, url] = /^# {3}curl --data-binary @FILE '([^']*)'$/m.exec(bytes.toString()) ?? []
  const { status } = await fetch(String(url).replace('http://SERVER:8086', server.url), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new Uint8Array(bytes),
  })
  return status
}

/** Runs the command that the file gives for remote writes of Prometheus. */
async function postEach(file: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  const [, first, second] = /^# {3}(grep .*)\n# {3}(.*)$/m.exec(text) ?? []
  const command = `${first} ${second}`
    .replace('FILE', '"$1"')
    .replace('http://SERVER:8086', server.url)
  await run('sh', ['-c', command.replace('curl ', 'curl -sSf '), 'sh', file])
}

/** Runs `send` on an empty database, and returns what is in it then. */
async function stored(send: () => Promise<unknown>, database = 'dead'): Promise<string[]> {
  const name = `"${database.replaceAll('"', '\\"')}"`
  await server.query(`DROP DATABASE ${name}`)
  await server.query(`CREATE DATABASE ${name}`)
  await server.query(`CREATE RETENTION POLICY "one month" ON ${name} DURATION INF REPLICATION 1`)
  await send()
  return server.rows(database)
}

function only(files: string[]): string {
  expect(files).toHaveLength(1)
  return files[0] as string
}

const ways = [
  ['influx -import', importFile],
  ['curl', post],
] as const

describe.each(ways)('%s', (_, send) => {
  test('stores the points of all letters, and nothing of their comments', async () => {
    const file = only(
      await filesWith([
        letter('m v=1 1\n# said "so"\n\nm,t=a\\ b s="x \\" y" 2'),
        letter('m v=3 3\n  m v=4 4  \n'),
        letter('m é="日本" 5'),
      ]),
    )
    expect(await stored(() => send(file))).toEqual([
      'autogen m v=1 1000000000',
      'autogen m v=3 3000000000',
      'autogen m v=4 4000000000',
      'autogen m é="日本" 5000000000',
      'autogen m,t=a\\ b s="x \\" y" 2000000000',
    ])
  })

  test.each([
    ['', 1n],
    ['n', 1n],
    ['u', 1_000n],
    ['ms', 1_000_000n],
    ['m', 60_000_000_000n],
    ['h', 3_600_000_000_000n],
  ])('keeps the precision %j', async (precision, unit) => {
    const file = only(await filesWith([letter('m v=1 7', { precision })]))
    expect(await stored(() => send(file))).toEqual([`autogen m v=1 ${7n * unit}`])
  })

  test.each([['a b'], ["it's"], ['100%&rp=x#é'], ['日本']])(
    'finds the database %j and a retention policy',
    async (database) => {
      const file = only(
        await filesWith([letter('m v=1 1', { database, retentionPolicy: 'one month' })]),
      )
      expect(await stored(() => send(file), database)).toEqual(['one\\ month m v=1 1000000000'])
    },
  )
})

const difficult = [
  ['a newline in a string', 'm v="a\n\n# b\nc" 1\nm w=2 2', 'dead'],
  ['a comment that names another database', '# CONTEXT-DATABASE: other\nm v=1 1', 'dead'],
  ['a line that goes on after a backslash', 'm\\\nx v=1 1', 'dead'],
  ['an open string behind a good point', 'm v=1 1\nm v="open', 'dead'],
  ['a colon in the name of its database', 'm v=1 1', 'a:b'],
  ['a quote in the name of its database', 'm v=1 1', 'a="b'],
] as const

describe.each(difficult)('a letter with %s', (_, body, database) => {
  const files = () => filesWith([letter(body, { database })])

  test('stores with curl what it would have stored by itself', async () => {
    const alone = await stored(async () => {
      const query = new URLSearchParams({ db: database, precision: 's' })
      await fetch(`${server.url}/write?${query}`, { method: 'POST', body })
    }, database)
    const file = only(await files())
    expect(await stored(() => post(file), database)).toEqual(alone)
    expect(alone.length).toBeGreaterThan(0)
  })

  test('stores nothing with influx -import, which would change it', async () => {
    const { influx } = await findInfluxd()
    const file = only(await files())
    const args = ['-import', '-precision', 's', '-path', file, '-port', String(server.port)]
    const rows = await stored(
      () => expect(run(influx, args)).rejects.toThrow(/database (is required|not found)/),
      database,
    )
    expect(rows).toEqual([])
  })
})

test('the letter behind one that is not closed is stored', async () => {
  const files = await filesWith(['m v="open', 'm v="x\ny" 1'].map((body) => letter(body)))
  const rows = await stored(async () => {
    for (const file of files) await post(file)
  })
  expect(rows).toEqual(['autogen m v="x\\ny" 1000000000'])
})

test('a file with more points than the importer sends at a time is stored in full', async () => {
  const lines = Array.from({ length: 12_000 }, (_, i) => `m v=${i} ${i}`)
  const file = only(await filesWith([letter(lines.join('\n'))]))
  expect(await stored(() => importFile(file))).toHaveLength(12_000)
})

test('files are for their owner alone', async () => {
  const file = only(await filesWith([letter('m v=1 1')]))
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('remote writes of Prometheus are stored by the command of their file', async () => {
  const labels = { __name__: 'up', text: "it's" }
  const bodies = [1, 2].map((i) => remoteWrite({ labels, samples: [[i, i]] }))
  bodies.push(remoteWrite({ labels: { ...labels, text: 'x'.repeat(60_000) }, samples: [[3, 3]] }))
  const direct = await stored(async () => {
    for (const body of bodies) {
      await fetch(`${server.url}/api/v1/prom/write?db=dead`, { method: 'POST', body })
    }
  })
  const letters = bodies.map((body) => letter('', { kind: 'remote-write', points: opaque(body) }))
  const file = only(await filesWith(letters))
  expect(await stored(() => postEach(file))).toEqual(direct)
  expect(direct).toHaveLength(3)
})
