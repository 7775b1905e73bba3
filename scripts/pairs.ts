/**
 * Writes a point through one of two relays and reads it through the other, again and again, while servers and relays
 * are killed. Counts answers that lack an acknowledged point while a server that has it was up, and those that lack one
 * without the header X-Relay-Behind: there must be none. A server that dies right after it alone has stored a point
 * leaves another that lags: such answers are counted as late.
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
    const measurement = `${name}_${round}`
    for (let written = 0; written < POINTS && counts.pairs < pairs; ) {
      const first = random() < 0.5 ? 0 : 1
      const [writer, reader] = [urls[first], urls[1 - first]] as [string, string]
      const body = `${measurement} v=1 ${1_700_000_000_000_000_000n + BigInt(written)}`
      const answer = await fetch(`${writer}/write?db=d`, { method: 'POST', body }).catch(
        () => undefined,
      )
      await answer?.arrayBuffer()
      if (answer?.status !== 204) {
        counts.refusedWrites++
        await delay(5)
        continue
      }
      written++
      await read([reader, writer], measurement, written)
    }
  }
}

/** Reads through the first relay that answers. */
async function read(
  [url, other]: readonly [string, string],
  measurement: string,
  written: number,
): Promise<void> {
  const query = `/query?db=d&q=${encodeURIComponent(`SELECT count(v) FROM ${measurement}`)}`
  const startedAt = performance.now()
  const answer = await fetch(url + query).catch(() => undefined)
  const text = await answer?.text().catch(() => undefined)
  if (answer?.status !== 200 || text === undefined) {
    counts.failedReads++
    await delay(5)
    return read([other, url], measurement, written)
  }
  const count = JSON.parse(text).results[0].series?.[0].values[0][1] ?? 0
  const behind = answer.headers.get('x-relay-behind')
  counts.pairs++
  if (behind) counts.flagged++
  if (count >= written) return
  const hadBetter = await Promise.all(
    servers.map(async (server) => {
      const answer = await fetch(server.url + query).catch(() => undefined)
      const results = answer?.ok ? JSON.parse(await answer.text()).results[0].series : undefined
      const isOther = !behind?.startsWith(`output=${nameOf(server)};`)
      return isOther && results?.[0].values[0][1] >= written && wasUpSince(server, startedAt)
    }),
  )
  if (behind && !hadBetter.includes(true)) {
    counts.late++
    return
  }
  counts.stale++
  console.log(`stale: ${count} of ${written}, ${behind ?? 'and the answer does not say so'}`)
}

const nameOf = (server: Influxd) => 'ab'[servers.indexOf(server)]

/** When each server was killed or started last. */
const changes = new Map<Influxd, number>()

function wasUpSince(server: Influxd, time: number): boolean {
  return server.pid !== undefined && (changes.get(server) ?? 0) < time
}

/** Kills a server, a relay, or one of each, and starts them again. */
async function cycle(servers: readonly Influxd[], relays: readonly RelayProcess[]): Promise<void> {
  const server = pick([pick(servers), pick(servers), undefined])
  const relay = pick([pick(relays), undefined])
  if (server) changes.set(server, Number.POSITIVE_INFINITY)
  await server?.kill()
  await delay(random() * 200)
  await relay?.kill('SIGKILL')
  await delay(random() * 500)
  // In either order: a server may be back while the relay that keeps something for it is not.
  if (random() < 0.7) await server?.start()
  await delay(random() * 500)
  await relay?.start()
  if (server?.pid === undefined) await server?.start()
  if (server) changes.set(server, performance.now())
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
for (const server of servers) await server.query('CREATE DATABASE d')
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
const clients = Array.from({ length: CLIENTS }, (_, i) => client(urls, `m${i}`))
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
