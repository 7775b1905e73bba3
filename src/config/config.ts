/** A configuration that is complete and checked: what the relay is started with. */

import type { BackendOptions } from '../backend/backend.ts'
import type { ConsistencyLevel } from '../influxdb/consistency.ts'
import type { PeerOptions } from '../peers/peer.ts'
import type { Address } from '../runtime.ts'

/** The folder of the data directory with all buffers. */
export const BUFFERS = 'buffers'

export interface Config {
  readonly http: readonly HttpConfig[]
  readonly udp: readonly UdpConfig[]
  /** The longest that a stopping relay waits for its queues to empty. */
  readonly shutdownTimeoutMs: number
  /** How long a relay that is to stop serves as before, while `/ready` tells load balancers. */
  readonly shutdownDelayMs: number
  /** Where buffers, the gap ledger and dead letters are; undefined to use no disk. */
  readonly dataDir: string | undefined
  /** Top-level keys in the file that have no effect: other relays have them. */
  readonly ignored: readonly string[]
}

export interface HttpConfig {
  readonly name: string
  readonly bind: Address
  /** Certificate and key, PEM. */
  readonly pem: string | undefined
  readonly defaultRetentionPolicy: string
  /** Whether queries are answered. */
  readonly isQueryable: boolean
  readonly pingStatus: 200 | 204
  /** The level of writes that do not ask for one. */
  readonly consistency: ConsistencyLevel
  /** The level below which no write can ask. */
  readonly minConsistency: ConsistencyLevel
  readonly maxBodyBytes: number
  readonly maxPendingBytes: number
  readonly maxConnections: number
  readonly readTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly backends: readonly BackendOptions[]
  /** Other relays in front of the same servers. */
  readonly peers: readonly PeerOptions[]
  /** Keys in the file that have no effect: other relays have them. */
  readonly ignored: readonly string[]
}

export interface UdpConfig {
  readonly name: string
  readonly bind: Address
  readonly precision: string
  readonly readBufferBytes: number
  readonly maxQueuedDatagrams: number
  readonly database: string
  readonly retentionPolicy: string
  readonly outputs: readonly UdpOutput[]
  /** Outputs that take the datagrams as writes. */
  readonly backends: readonly BackendOptions[]
}

/** An output that gets datagrams. */
export interface UdpOutput {
  readonly name: string
  readonly address: Address
  readonly mtu: number
}
