/** The program: arguments, configuration, running relays, a clean stop. */

import { parseArguments, USAGE, VERSION } from './cli/arguments.ts'
import { describe } from './cli/check.ts'
import { printGaps } from './cli/gaps.ts'
import type { Config } from './config/config.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import { createLog } from './observe/log.ts'
import type { Host } from './runtime.ts'
import { type Running, startRelays } from './start.ts'

export async function main(host: Host): Promise<void> {
  const command = parseArguments(host.args)
  switch (command.kind) {
    case 'help':
      host.print(USAGE)
      return
    case 'version':
      host.print(`influxdb-relay ${VERSION} (${host.name})\n`)
      return
    case 'mistake':
      host.printError(`influxdb-relay: ${command.message}\n\n${USAGE}`)
      return host.exit(1)
  }
  try {
    const config = await loadConfig(command.config, host.readFile)
    if (command.kind === 'check') host.print(describe(config))
    else if (command.kind === 'gaps') await printGaps(config, host, command.json)
    else await run(config, host)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    host.printError(`influxdb-relay: ${error.message}\n`)
    host.exit(1)
  }
}

async function run(config: Config, host: Host): Promise<void> {
  const log = createLog(host.writeLog, host.clock.wallNanoseconds)
  log.info('starting', { version: VERSION, runtime: host.name })
  const running = await startRelays(config, host, log)

  let stopping = false
  host.onSignal((signal) => {
    log.info('stopping', { signal })
    if (stopping) return host.exit(1)
    stopping = true
    void stop(running, config, host).then(() => {
      log.info('stopped')
      host.exit(0)
    })
  })
  // Not before: a signal may come at once.
  log.info('ready')
}

async function stop(
  running: Running[],
  { shutdownDelayMs, shutdownTimeoutMs }: Config,
  host: Host,
): Promise<void> {
  for (const relay of running) relay.announceStop()
  if (shutdownDelayMs > 0) {
    await new Promise<void>((resolve) => host.clock.after(shutdownDelayMs, resolve))
  }
  const deadline = new AbortController()
  const cancel = host.clock.after(shutdownTimeoutMs, () => deadline.abort())
  await Promise.all(running.map((relay) => relay.stop(deadline.signal)))
  await Promise.race([
    Promise.all(running.map((relay) => relay.drained())),
    new Promise((resolve) => {
      if (deadline.signal.aborted) resolve(undefined)
      deadline.signal.addEventListener('abort', resolve)
    }),
  ])
  cancel()
  for (const relay of running) await relay.close()
}
