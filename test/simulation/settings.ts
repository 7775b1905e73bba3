/** What a seed chooses: the faults that happen, and the configuration of each life of the relay. */

import type { BackendOptions } from '../../src/backend/backend.ts'
import type { ConsistencyLevel } from '../../src/influxdb/consistency.ts'
import type { PeerOptions } from '../../src/peers/peer.ts'
import { DEFAULTS, urlsOf } from '../support/relay-fixture.ts'
import type { ClientOptions } from './clients.ts'
import type { World } from './world.ts'

export const DATA = 'data'

/** Databases of clients that choose many names. */
const MANY_DATABASES = Array.from({ length: 20 }, (_, i) => `d${i || ''}`)

/** Room for few lanes, so that some clients with many databases are refused. Lanes on disk take 8 KB each. */
const FEW_LANES_BYTES = 64 * 1024

/** What stays the same for the whole simulation. */
export interface Settings {
  readonly servers: readonly string[]
  /** Whether buffers are on disk. Without them there are no crashes: a crash may lose what is in memory. */
  readonly isDurable: boolean
  /** Whether some lives are configured without buffers on disk, and do not touch what is there. */
  readonly isSwitching: boolean
  /** Whether there is room for everything, and only servers fail. */
  readonly isAmple: boolean
  readonly isPowerFailing: boolean
  readonly isDiskFailing: boolean
  /** The share of disk operations that take time. */
  readonly slowness: number
  /** The share of requests that are lost and never answered. */
  readonly lossiness: number
  /** Batches of a lane in flight at a time. With more than one, only a weaker order holds. */
  readonly maxInFlight: number
  readonly clients: number
  /** Clients that query. */
  readonly readers: number
  /** Clients that send statements. */
  readonly administrators: number
  readonly writing: Omit<ClientOptions, 'relay'>
}

/**
 * The consistency below which no client can ask. It follows from other choices, so that seeds stay, and leaves
 * room for one server that refuses a write.
 */
export function floorOf({ clients, servers }: Settings): ConsistencyLevel {
  return clients % 4 === 0 && servers.length > 2 ? 'quorum' : 'any'
}

/** The configuration of one life. */
export interface LifeSettings {
  readonly minConsistency: ConsistencyLevel
  /** Whether buffers are on disk. */
  readonly isDurable: boolean
  readonly dataDir: string
  readonly backends: readonly BackendOptions[]
  readonly peers: readonly PeerOptions[]
  readonly maxPendingBytes: number
  readonly segmentBytes: number
  /** How many files of buffers may be open at a time. */
  readonly maxOpenFiles: number
}

/** One seed in four has readers, and another one statements. The others are the same as without them. */
const SEEDS_PER_READER = 4

export function chooseSettings(world: World, seed: number): Settings {
  const servers = ['a', 'b', 'c'].slice(0, world.integer(2, 3))
  const isDurable = world.chance(0.85)
  const isAmple = world.chance(0.1)
  return {
    servers,
    isDurable,
    isSwitching: isDurable && !isAmple && world.chance(0.1),
    isAmple,
    isPowerFailing: isDurable && !isAmple && world.chance(0.8),
    isDiskFailing: !isAmple && world.chance(0.5),
    slowness: isAmple ? 0 : world.pick([0, 0, 0.1, 0.4]),
    lossiness: world.pick([0, 0, 0.05]),
    maxInFlight: !isDurable && world.chance(0.4) ? world.integer(2, 4) : 1,
    clients: world.integer(2, 12),
    administrators: seed % SEEDS_PER_READER === 1 ? 2 : 0,
    readers: seed % SEEDS_PER_READER === SEEDS_PER_READER - 1 ? 4 : 0,
    writing: {
      writes: world.chance(0.2) ? world.integer(100, 200) : world.integer(50, 100),
      restMs: world.pick([2000, 1000, 300, 20]),
      maxLines: world.pick([4, 4, 4, 20]),
      sharedPoints: world.pick([1, 1, 4]),
      stepMs: world.pick([600_000, 600_000, 10_000]),
      databases: world.pick([['d'], ['d'], ['d', 'e'], ['d', 'e'], MANY_DATABASES]),
      users: world.chance(0.6) ? [''] : ['', 'ann', 'bob'],
      datagrams: world.pick([0, 0, 0.2]),
      servers,
    },
  }
}

/**
 * The configuration of the next life.
 *
 * @param isLast whether everything must be delivered in this life
 */
export function chooseLife(world: World, settings: Settings, isLast: boolean): LifeSettings {
  const { isAmple, isSwitching, maxInFlight } = settings
  const isDurable = settings.isDurable && (isLast || !isSwitching || world.chance(0.6))
  const options: typeof DEFAULTS = {
    ...DEFAULTS,
    // A lane takes 20 KB, and a segment of any size at least 4 KB.
    bufferBytes: isAmple ? 10_000_000 : world.pick([35_000, 60_000, 100_000, 1_000_000]),
    whenFull: world.pick(['reject', 'drop-oldest', 'drop-newest'] as const),
    maxBatchBytes: world.pick([100, 100, 400, 4000]),
    maxAgeMs: !isAmple && world.chance(0.15) ? world.integer(1000, 20_000) : undefined,
    timeoutMs: world.integer(500, 5000),
    queryTimeoutMs: 3000,
    maxDelayMs: world.integer(500, 4000),
    pendingBytes: isAmple ? 1_000_000 : world.pick([1000, 3000, 100_000]),
    // It follows from another choice, so that seeds stay.
    ...(settings.clients % 4 === 1 && !isAmple ? { lanesBytes: FEW_LANES_BYTES } : {}),
    gzip: world.chance(0.1),
    replayRate: isDurable && world.chance(0.2) ? 2000 : 0,
    maxInFlight,
  }
  return {
    minConsistency: floorOf(settings),
    isDurable,
    dataDir: DATA,
    backends: settings.servers.map((name) => ({
      ...options,
      name,
      ...urlsOf(name),
      folder: isDurable ? `${DATA}/${name}` : undefined,
    })),
    peers: [],
    maxPendingBytes: isAmple ? 1_000_000 : world.pick([1000, 100_000]),
    segmentBytes: world.pick([200, 1000, 1_000_000]),
    maxOpenFiles: world.pick([1, 2, 4, 64]),
  }
}
