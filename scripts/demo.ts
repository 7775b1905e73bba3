/**
 * Shows in half a minute what the relay is for: one of two servers dies while clients write. No
 * client gets an error, and the server gets every missed point when it is back.
 *
 * Run it with `npm run demo`. It uses free ports of 127.0.0.1 and temporary directories, downloads
 * nothing and leaves nothing behind. It exits with 1 if a single point is missing anywhere.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { choosePorts } from '../test/real/ports.ts'
import { Endings, interruption } from './demo/endings.ts'
import { Progress, Watched } from './demo/progress.ts'
import { configure, Relay } from './demo/relay.ts'
import { createScreen, type Screen } from './demo/screen.ts'
import { chooseKind, createDatabase, type Kind } from './demo/servers.ts'
import { type Cast, STEPS } from './demo/steps.ts'
import { faults, figures, success } from './demo/verdict.ts'
import { Writers } from './demo/writers.ts'

const SAMPLE = 'examples/demo.toml'
const DATABASE = 'demo'
const LOOK_INTERVAL_MS = 150

const endings = new Endings()
const code = await Promise.race([demo(), interruption()]).catch(async (error: Error) => {
  await endings.now()
  console.error(`\nThe demo failed: ${error.message}`)
  return 1
})
await endings.now()
if (code > 128) console.log('\nInterrupted: everything is stopped.')
process.exit(code)

async function demo(): Promise<number> {
  const kind = await chooseKind()
  console.log('influxdb-relay: a server dies, and no write is lost\n')
  console.log('clients: four write by HTTP, ten points at a time, and one sends datagrams')
  console.log(`relay:   runs with ${SAMPLE}, on free ports`)
  console.log(`servers: two, ${kind.name}\n`)
  const cast = await assemble(kind)
  await cast.relay.withLog(perform(cast))
  return cast.relay.withLog(compare(cast))
}

/** Starts two servers and the relay, and prepares the clients. */
async function assemble(kind: Kind): Promise<Cast> {
  const servers = await Promise.all([startServer(kind, 'server 1'), startServer(kind, 'server 2')])
  const { http, udp } = await choosePorts()
  const relay = await startRelay(
    `127.0.0.1:${http}`,
    new Map([
      ['127.0.0.1:9096', `127.0.0.1:${http}`],
      ['127.0.0.1:8089', `127.0.0.1:${udp}`],
      ['127.0.0.1:8086', servers[0].address],
      ['127.0.0.1:7086', servers[1].address],
    ]),
  )
  const writers = new Writers(`http://127.0.0.1:${http}/write?db=${DATABASE}&precision=ms`, udp)
  const titles = STEPS.map(({ title }) => title)
  return { servers, relay, writers, progress: new Progress(servers, writers, titles) }
}

async function startServer(kind: Kind, name: string): Promise<Watched> {
  const server = await kind.start()
  endings.add(() => server.stop())
  await createDatabase(server, DATABASE)
  return new Watched(name, server, DATABASE)
}

async function startRelay(address: string, addresses: Map<string, string>): Promise<Relay> {
  const relay = new Relay(await configure(SAMPLE, addresses))
  endings.add(() => relay.end())
  await relay.withLog(relay.start(`http://${address}`))
  return relay
}

/** Runs the steps one after the other, and shows the progress. */
async function perform(cast: Cast): Promise<void> {
  const screen = createScreen(cast.progress)
  endings.add(async () => screen.close())
  const steps = async () => {
    for (const { run } of STEPS) await cast.progress.phase(() => run(cast))
    screen.close()
  }
  await Promise.race([steps(), watch(cast.progress, screen), cast.relay.diesEarly()])
}

async function watch(progress: Progress, screen: Screen): Promise<void> {
  while (!screen.closed) {
    screen.show()
    await progress.look()
    await delay(LOOK_INTERVAL_MS)
  }
}

/** Prints whether every point has arrived; returns the exit code. */
async function compare({ servers, writers: { given }, relay }: Cast): Promise<number> {
  const hold = async ({ name, server }: Watched) => ({ name, rows: await server.rows(DATABASE) })
  const [first, second] = await Promise.all([hold(servers[0]), hold(servers[1])])
  const found = faults(first, second, given)
  if (found.length === 0) {
    console.log(`\n${success(given)}`)
    return 0
  }
  const report = [...found, ...figures([first, second], given), '', await relay.logEnd()]
  console.log(`\nThe demo failed:\n${report.join('\n')}`)
  return 1
}
