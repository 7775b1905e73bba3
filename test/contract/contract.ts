import { describe } from 'vitest'
import { answers } from './answers.ts'
import { type Runtime, type Size, setUpBench } from './bench.ts'
import { bodies } from './bodies.ts'
import { buffers } from './buffers.ts'
import { changes } from './changes.ts'
import { cli } from './cli.ts'
import { clients } from './clients.ts'
import { concurrency } from './concurrency.ts'
import { connections } from './connections.ts'
import { credentials } from './credentials.ts'
import { diskFaults } from './disk-faults.ts'
import { durability } from './durability.ts'
import { endpoints } from './endpoints.ts'
import { faults } from './faults.ts'
import { flux } from './flux.ts'
import { fullDisk } from './full-disk.ts'
import { lanes } from './lanes.ts'
import { layouts } from './layouts.ts'
import { logging } from './logging.ts'
import { memory } from './memory.ts'
import { otherServers } from './other-servers.ts'
import { peers } from './peers.ts'
import { prometheus } from './prometheus.ts'
import { prometheusServer } from './prometheus-server.ts'
import { queries } from './queries.ts'
import { stopping } from './stopping.ts'
import { tls } from './tls.ts'
import { udp } from './udp.ts'
import { writes } from './writes.ts'

const themes = {
  cli,
  layouts,
  endpoints,
  writes,
  answers,
  bodies,
  connections,
  credentials,
  concurrency,
  clients,
  tls,
  udp,
  queries,
  peers,
  changes,
  prometheus,
  otherServers,
  flux,
  faults,
  buffers,
  durability,
  diskFaults,
  fullDisk,
  logging,
  memory,
  stopping,
}

/** The ones that take long, and that a runtime's version or packaging makes no difference for. */
const onceForEachRuntime = { prometheusServer, lanes }

/**
 * What every way to run the relay must do, seen from outside.
 *
 * @param runtime has faults of its own, which the relay cannot cure: see the tests that name it
 * @param command starts the relay, in the repository's folder; its arguments are appended
 * @param size `small` for a way to run that differs from another one by little
 */
export function contract(runtime: Runtime, command: readonly string[], size: Size = 'full'): void {
  const bench = setUpBench(runtime, command, size)
  const chosen = size === 'small' ? themes : { ...themes, ...onceForEachRuntime }
  for (const [name, theme] of Object.entries(chosen)) describe(name, () => theme(bench))
}
