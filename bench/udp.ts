/** Datagrams at rising rates: how many a relay receives, and how many it sends on. */

import { setTimeout as delay } from 'node:timers/promises'
import { DATABASES, NullBackend } from './backends.ts'
import type { Lab, Part } from './lab.ts'
import { runScript } from './script.ts'
import { during } from './service.ts'
import type { Running, Subject } from './subjects.ts'
import { droppedAt, UdpSink } from './udp-sockets.ts'

const RATES = [50_000, 100_000, 150_000]
const DATAGRAM_BYTES = 100

/** The receive buffer that relays ask for; the system gives at most net.core.rmem_max. */
const READ_BUFFER = 4 * 1024 * 1024

/** After this long without a datagram, no more are expected. */
const SETTLE_MS = 300

export const udpSetting = (rate: number, output: string) => `${output}, ${rate / 1000}k a second`

export const lossSetting = (output: string) => `${output}, what was not relayed`

/** A destination of datagrams that counts them. */
interface Sink {
  readonly name: string
  /** The relay's keys for it. */
  readonly keys: Readonly<Record<string, unknown>>
  /** Datagrams that each of two outputs has got. */
  counts(): Promise<readonly number[]>
  stop(): Promise<void>
}

export const udp: Part = {
  name: 'udp',
  title: 'Datagrams',
  async run(lab) {
    const ours = lab.distinctRelays.filter(({ isOurs }) => isOurs)
    await measureSink(lab, lab.someRelays, await datagramSink())
    if (!lab.options.quick) await measureSink(lab, ours, await httpSink())
  },
}

async function measureSink(lab: Lab, relays: readonly Subject[], sink: Sink): Promise<void> {
  const arms = relays.map((relay) => ({ name: `${relay.name}, UDP ${sink.name}`, relay }))
  await during(sink, () =>
    lab.rounds(arms, async ({ relay }, round) => {
      const backends = await lab.backends('null')
      const keys = { udp: { 'read-buffer': READ_BUFFER, ...sink.keys } }
      await during(await relay.start(backends, keys), (running) =>
        measureRelay(lab, relay, running, sink, round),
      )
    }),
  )
}

async function measureRelay(
  lab: Lab,
  relay: Subject,
  running: Running,
  sink: Sink,
  round: number,
): Promise<void> {
  if (!lab.options.quick) await sendAt(running, 50_000, 1)
  const before = await settledCounts(sink)
  let received = 0
  for (const rate of lab.options.quick ? [50_000] : RATES) {
    const figures = await measureRate(running, sink, rate, lab.options.seconds)
    received += figures.received
    const setting = udpSetting(rate, sink.name)
    lab.record({ part: 'udp', setting, subject: relay.name, round, figures: figures.shares })
  }
  const log = await running.finish() // sends pending datagrams first
  const after = await settledCounts(sink)
  const missing = after.map((count, i) => received - (count - (before[i] ?? 0)))
  lab.record({
    part: 'udp',
    setting: lossSetting(sink.name),
    subject: relay.name,
    round,
    figures: {
      'datagrams received': received,
      'not relayed': missing.reduce((sum, count) => sum + count, 0),
      // The log of a peer has another format.
      ...(relay.isOurs && { 'of them in the log': countLost(log) }),
    },
  })
}

/**
 * The losses in the log: a warning has a number of points, or the number of times it stands for.
 */
function countLost(log: string): number {
  const warnings = log.split('\n').filter((line) => /level=warn .*backend=sink/.test(line))
  const counts = warnings.map((line) => / (?:points|times)=(\d+)/.exec(line)?.[1] ?? 1)
  return counts.reduce<number>((sum, count) => sum + Number(count), 0)
}

async function measureRate(running: Running, sink: Sink, rate: number, seconds: number) {
  const port = Number(new URL(running.url).port)
  const droppedBefore = droppedAt(port)
  const before = await sink.counts()
  const { sent, seconds: took } = await sendAt(running, rate, seconds)
  const relayed = (await settledCounts(sink)).map((count, i) => count - (before[i] ?? 0))
  const dropped = droppedAt(port) - droppedBefore
  const share = (count: number) => (count / sent) * 100
  return {
    received: sent - dropped,
    shares: {
      'sent/s': sent / took,
      'received %': share(sent - dropped),
      'relayed %': share(Math.min(...relayed)),
    },
  }
}

async function sendAt({ url }: Running, rate: number, seconds: number) {
  const port = Number(new URL(url).port)
  const result = await runScript('udp-sender.ts', [port, rate, seconds, DATAGRAM_BYTES])
  return result as { sent: number; seconds: number }
}

/** Waits until no more arrive. */
async function settledCounts(sink: Sink): Promise<readonly number[]> {
  for (let before = await sink.counts(); ; ) {
    await delay(SETTLE_MS)
    const counts = await sink.counts()
    if (counts.every((count, i) => count === before[i])) return counts
    before = counts
  }
}

async function datagramSink(): Promise<Sink> {
  const sink = await UdpSink.start(DATAGRAM_BYTES)
  const output = sink.ports.map((port, i) => ({ name: `sink${i}`, location: `127.0.0.1:${port}` }))
  return {
    name: 'to datagrams',
    keys: { output },
    counts: () => sink.counts(),
    stop: () => sink.stop(),
  }
}

async function httpSink(): Promise<Sink> {
  const servers = [await NullBackend.start({ countsBytes: true })]
  servers.push(await NullBackend.start({ countsBytes: true }))
  const output = servers.map(({ url }, i) => ({ name: `sink${i}`, location: `${url}/write` }))
  return {
    name: 'to HTTP',
    keys: { output, database: DATABASES[0] },
    counts: () => Promise.all(servers.map(countDatagrams)),
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  }
}

/** All points have one size, and each has a newline when it shares a body. */
async function countDatagrams(server: NullBackend): Promise<number> {
  const bodies = await server.bodies()
  const lines = bodies.map(({ bytes }) => Math.round(bytes / (DATAGRAM_BYTES + 1)))
  return lines.reduce((sum, count) => sum + count, 0)
}
