/** The HTTP half of the relay in the test's own process, in front of real servers. */

import { createApp } from '../../src/app.ts'
import { Backend } from '../../src/backend.ts'
import { loadConfig } from '../../src/config-file.ts'
import { createHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import { Relay } from '../../src/relay.ts'

export type RelayApp = Awaited<ReturnType<typeof createRelayApp>>

/** @param locations the backends' write endpoints */
export async function createRelayApp(locations: readonly string[]) {
  const outputs = locations.map((location) => `{ location = "${location}" }`).join(', ')
  const source = `[[http]]\nbind-addr = ":0"\noutput = [${outputs}]\n`
  const {
    http: [config],
  } = await loadConfig('test.toml', async () => source)
  if (!config) throw new Error('the configuration has no [[http]] block')
  const host = createHost('test')
  const log = createLog(() => {}, host.clock.wallNanoseconds)
  const relay = new Relay(config.backends.map((options) => new Backend(options, host, log)))
  return { app: createApp(config, relay, host, log), relay }
}
