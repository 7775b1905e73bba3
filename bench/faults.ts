/** One of two servers is distant, or down: the rate beside that of a healthy run. */

import { join } from 'node:path'
import { choosePorts } from '../test/real/ports.ts'
import type { Backend, Kind } from './backends.ts'
import type { Arm, Lab, Part } from './lab.ts'
import { measure } from './measure.ts'
import { here } from './paths.ts'
import { during, Service } from './service.ts'
import type { RelayKeys, Running, Subject } from './subjects.ts'
import { writtenBytes } from './usage.ts'

const DELAY_MS = 50
const LOAD = { shape: { points: 1, timestamps: true }, connections: 64 }

/** Large enough not to become full in a run. */
const BUFFER = { 'buffer-size-mb': 4096 }

/** The state of the second server, and the relay's keys. */
interface Scene {
  readonly name: string
  readonly second: 'healthy' | 'far' | 'down'
  readonly keys: RelayKeys
}

/** A relay that runs in a scene. */
interface Act extends Arm {
  readonly scene: Scene
  readonly running: Running
  /** The servers that writes can reach. */
  readonly up: readonly Backend[]
}

export const HEALTHY = 'healthy'

const SCENES: readonly Scene[] = [
  { name: HEALTHY, second: 'healthy', keys: {} },
  { name: 'healthy, disk buffer', second: 'healthy', keys: { onDisk: true, output: BUFFER } },
  { name: `one ${DELAY_MS} ms away`, second: 'far', keys: {} },
  { name: 'one down, no buffer', second: 'down', keys: {} },
  { name: 'one down, memory buffer', second: 'down', keys: { output: BUFFER } },
  { name: 'one down, disk buffer', second: 'down', keys: { onDisk: true, output: BUFFER } },
]

export const faultSetting = (kind: Kind, scene: string) => `${kind}, ${scene}`

/** One-point writes, 64 connections. */
export const faults: Part = {
  name: 'faults',
  title: 'A server that is far away, or down',
  async run(lab) {
    for (const kind of lab.options.quick ? (['null'] as const) : (['null', 'influxd'] as const)) {
      const relays = kind === 'null' ? lab.someRelays : lab.distinctRelays
      for (const relay of relays) {
        await lab.attempt(`${relay.name}, ${kind}`, () => compareScenes(lab, kind, relay))
      }
    }
  },
}

/** Starts a relay for each scene, and measures these in turns. */
async function compareScenes(lab: Lab, kind: Kind, relay: Subject): Promise<void> {
  const backends = await lab.backends(kind)
  const acts: Act[] = []
  await during(await startProxy(backends[1]), async (proxy) => {
    try {
      for (const scene of SCENES.filter(({ keys }) => relay.isOurs || !keys.onDisk)) {
        const name = `${relay.name}, ${faultSetting(kind, scene.name)}`
        await lab.attempt(name, async () => {
          acts.push({ name, scene, ...(await startScene(lab, relay, scene, backends, proxy)) })
        })
      }
      await lab.rounds(acts, (act, round) =>
        lab.using(act.running, () => measureScene(lab, kind, relay, act, round)),
      )
    } finally {
      await Promise.all(acts.map(({ running }) => running.stop()))
    }
  })
}

async function startScene(
  lab: Lab,
  relay: Subject,
  { second, keys }: Scene,
  [first, healthy]: readonly [Backend, Backend],
  proxy: Service,
): Promise<Pick<Act, 'running' | 'up'>> {
  const others = {
    healthy,
    far: { ...first, url: proxy.url, port: proxy.port, requests: () => healthy.requests() },
    down: await deadBackend(),
  }
  const other = others[second]
  const running = await relay.start([first, other], keys)
  const up = second === 'down' ? [first] : [first, other]
  if (!lab.options.quick) {
    await lab.using(running, () => measure(relay, running, up, LOAD, 1))
  }
  return { running, up }
}

async function measureScene(
  lab: Lab,
  kind: Kind,
  relay: Subject,
  { scene, running, up }: Act,
  round: number,
): Promise<void> {
  const pid = running.pid as number
  const before = writtenBytes(pid)
  const figures = await measure(relay, running, up, LOAD, lab.options.seconds)
  const points = figures['points/s'] as number
  const written = (writtenBytes(pid) - before) / (points * lab.options.seconds)
  lab.record({
    part: 'faults',
    setting: faultSetting(kind, scene.name),
    subject: relay.name,
    round,
    figures: { ...figures, ...(scene.keys.onDisk && { 'disk bytes/point': written }) },
  })
}

function startProxy({ port: server }: Backend): Promise<Service> {
  const script = join(here, 'delaying-proxy.ts')
  return Service.start({
    name: 'delaying proxy',
    command: (port) => [process.execPath, script, String(port), String(server), String(DELAY_MS)],
  })
}

/** A server on a port where nothing listens, and which the system does not give to a connection. */
export async function deadBackend(): Promise<Backend> {
  const { http: port } = await choosePorts()
  const url = `http://127.0.0.1:${port}`
  return { url, port, remoteWriteUrl: url, requests: async () => 0, stop: async () => {} }
}
