/** The keys of an [[http]] block. */

import * as v from 'valibot'
import { CONSISTENCY_LEVELS } from '../influxdb/consistency.ts'
import { formatAddress } from './address.ts'
import type { HttpConfig } from './config.ts'
import { distinct, type Placed } from './distinct.ts'
import { httpOutput, MAX_PENDING_MB, MIB, outputs } from './output.ts'
import {
  address,
  duration,
  expected,
  flag,
  label,
  location,
  oneOf,
  pemFile,
  type ReadFile,
  tableAsync,
  text,
  whole,
} from './values.ts'

/** The URLs of other relays: no credentials, no query. */
const peers = v.pipe(
  v.array(location, expected('an array of URLs, such as ["http://relay2:9096"]')),
  v.maxLength(16, 'expected at most 16 peers'),
  v.everyItem(
    ({ url, authorization }) => authorization === undefined && url.search === '',
    'expected URLs without credentials and query: relays take none from each other',
  ),
  v.transform((locations) =>
    locations.map(({ url }) => url.origin + url.pathname.replace(/\/$/, '')),
  ),
  distinct('peer', (urls: string[]) => urls.map((url, i): Placed => [url, [i]])),
)

const httpKeys = (readFile: ReadFile) =>
  tableAsync({
    name: v.optional(label),
    'bind-addr': address,
    'ssl-combined-pem': v.optionalAsync(pemFile(readFile, 'CERTIFICATE', 'PRIVATE KEY')),
    'default-retention-policy': v.optional(text, ''),
    consistency: v.optional(oneOf(CONSISTENCY_LEVELS), 'one'),
    'min-consistency': v.optional(oneOf(CONSISTENCY_LEVELS), 'any'),
    query: v.optional(flag, true),
    'create-databases': v.optional(flag, false),
    peers: v.optional(peers, []),
    'peer-ca-pem': v.optionalAsync(pemFile(readFile, 'CERTIFICATE')),
    'default-ping-response': v.optional(oneOf([200, 204]), 204),
    'max-body-size-mb': v.optional(whole(1, 1024), 25),
    'max-pending-mb': v.optional(whole(1), MAX_PENDING_MB),
    'max-connections': v.optional(whole(1), 4096),
    'read-timeout': v.optional(duration, '30s'),
    'idle-timeout': v.optional(duration, '3m'),
    'health-timeout-ms': v.optional(whole(0)),
    'rate-limit': v.optional(whole(0)),
    'burst-limit': v.optional(whole(0)),
    output: outputs(httpOutput(readFile)),
  })

/** Keys of a fork of the Go relay that have no effect here. */
const IGNORED = ['health-timeout-ms', 'rate-limit', 'burst-limit'] as const

/** The schema of an [[http]] block. */
export const httpBlock = (readFile: ReadFile) =>
  v.pipeAsync(httpKeys(readFile), v.transform(toConfig))

function toConfig(keys: v.InferOutput<ReturnType<typeof httpKeys>>): HttpConfig {
  const maxPendingBytes = keys['max-pending-mb'] * MIB
  return {
    name: keys.name ?? `http://${formatAddress(keys['bind-addr'])}`,
    bind: keys['bind-addr'],
    pem: keys['ssl-combined-pem'],
    defaultRetentionPolicy: keys['default-retention-policy'],
    isQueryable: keys.query,
    pingStatus: keys['default-ping-response'],
    consistency: keys.consistency,
    minConsistency: keys['min-consistency'],
    maxBodyBytes: keys['max-body-size-mb'] * MIB,
    maxPendingBytes,
    maxConnections: keys['max-connections'],
    readTimeoutMs: keys['read-timeout'],
    idleTimeoutMs: keys['idle-timeout'],
    peers: keys.peers.map((url) => ({ url, ca: keys['peer-ca-pem'] })),
    backends: keys.output.map((backend) => ({
      ...backend,
      pendingBytes: maxPendingBytes,
      createsDatabases: keys['create-databases'],
    })),
    ignored: IGNORED.filter((key) => keys[key] !== undefined),
  }
}
