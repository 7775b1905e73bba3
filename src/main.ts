/** The program: arguments, configuration, running relays, a clean stop. */

import { parseArguments, USAGE, VERSION } from './cli/arguments.ts'
import { describe } from './cli/check.ts'
import { printGaps } from './cli/gaps.ts'
import type { Config } from './config/config.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import { createLog } from './observe/log.ts'
import type { ProgramRuntime } from './runtime.ts'
import { type Running, startRelays } from './start.ts'

export async function main(runtime: ProgramRuntime): Promise<void> {
  const command = parseArguments(runtime.args)
  switch (command.kind) {
    case 'help':
      runtime.print(USAGE)
      return
    case 'version':
      runtime.print(`influxdb-relay ${VERSION} (${runtime.name})\n`)
      return
    case 'mistake':
      runtime.printError(`influxdb-relay: ${command.message}\n\n${USAGE}`)
      return runtime.exit(1)
  }
  try {
    const config = await loadConfig(command.config, runtime.readFile)
    if (command.kind === 'check') runtime.print(describe(config))
    else if (command.kind === 'gaps') await printGaps(config, runtime, command.json)
    else await run(config, runtime)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    runtime.printError(`influxdb-relay: ${error.message}\n`)
    runtime.exit(1)
  }
}

async function run(config: Config, runtime: ProgramRuntime): Promise<void> {
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  log.info('starting', { version: VERSION, runtime: runtime.name })
  const running = await startRelays(config, runtime, log)

  let stopping = false
  runtime.onSignal((signal) => {
    log.info('stopping', { signal })
    if (stopping) return runtime.exit(1)
    stopping = true
    void stop(running, config, runtime).then(() => {
      log.info('stopped')
      runtime.exit(0)
    })
  })
  // Not before: a signal may come at once.
  log.info('ready')
}

async function stop(
  running: Running[],
  { shutdownDelayMs, shutdownTimeoutMs }: Config,
  runtime: ProgramRuntime,
): Promise<void> {
  for (const relay of running) relay.announceStop()
  if (shutdownDelayMs > 0) {
    await new Promise<void>((resolve) => runtime.clock.after(shutdownDelayMs, resolve))
  }
  const deadline = new AbortController()
  const cancel = runtime.clock.after(shutdownTimeoutMs, () => deadline.abort())
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
