/** Composition: from configuration and platform to running relays. */

import { Backend, type BackendOptions } from './backend/backend.ts'
import type { Config } from './config/config.ts'
import { ConfigError } from './config/load.ts'
import { LaneStore } from './delivery/lane-store.ts'
import { DeadLetters } from './losses/dead-letters.ts'
import { GapLedger } from './losses/gap-ledger.ts'
import { LEDGER_FILE } from './losses/gap-ledger-format.ts'
import { DAMAGED, Losses, type LossRecords } from './losses/losses.ts'
import type { Log } from './observe/log.ts'
import { Relay } from './relay/relay.ts'
import type { Disk, Host, Runtime } from './runtime.ts'

const DEAD_LETTERS = 'dead-letters'

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
  { dataDir }: Pick<Config, 'dataDir'>,
  { disk }: Pick<Host, 'disk'>,
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
    return { disk, lossRecords: { ledger, deadLetters } }
  })
}

/**
 * A relay that goes on where an earlier process has stopped.
 *
 * @param data undefined to keep everything in memory
 * @throws ConfigError if the folder of a backend cannot be used
 */
export async function openRelay(
  backends: readonly BackendOptions[],
  runtime: Runtime,
  log: Log,
  data?: Data,
): Promise<Relay> {
  const opened: Backend[] = []
  for (const options of backends) opened.push(await openBackend(options, runtime, log, data))
  const relay = new Relay(opened)
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
      onLost: (write) => losses.lost(write, DAMAGED),
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
