/** One of two servers far away, or down: what that costs the clients, against a healthy run. */

import { join } from 'node:path'
import { choosePorts } from '../test/real/ports.ts'
import type { Backend, Kind } from './backends.ts'
import type { Lab, Part } from './lab.ts'
import { measure } from './measure.ts'
import { here } from './paths.ts'
import { Service } from './service.ts'
import type { RelayKeys, Running, Subject } from './subjects.ts'
import { writtenBytes } from './usage.ts'

const DELAY_MS = 50
const LOAD = { shape: { points: 1, timestamps: true }, connections: 64 }

/** Large enough never to be full in a run: what is measured is writing to it. */
const BUFFER = { 'buffer-size-mb': 4096 }

/** What is the matter with the second server, and how the relay is configured for it. */
interface Scene {
  readonly name: string
  readonly second: 'healthy' | 'far' | 'down'
  readonly keys: RelayKeys
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
      for (const relay of relays) await lab.attempt(() => compareScenes(lab, kind, relay))
    }
  },
}

/** Starts a relay for each scene, and measures these in turns. */
async function compareScenes(lab: Lab, kind: Kind, relay: Subject): Promise<void> {
  const [first, second] = await lab.backends(kind)
  const proxy = await startProxy(second)
  const others = {
    healthy: second,
    far: { ...first, url: proxy.url, port: proxy.port, requests: () => second.requests() },
    down: await deadBackend(),
  }
  const arms: { scene: Scene; running: Running; up: Backend[] }[] = []
  for (const scene of SCENES.filter(({ keys }) => relay.isOurs || !keys.onDisk)) {
    const other = others[scene.second]
    const running = await relay.start([first, other], scene.keys)
    const up = scene.second === 'down' ? [first] : [first, other]
    arms.push({ scene, running, up })
    if (!lab.options.quick) await measure(relay, running, up, LOAD, 1)
  }
  await lab.rounds(arms, async ({ scene, running, up }, round) => {
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
  })
  await Promise.all([proxy, ...arms.map(({ running }) => running)].map((one) => one.stop()))
}

function startProxy({ port: server }: Backend): Promise<Service> {
  const script = join(here, 'delaying-proxy.ts')
  return Service.start({
    name: 'delaying proxy',
    command: (port) => [process.execPath, script, String(port), String(server), String(DELAY_MS)],
  })
}

/** Nothing listens there, and no connection's own end will. */
export async function deadBackend(): Promise<Backend> {
  const { http: port } = await choosePorts()
  const url = `http://127.0.0.1:${port}`
  return { url, port, remoteWriteUrl: url, requests: async () => 0, stop: async () => {} }
}
