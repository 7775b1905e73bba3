/** Composition: from configuration and runtime to running relays. */

import { Backend, type BackendOptions } from './backend/backend.ts'
import { formatAddress } from './config/address.ts'
import { BUFFERS, type Config, type HttpConfig, type UdpConfig } from './config/config.ts'
import { ConfigError } from './config/load.ts'
import { adoptFormerFolders, findUnclaimed } from './delivery/former-folders.ts'
import { LaneStore } from './delivery/lane-store.ts'
import { BoundedDisk } from './disk/bounded-disk.ts'
import { createApp } from './http/app.ts'
import { bufferFiles, type ConnectionLimits, connectionLimits } from './limits/open-files.ts'
import { DeadLetters } from './losses/dead-letters.ts'
import { GapLedger } from './losses/gap-ledger.ts'
import { LEDGER_FILE } from './losses/gap-ledger-format.ts'
import { Losses, type LossRecords } from './losses/losses.ts'
import type { Log } from './observe/log.ts'
import { RepeatedWarning } from './observe/repeated-warning.ts'
import { Peers } from './peers/peers.ts'
import { Relay } from './relay/relay.ts'
import type { Address, Disk, ProgramRuntime, Runtime } from './runtime.ts'
import { UdpRelay } from './udp/udp-relay.ts'

const DEAD_LETTERS = 'dead-letters'

/** A relay that listens. */
export interface Running {
  /** Has `/ready` say that the relay will stop. It serves as before. */
  announceStop(): void
  /**
   * Frees its address at once. Resolves when the requests in flight are answered, or when `signal` aborts.
   */
  stop(signal: AbortSignal): Promise<void>
  /** Resolves when no write is in memory alone: each is delivered, or on disk. */
  drained(): Promise<void>
  /** Logs what is undelivered, and closes files. */
  close(): Promise<void>
}

/**
 * Starts every relay of a configuration.
 *
 * @throws ConfigError if a folder cannot be used or an address cannot be bound
 */
export async function startRelays(
  config: Config,
  runtime: ProgramRuntime,
  log: Log,
): Promise<Running[]> {
  for (const key of config.ignored) log.warn('this key of the configuration has no effect', { key })
  const maxOpenFiles = await runtime.maxOpenFiles()
  const disk = new BoundedDisk(runtime.disk, bufferFiles(maxOpenFiles))
  const data = await openData(config, { disk }, log)
  const running: Running[] = []
  const limits = { maxOpenFiles, ...connectionLimits(maxOpenFiles, config.http) }
  const outputs = new Outputs()
  for (const relay of config.http) {
    running.push(await startHttp(relay, runtime, log, data, limits, outputs))
  }
  for (const relay of config.udp) running.push(await startUdp(relay, runtime, log, data, outputs))
  outputs.complete()
  return running
}

/** The outputs of all relays of a process, by their servers. */
class Outputs {
  /** Whether those of all relays of the process are here. */
  areComplete = false
  private readonly callbacks: (() => void)[] = []
  private readonly byUrl = new Map<string, Backend[]>()

  add(backends: readonly Backend[]): void {
    for (const backend of backends) this.of(backend).push(backend)
  }

  onComplete(callback: () => void): void {
    this.callbacks.push(callback)
  }

  complete(): void {
    this.areComplete = true
    for (const callback of this.callbacks) callback()
  }

  /** All outputs that write to the same server as a backend. Later ones are added to the list. */
  readonly of = ({ options }: Backend): Backend[] => {
    const known = this.byUrl.get(options.writeUrl)
    if (known) return known
    const outputs: Backend[] = []
    this.byUrl.set(options.writeUrl, outputs)
    return outputs
  }
}

/** The data directory, which all relays of a process share. */
export interface Data {
  readonly disk: Disk
  readonly lossRecords: LossRecords
  /** The size at which a segment is full. @default 8 MiB */
  readonly segmentBytes?: number
}

/**
 * Opens the data directory and locks it for this process. Undefined if the configuration has none.
 *
 * @throws ConfigError if it cannot be used
 */
export async function openData(
  { dataDir, http = [], udp = [] }: Pick<Config, 'dataDir'> & Partial<Config>,
  { disk }: Pick<ProgramRuntime, 'disk'>,
  log: Log,
): Promise<Data | undefined> {
  if (dataDir === undefined) return undefined
  return asConfigError(dataDir, async () => {
    await disk.makeFolder(dataDir)
    await disk.lock(dataDir)
    const ledger = await GapLedger.open(disk, `${dataDir}/${LEDGER_FILE}`, {
      onDamage: ({ reason, copy }) => log.error('the gap ledger is damaged', { reason, copy }),
    })
    const deadLetters = await DeadLetters.open(disk, `${dataDir}/${DEAD_LETTERS}`, {
      onRemoved: ({ name, bytes }) => log.warn('dead letters removed: too many', { name, bytes }),
      onDamage: ({ name, bytes }) => log.warn('dead letter file is damaged', { name, bytes }),
    })
    const buffers = [...http, ...udp].flatMap(({ backends }) => backends)
    await adoptFormerFolders(disk, buffers)
    for (const folder of await findUnclaimed(disk, `${dataDir}/${BUFFERS}`, buffers)) {
      log.warn('buffer belongs to no output: its points are not delivered', { folder })
    }
    return { disk, lossRecords: { ledger, deadLetters } }
  })
}

/**
 * A relay that goes on where an earlier process has stopped.
 *
 * @param data undefined to keep everything in memory
 * @param peers other relays in front of the same servers
 * @throws ConfigError if the folder of a backend cannot be used
 */
export async function openRelay(
  backends: readonly BackendOptions[],
  runtime: Runtime,
  log: Log,
  data?: Data,
  peers?: Peers,
): Promise<Relay> {
  const opened: Backend[] = []
  for (const options of backends) opened.push(await openBackend(options, runtime, log, data))
  for (const backend of opened) backend.others = opened.filter((one) => one !== backend)
  const relay = new Relay(opened, peers && ((names) => peers.tellKept(names)))
  relay.start()
  return relay
}

async function openBackend(
  options: BackendOptions,
  runtime: Runtime,
  log: Log,
  data: Data | undefined,
): Promise<Backend> {
  const { folder, name: backend } = options
  const losses = new Losses(backend, runtime.clock, log.with({ backend }), data?.lossRecords)
  if (!data || folder === undefined) {
    return new Backend(options, runtime, log, { losses, store: undefined })
  }
  return asConfigError(folder, async () => {
    const store = await LaneStore.open(data.disk, {
      folder,
      maxBytes: options.bufferBytes,
      whenFull: options.whenFull,
      maxAgeMs: options.maxAgeMs,
      buffers: runtime.buffers,
      segmentBytes: data.segmentBytes,
      onDamage: ({ file, offset, bytes, records, reason, copy }) => {
        const fields = { backend, file, offset, bytes, records, reason, copy }
        log.error('buffer is damaged', fields)
      },
      onLoss: (destination, writes) => losses.damaged(destination, writes),
    })
    if (store.bytes > 0) {
      log.info('found undelivered points on disk', { backend, bytes: store.bytes })
    }
    return new Backend(options, runtime, log, { losses, store })
  })
}

async function asConfigError<Result>(path: string, open: () => Promise<Result>): Promise<Result> {
  try {
    return await open()
  } catch (error) {
    throw new ConfigError(`cannot use ${path}: ${(error as Error).message}`)
  }
}

async function startHttp(
  config: HttpConfig,
  runtime: ProgramRuntime,
  parent: Log,
  data: Data | undefined,
  { maxOpenFiles, backlog, ...limits }: ConnectionLimits & { maxOpenFiles: number },
  outputs: Outputs,
): Promise<Running> {
  const log = parent.with({ relay: config.name })
  const maxConnections = Math.min(config.maxConnections, limits.maxConnections)
  if (maxConnections < config.maxConnections) {
    const hint = 'raise the limit of open files: LimitNOFILE, ulimit -n'
    log.warn('fewer connections than max-connections can be open', { limit: maxConnections, hint })
  }
  const peers = new Peers(config.peers, runtime, log)
  const relay = await openRelay(config.backends, runtime, log, data, peers)
  outputs.add(relay.backends)
  let isStopping = false
  const app = createApp({ ...config, maxConnections }, relay, runtime, log, {
    outputsOf: outputs.of,
    isStopping: () => isStopping,
    isStarted: () => outputs.areComplete,
    peers,
  })
  const refused = new RepeatedWarning(runtime.clock, log, 'connection refused: too many are open')
  const malformed = new RepeatedWarning(runtime.clock, log, 'bad request refused')
  const server = await listening(config, () =>
    runtime.serveHttp(app.fetch, {
      ...config,
      maxConnections,
      backlog,
      maxOpenFiles,
      onConnectionRefused: () => refused.report({ limit: maxConnections }),
      onBadRequest: (reason) => malformed.report({ reason }),
    }),
  )
  outputs.onComplete(() => peers.start())
  for (const key of config.ignored) log.warn('this key of the configuration has no effect', { key })
  announce(log, config.pem === undefined ? 'http' : 'https', server.address, config.backends)
  return {
    announceStop() {
      isStopping = true
    },
    stop: (signal) => server.stop(signal),
    drained: () => relay.drained(),
    async close() {
      peers.close()
      for (const warning of [refused, malformed]) warning.flush()
      await relay.close()
    },
  }
}

async function startUdp(
  config: UdpConfig,
  runtime: ProgramRuntime,
  parent: Log,
  data: Data | undefined,
  outputs: Outputs,
): Promise<Running> {
  const log = parent.with({ relay: config.name })
  const relay = await openRelay(config.backends, runtime, log, data)
  outputs.add(relay.backends)
  const udp = new UdpRelay(config, relay, runtime, log)
  const socketErrors = new RepeatedWarning(runtime.clock, log, 'udp socket failed')
  const socket = await listening(config, () =>
    runtime.listenUdp({
      ...config,
      onDatagram: (datagram) => udp.accept(datagram),
      onError: (error) => socketErrors.report({ reason: error.message }),
    }),
  )
  announce(log, 'udp', socket.address, [...config.outputs, ...config.backends])
  return {
    announceStop() {},
    stop: () => socket.close(),
    drained: () => udp.drained(),
    async close() {
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
