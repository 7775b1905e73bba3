/** With one restriction at one server, writes that it does not concern must still be delivered. */

import type { Clients } from './clients.ts'
import { credentialsOf, pointsOf, type Target } from './points.ts'
import type { RelayProcess } from './relay-process.ts'
import type { Restriction, SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

/** Enough for a slow disk. A write must not wait for one that fails. */
const WAIT_MS = 20_000

interface Probe extends Target {
  readonly line: string
}

/** The fault, if there is one. Ends the restriction. */
export async function probe(
  world: World,
  servers: readonly SimulatedInfluxDB[],
  relay: RelayProcess,
  clients: Clients,
): Promise<string | undefined> {
  const write = (parts: Partial<Target>): Probe => {
    const target = { database: 'd', retentionPolicy: '', precision: '', credentials: '', ...parts }
    return { ...target, line: clients.goodLine() }
  }
  const [restriction, concerned] = world.pick(restrictedTargets())
  const server = world.pick(servers)
  server.restrict(restriction)
  try {
    for (const parts of [concerned, {}, concerned, {}, {}]) {
      const sent = write(parts)
      const status = await statusOf(world, relay, sent)
      const isConcerned = parts === concerned
      const what = isConcerned
        ? 'a write that one server restricts'
        : 'a write that no server restricts'
      if (status !== 204) return `${what} is answered ${status ?? 'by nothing'}`
      if (isConcerned) continue
      await world.sleep(WAIT_MS)
      const points = pointsOf(sent, sent.line, 0n)
      if (servers.some((one) => !one.hasSeen(points))) return `${what} does not arrive`
    }
    return undefined
  } finally {
    server.restrict(undefined)
  }
}

function restrictedTargets(): [Restriction, Partial<Target>][] {
  const [database, retentionPolicy, credentials] = ['probe', 'gone', credentialsOf('eve')]
  return [
    [{ kind: 'no database', database }, { database }],
    [{ kind: 'database fails', database }, { database }],
    [{ kind: 'no retention policy', retentionPolicy }, { retentionPolicy }],
    [{ kind: 'no user', credentials }, { credentials }],
  ]
}

function statusOf(world: World, relay: RelayProcess, probe: Probe): Promise<number | undefined> {
  const { database, retentionPolicy, credentials, line } = probe
  const policy = retentionPolicy === '' ? '' : `&rp=${retentionPolicy}`
  const answer = relay.request({
    path: `/write?db=${database}${policy}`,
    authorization: credentials || undefined,
    ...{ body: line, sending: 'whole' },
  })
  return Promise.race([answer, world.sleep(WAIT_MS).then(() => undefined)])
}
