/** The data directory: what the relay has on disk, found at start and shared by its backends. */

import { Backend, type BackendDisk, type BackendOptions } from './backend/backend.ts'
import type { Config } from './config/config.ts'
import { ConfigError } from './config/load.ts'
import { Store } from './delivery/lane-store.ts'
import { DeadLetters } from './losses/dead-letters.ts'
import { Ledger } from './losses/gap-ledger.ts'
import { LEDGER_FILE } from './losses/gap-ledger-format.ts'
import { DAMAGED, Losses, type LossRecords } from './losses/losses.ts'
import type { Log } from './observe/log.ts'
import { Relay } from './relay/relay.ts'
import type { Host, Runtime } from './runtime.ts'

const DEAD_LETTERS = 'dead-letters'

export interface Data {
  readonly disk: Host['disk']
  readonly books: LossRecords
  /** About the size of a file of a buffer; by default as a log has it. */
  readonly segmentBytes?: number
}

/**
 * Takes the data directory, if there is one, for this process alone.
 *
 * @throws ConfigError if it cannot be used
 */
export async function openData(
  { dataDir }: Config,
  { disk }: Host,
  log: Log,
): Promise<Data | undefined> {
  if (dataDir === undefined) return undefined
  return usable(dataDir, async () => {
    await disk.makeFolder(dataDir)
    await disk.lock(dataDir)
    const ledger = await Ledger.open(disk, `${dataDir}/${LEDGER_FILE}`, {
      onDamage: ({ reason, copy }) => log.error('the gap ledger is damaged', { reason, copy }),
    })
    const deadLetters = await DeadLetters.open(disk, `${dataDir}/${DEAD_LETTERS}`, {
      onRemoved: ({ name, bytes }) => log.warn('dead letters removed: too many', { name, bytes }),
      onDamage: ({ name, bytes }) => log.warn('dead letter file is damaged', { name, bytes }),
    })
    return { disk, books: { ledger, deadLetters } }
  })
}

/** A relay that goes on where the one before it has stopped. */
export async function openRelay(
  backends: readonly BackendOptions[],
  runtime: Runtime,
  log: Log,
  data: Data | undefined,
): Promise<Relay> {
  const opened: Backend[] = []
  for (const options of backends) {
    opened.push(new Backend(options, runtime, log, await openBackend(options, runtime, log, data)))
  }
  const relay = new Relay(opened)
  relay.start()
  return relay
}

async function openBackend(
  options: BackendOptions,
  { clock, buffers }: Runtime,
  log: Log,
  data: Data | undefined,
): Promise<BackendDisk> {
  const { folder, name: backend } = options
  const losses = new Losses(backend, clock, log.with({ backend }), data?.books)
  if (!data || folder === undefined) return { store: undefined, lanes: [], losses }
  return usable(folder, async () => {
    const store = await Store.open(data.disk, {
      folder,
      maxBytes: options.bufferBytes,
      whenFull: options.whenFull,
      maxAgeMs: options.maxAgeMs,
      buffers,
      segmentBytes: data.segmentBytes,
      onDamage: ({ file, offset, bytes, records, reason, copy }) =>
        log.error('buffer is damaged', {
          ...{ backend, file, offset, bytes, records, reason, copy },
        }),
      onLoss: (destination, writes) => losses.damaged(destination, writes),
      onLost: (write) => losses.lost(write, DAMAGED),
    })
    const lanes = await store.lanes()
    if (store.bytes > 0) {
      log.info('found undelivered points on disk', { backend, bytes: store.bytes })
    }
    return { store, lanes, losses }
  })
}

async function usable<Result>(path: string, open: () => Promise<Result>): Promise<Result> {
  try {
    return await open()
  } catch (error) {
    throw new ConfigError(`cannot use ${path}: ${(error as Error).message}`)
  }
}
