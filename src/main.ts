/** The program: arguments, configuration, running relays, a clean stop. */

import { parseArguments, USAGE, VERSION } from './cli/arguments.ts'
import { describe } from './cli/check.ts'
import { printGaps } from './cli/gaps.ts'
import { formatAddress } from './config/address.ts'
import type { Config, HttpConfig, UdpConfig } from './config/config.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import { createApp } from './http/app.ts'
import { type ConnectionLimits, connectionLimits } from './limits/open-files.ts'
import { createLog, type Log } from './observe/log.ts'
import { RepeatedWarning } from './observe/repeated-warning.ts'
import type { Address, Host } from './runtime.ts'
import { type Data, openData, openRelay } from './start.ts'
import { UdpRelay } from './udp/udp-relay.ts'

/** A relay that listens. */
interface Running {
  /** Stops accepting writes. Resolves when those in flight are answered, or when `signal` aborts. */
  stop(signal: AbortSignal): Promise<void>
  /** Resolves when every write is delivered. */
  drained(): Promise<void>
  /** Logs what is undelivered, and closes files. */
  close(): Promise<void>
}

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
  const data = await openData(config, host, log)
  const running: Running[] = []
  const maxOpenFiles = await host.maxOpenFiles()
  const limits = { maxOpenFiles, ...connectionLimits(maxOpenFiles, config.http) }
  for (const relay of config.http) running.push(await startHttp(relay, host, log, data, limits))
  for (const relay of config.udp) running.push(await startUdp(relay, host, log, data))
  log.info('ready')

  let stopping = false
  host.onSignal((signal) => {
    log.info('stopping', { signal })
    if (stopping) return host.exit(1)
    stopping = true
    void stop(running, config.shutdownTimeoutMs, host).then(() => {
      log.info('stopped')
      host.exit(0)
    })
  })
}

async function stop(running: Running[], timeoutMs: number, host: Host): Promise<void> {
  const deadline = new AbortController()
  const cancel = host.clock.after(timeoutMs, () => deadline.abort())
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

async function startHttp(
  config: HttpConfig,
  host: Host,
  parent: Log,
  data: Data | undefined,
  { maxOpenFiles, backlog, ...limits }: ConnectionLimits & { maxOpenFiles: number },
): Promise<Running> {
  const log = parent.with({ relay: config.name })
  const maxConnections = Math.min(config.maxConnections, limits.maxConnections)
  if (maxConnections < config.maxConnections) {
    const hint = 'raise the limit of open files: LimitNOFILE, ulimit -n'
    log.warn('fewer connections than max-connections can be open', { limit: maxConnections, hint })
  }
  const relay = await openRelay(config.backends, host, log, data)
  const app = createApp({ ...config, maxConnections }, relay, host, log)
  const refused = new RepeatedWarning(host.clock, log, 'connection refused: too many are open')
  const malformed = new RepeatedWarning(host.clock, log, 'bad request refused')
  const server = await listening(config, () =>
    host.serveHttp(app.fetch, {
      ...config,
      maxConnections,
      backlog,
      maxOpenFiles,
      onConnectionRefused: () => refused.report({ limit: maxConnections }),
      onBadRequest: (reason) => malformed.report({ reason }),
    }),
  )
  for (const key of config.ignored) log.warn('this key of the configuration has no effect', { key })
  announce(log, config.pem === undefined ? 'http' : 'https', server.address, config.backends)
  return {
    stop: (signal) => server.stop(signal),
    drained: () => relay.drained(),
    async close() {
      for (const warning of [refused, malformed]) warning.flush()
      await relay.close()
    },
  }
}

async function startUdp(
  config: UdpConfig,
  host: Host,
  parent: Log,
  data: Data | undefined,
): Promise<Running> {
  const log = parent.with({ relay: config.name })
  const relay = await openRelay(config.backends, host, log, data)
  const udp = new UdpRelay(config, relay, host, log)
  const socketErrors = new RepeatedWarning(host.clock, log, 'udp socket failed')
  let stopped = false
  const socket = await listening(config, () =>
    host.listenUdp({
      ...config,
      onDatagram: (datagram) => {
        if (!stopped) udp.accept(datagram)
      },
      onError: (error) => socketErrors.report({ reason: error.message }),
    }),
  )
  announce(log, 'udp', socket.address, [...config.outputs, ...config.backends])
  return {
    async stop() {
      stopped = true
    },
    drained: () => udp.drained(),
    async close() {
      socket.close()
      socketErrors.flush()
      udp.close()
      await relay.close()
    },
  }
}

async function listening<Server>(
  { name, bind }: { name: string; bind: Address },
  listen: () => Promise<Server>,
): Promise<Server> {
  try {
    return await listen()
  } catch (error) {
    const reason = (error as Error).message
    throw new ConfigError(`relay "${name}": cannot listen on ${formatAddress(bind)}: ${reason}`)
  }
}

function announce(
  log: Log,
  protocol: string,
  address: Address,
  outputs: readonly { readonly name: string }[],
): void {
  log.info('listening', {
    protocol,
    address: formatAddress(address),
    backends: outputs.map(({ name }) => name).join(','),
  })
}
