/** The configuration: every key, what it may hold, and its default. */

import * as v from 'valibot'
import type { BackendOptions } from '../backend/backend.ts'
import { CONSISTENCY_LEVELS, type ConsistencyLevel } from '../influxdb/consistency.ts'
import { PRECISIONS } from '../influxdb/precision.ts'
import type { Address } from '../runtime.ts'
import { formatAddress } from './address.ts'
import { httpOutput, isHttpOutput, MAX_PENDING_MB, MIB } from './output.ts'
import {
  address,
  duration,
  expected,
  pemFile,
  type ReadFile,
  table,
  tableAsync,
  text,
  whole,
  wholeOr,
} from './values.ts'

export interface Config {
  readonly http: readonly HttpConfig[]
  readonly udp: readonly UdpConfig[]
  /** The longest that a stopping relay waits for its queues to empty. */
  readonly shutdownTimeoutMs: number
  /** Where buffers, the gap ledger and dead letters are; undefined to use no disk. */
  readonly dataDir: string | undefined
}

export interface HttpConfig {
  readonly name: string
  readonly bind: Address
  /** Certificate and key, PEM. */
  readonly pem: string | undefined
  readonly defaultRetentionPolicy: string
  readonly pingStatus: 200 | 204
  /** Of writes that do not ask for a level themselves. */
  readonly consistency: ConsistencyLevel
  readonly maxBodyBytes: number
  readonly maxPendingBytes: number
  readonly maxConnections: number
  readonly readTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly backends: readonly BackendOptions[]
  /** Keys of another relay that this one reads and does nothing with. */
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

const udpOutput = v.pipe(
  table({
    name: v.optional(text),
    location: address,
    mtu: wholeOr(1024, 65_507),
  }),
  v.transform(
    ({ name, location, mtu }): UdpOutput => ({
      name: name ?? formatAddress(location),
      // Go dials this machine when there is no host.
      address: { ...location, host: location.host || 'localhost' },
      mtu,
    }),
  ),
)

const outputs = <Output extends v.GenericSchemaAsync | v.GenericSchema>(output: Output) => {
  const message = 'expected at least one output: { name = "…", location = "…" }'
  return v.pipeAsync(v.arrayAsync(output, message), v.minLength(1, message))
}

const http = (readFile: ReadFile) =>
  v.pipeAsync(
    tableAsync({
      name: v.optional(text),
      'bind-addr': address,
      'ssl-combined-pem': v.optionalAsync(pemFile(readFile, 'CERTIFICATE', 'PRIVATE KEY')),
      'default-retention-policy': v.optional(v.string(expected('a string')), ''),
      consistency: v.optional(
        v.picklist(CONSISTENCY_LEVELS, expected(`one of ${CONSISTENCY_LEVELS.join(', ')}`)),
        'one',
      ),
      'default-ping-response': v.optional(v.picklist([200, 204], expected('200 or 204')), 204),
      'max-body-size-mb': v.optional(whole(1, 1024), 25),
      'max-pending-mb': v.optional(whole(1), MAX_PENDING_MB),
      'max-connections': v.optional(whole(1), 4096),
      'read-timeout': v.optional(duration, '30s'),
      'idle-timeout': v.optional(duration, '3m'),
      'health-timeout-ms': v.optional(whole(0)),
      'rate-limit': v.optional(whole(0)),
      'burst-limit': v.optional(whole(0)),
      output: outputs(httpOutput(readFile)),
    }),
    v.transform(
      (relay): HttpConfig => ({
        name: relay.name ?? `http://${formatAddress(relay['bind-addr'])}`,
        bind: relay['bind-addr'],
        pem: relay['ssl-combined-pem'],
        defaultRetentionPolicy: relay['default-retention-policy'],
        pingStatus: relay['default-ping-response'],
        consistency: relay.consistency,
        maxBodyBytes: relay['max-body-size-mb'] * MIB,
        maxPendingBytes: relay['max-pending-mb'] * MIB,
        maxConnections: relay['max-connections'],
        readTimeoutMs: relay['read-timeout'],
        idleTimeoutMs: relay['idle-timeout'],
        backends: relay.output.map((backend) => ({
          ...backend,
          pendingBytes: relay['max-pending-mb'] * MIB,
        })),
        ignored: IGNORED.filter((key) => relay[key] !== undefined),
      }),
    ),
  )

/** Keys of a fork of the Go relay that change nothing here. */
const IGNORED = ['health-timeout-ms', 'rate-limit', 'burst-limit'] as const

const udp = (readFile: ReadFile) =>
  v.pipeAsync(
    tableAsync({
      name: v.optional(text),
      'bind-addr': address,
      precision: v.optional(
        v.picklist([...PRECISIONS, ''], expected(`one of ${PRECISIONS.join(', ')}`)),
        '',
      ),
      'read-buffer': v.optional(whole(0), 0),
      'max-queued-datagrams': v.optional(whole(1), 65_536),
      database: v.optional(text),
      'retention-policy': v.optional(v.string(expected('a string')), ''),
      output: outputs(
        v.lazyAsync((output) => (isHttpOutput(output) ? httpOutput(readFile) : udpOutput)),
      ),
    }),
    v.check(
      (relay) =>
        relay.database !== undefined || !relay.output.some((output) => 'writeUrl' in output),
      'expected the key "database": an output with a URL needs one to write to',
    ),
    v.transform(
      (relay): UdpConfig => ({
        name: relay.name ?? `udp://${formatAddress(relay['bind-addr'])}`,
        bind: relay['bind-addr'],
        precision: relay.precision,
        readBufferBytes: relay['read-buffer'],
        maxQueuedDatagrams: relay['max-queued-datagrams'],
        database: relay.database ?? '',
        retentionPolicy: relay['retention-policy'],
        outputs: relay.output.filter((output) => 'mtu' in output),
        backends: relay.output.filter((output) => 'writeUrl' in output),
      }),
    ),
  )

/** The schema of a whole file. */
export const configSchema = (readFile: ReadFile) =>
  v.pipeAsync(
    tableAsync({
      'shutdown-timeout': v.optional(duration, '30s'),
      'data-dir': v.optional(text),
      http: v.optionalAsync(
        v.arrayAsync(http(readFile), 'expected an array of tables: [[http]]'),
        [],
      ),
      udp: v.optionalAsync(v.arrayAsync(udp(readFile), 'expected an array of tables: [[udp]]'), []),
    }),
    v.transform(
      (file): Config => ({
        http: file.http.map((relay) => onDisk(relay, file['data-dir'])),
        udp: file.udp.map((relay) => onDisk(relay, file['data-dir'])),
        shutdownTimeoutMs: file['shutdown-timeout'],
        dataDir: file['data-dir'],
      }),
    ),
    v.check(
      (config) => hasDisk(config) || backendsOf(config).every(({ folder }) => !folder),
      'expected the key "data-dir": an output has a buffer-path',
    ),
    v.check(
      (config) => hasDisk(config) || backendsOf(config).every(({ replayRate }) => replayRate === 0),
      'expected the key "data-dir": an output has a replay-rate-limit, which is for buffers on disk',
    ),
    v.check(
      ({ http, udp }) => http.length + udp.length > 0,
      'expected at least one [[http]] or [[udp]] block',
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const { http, udp } = dataset.value
      const relays = [
        ...http.map(({ name }, i) => ({ name, keys: ['http', i, 'name'] })),
        ...udp.map(({ name }, i) => ({ name, keys: ['udp', i, 'name'] })),
      ]
      const seen = new Set<string>()
      for (const { name, keys } of relays) {
        if (seen.has(name)) {
          addIssue({ message: `duplicate relay name "${name}": rename one`, path: issuePath(keys) })
        }
        seen.add(name)
      }
    }),
  )

function hasDisk({ dataDir }: Config): boolean {
  return dataDir !== undefined
}

function backendsOf({ http, udp }: Config): BackendOptions[] {
  return [...http, ...udp].flatMap(({ backends }) => backends)
}

/** A relay whose buffers are in the data directory, a folder each, unless they have a place of their own. */
function onDisk<Relay extends { name: string; backends: readonly BackendOptions[] }>(
  relay: Relay,
  dataDir: string | undefined,
): Relay {
  if (dataDir === undefined) return relay
  const folderOf = (backend: BackendOptions) =>
    `${dataDir}/buffers/${encodeURIComponent(relay.name)}/${encodeURIComponent(backend.name)}`
  return {
    ...relay,
    backends: relay.backends.map((backend) => ({
      ...backend,
      folder: backend.bufferBytes > 0 ? (backend.folder ?? folderOf(backend)) : undefined,
    })),
  }
}

/** Keys in the form in which valibot names the place of an issue. */
function issuePath(keys: (string | number)[]) {
  const [first, ...rest] = keys.map(
    (key): v.IssuePathItem => ({
      type: 'unknown',
      origin: 'value',
      input: undefined,
      key,
      value: undefined,
    }),
  )
  return [first as v.IssuePathItem, ...rest] as const satisfies v.IssuePathItem[]
}
