/**
 * Writes a point through one of two relays and reads it through the other, again and again, while servers and relays
 * are killed. Counts answers that lack an acknowledged point and do not say so: there must be none. An answer with the
 * header X-Relay-Behind is late: no server was complete by the word of both relays, for example since the only one that
 * had stored a point was killed.
 *
 *     npm run pairs                              2,000 pairs
 *     npm run pairs -- --pairs 100000 --way node
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Guard } from '../test/real/guard.ts'
import { type Influxd, startInfluxd } from '../test/real/influxd.ts'
import { choosePorts } from '../test/real/ports.ts'
import { seededRandom } from '../test/support/seeded-random.ts'
import { RelayProcess } from './relay-process.ts'
import { WAYS } from './ways.ts'

const CLIENTS = 8

/** Figures are printed each time that so many pairs are done. */
const REPORT_PAIRS = 10_000

/** A client starts another measurement after so many points, so that counting stays fast. */
const POINTS = 500

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '2000' },
    way: { type: 'string', default: 'bun' },
    seed: { type: 'string', default: '1' },
    /** Milliseconds between two kills. */
    pause: { type: 'string', default: '0' },
  },
})
const pairs = Number(values.pairs)
const random = seededRandom(Number(values.seed))
const pick = <Value>(list: readonly Value[]): Value =>
  list[Math.floor(random() * list.length)] as Value

const counts = {
  pairs: 0,
  stale: 0,
  late: 0,
  flagged: 0,
  refusedWrites: 0,
  failedReads: 0,
  kills: 0,
}

async function client(urls: readonly string[], name: string): Promise<void> {
  for (let round = 0; counts.pairs < pairs; round++) {
    const measurement = `m${round}`
    for (let written = 0; written < POINTS && counts.pairs < pairs; ) {
      const first = random() < 0.5 ? 0 : 1
      const [writer, reader] = [urls[first], urls[1 - first]] as [string, string]
      const body = `${measurement} v=1 ${1_700_000_000_000_000_000n + BigInt(written)}`
      const answer = await fetch(`${writer}/write?db=${name}`, { method: 'POST', body }).catch(
        () => undefined,
      )
      await answer?.arrayBuffer()
      if (answer?.status !== 204) {
        counts.refusedWrites++
        await delay(5)
        continue
      }
      written++
      await read([reader, writer], name, measurement, written)
    }
  }
}

/** Reads through the first relay that answers. */
async function read(
  [url, other]: readonly [string, string],
  database: string,
  measurement: string,
  written: number,
): Promise<void> {
  const query = `/query?db=${database}&q=${encodeURIComponent(`SELECT count(v) FROM ${measurement}`)}`
  const answer = await fetch(url + query).catch(() => undefined)
  const text = await answer?.text().catch(() => undefined)
  if (answer?.status !== 200 || text === undefined) {
    counts.failedReads++
    await delay(5)
    return read([other, url], database, measurement, written)
  }
  const count = JSON.parse(text).results[0].series?.[0].values[0][1] ?? 0
  const behind = answer.headers.get('x-relay-behind')
  counts.pairs++
  if (counts.pairs % REPORT_PAIRS === 0) console.log(JSON.stringify(counts))
  if (behind) counts.flagged++
  if (count >= written) return
  if (behind) {
    counts.late++
    return
  }
  counts.stale++
  console.log(`stale: ${count} of ${written}, and the answer does not say so`)
}

/** Kills a server, a relay, or one of each, and starts them again. */
async function cycle(servers: readonly Influxd[], relays: readonly RelayProcess[]): Promise<void> {
  const server = pick([pick(servers), pick(servers), undefined])
  const relay = pick([pick(relays), undefined])
  await server?.kill()
  await delay(random() * 200)
  await relay?.kill('SIGKILL')
  await delay(random() * 500)
  // In either order: a server may be back while the relay that keeps something for it is not.
  if (random() < 0.7) await server?.start()
  await delay(random() * 500)
  await relay?.start()
  if (server?.pid === undefined) await server?.start()
  counts.kills += Number(server !== undefined) + Number(relay !== undefined)
}

/** Waits until both servers are complete by the word of both relays, so that the next kill leaves one that is. */
async function allReady(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    for (const output of ['a', 'b']) {
      const isReady = () =>
        fetch(`${url}/ready/query/${output}`).then(
          ({ status }) => status === 200,
          () => false,
        )
      while (!(await isReady())) await delay(20)
    }
  }
}

const command = WAYS[values.way]
if (!command) throw new Error(`no way "${values.way}": ${Object.keys(WAYS).join(', ')}`)
const [a, b] = await Promise.all([startInfluxd(), startInfluxd()])
const servers = [a, b]
// Each client has a database of its own: a server is complete or not for a whole database.
const names = Array.from({ length: CLIENTS }, (_, i) => `d${i}`)
for (const server of servers) {
  for (const name of names) await server.query(`CREATE DATABASE ${name}`)
}
const dir = await mkdtemp(join(tmpdir(), 'pairs-'))
const ports = [(await choosePorts()).http, (await choosePorts()).http]
const urls = ports.map((port) => `http://127.0.0.1:${port}`)
const outputs = servers.map(
  ({ url }, i) =>
    `{ name = "${'ab'[i]}", location = "${url}/write", buffer-size-mb = 64, max-delay-interval = "500ms" }`,
)
const relays = await Promise.all(
  ports.map(async (port, i) => {
    const file = join(dir, `relay${i}.toml`)
    await writeFile(
      file,
      `data-dir = "${dir}/data${i}"\n[[http]]\nbind-addr = "127.0.0.1:${port}"\npeers = ${JSON.stringify(urls)}\noutput = [${outputs.join(', ')}]\n`,
    )
    const relay = new RelayProcess([...command, '-config', file], new Guard(join(dir, `${i}`)))
    await relay.start()
    return relay
  }),
)
await allReady(urls)
const began = performance.now()
const clients = names.map((name) => client(urls, name))
while (counts.pairs < pairs) {
  await cycle(servers, relays)
  await allReady(urls)
  await delay(Number(values.pause))
}
await Promise.all(clients)
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(`${values.way}: ${JSON.stringify(counts)} in ${seconds} s`)
for (const relay of relays) await relay.kill('SIGTERM')
for (const server of servers) await server.stop()
await rm(dir, { recursive: true, force: true })
process.exit(counts.stale > 0 ? 1 : 0)
