/** The HTTP half of the relay in the test's own process, in front of real servers. */

import { loadConfig } from '../../src/config/load.ts'
import { createApp } from '../../src/http/app.ts'
import { createLog } from '../../src/observe/log.ts'
import { createProgramRuntime } from '../../src/platform/program-runtime.ts'
import { openRelay } from '../../src/start.ts'

export type RelayApp = Awaited<ReturnType<typeof createRelayApp>>

/** @param locations the backends' write endpoints */
export async function createRelayApp(locations: readonly string[]) {
  const outputs = locations.map((location) => `{ location = "${location}" }`).join(', ')
  const source = `[[http]]\nbind-addr = ":0"\noutput = [${outputs}]\n`
  const {
    http: [config],
  } = await loadConfig('test.toml', async () => source)
  if (!config) throw new Error('the configuration has no [[http]] block')
  const runtime = createProgramRuntime('test')
  const log = createLog(() => {}, runtime.clock.wallNanoseconds)
  const relay = await openRelay(config.backends, runtime, log)
  return { app: createApp(config, relay, runtime, log), relay }
}
