/** When all is well but for one grievance of one server, writes that it does not concern must pass. */

import type { Clients } from './clients.ts'
import { credentialsOf, pointsOf, type Target } from './points.ts'
import type { RelayProcess } from './relay-process.ts'
import type { Grievance, SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

/** A disk that is slow takes its time; but nothing that fails is waited for. */
const PATIENCE_MS = 20_000

interface Probe extends Target {
  readonly line: string
}

/** What is wrong, if something is. In the end the server lacks nothing. */
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
  const [grievance, concerned] = world.pick(troublesomeTargets())
  const server = world.pick(servers)
  server.resent(grievance)
  try {
    for (const parts of [concerned, {}, concerned, {}, {}]) {
      const sent = write(parts)
      const status = await statusOf(world, relay, sent)
      const isConcerned = parts === concerned
      const what = isConcerned ? 'what one server resents' : 'what no server resents'
      if (status !== 204) return `${what} is answered ${status ?? 'by nothing'}`
      if (isConcerned) continue
      await world.sleep(PATIENCE_MS)
      const points = pointsOf(sent, sent.line, 0n)
      if (servers.some((one) => !one.hasSeen(points))) return `${what} does not arrive`
    }
    return undefined
  } finally {
    server.resent(undefined)
  }
}

function troublesomeTargets(): [Grievance, Partial<Target>][] {
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
  return Promise.race([answer, world.sleep(PATIENCE_MS).then(() => undefined)])
}
