/** The configuration: every key, what it may hold, and its default. */

import * as v from 'valibot'
import { formatAddress, parseAddress } from './address.ts'
import type { BackendOptions } from './backend.ts'
import { parseDuration } from './duration.ts'
import { nearest } from './nearest.ts'
import { PRECISIONS } from './precision.ts'
import type { Address } from './runtime.ts'
import { basicAuthorization } from './write.ts'

/** Reads a file that the configuration names. */
export type ReadFile = (path: string) => Promise<string>

export interface Config {
  readonly http: readonly HttpConfig[]
  readonly udp: readonly UdpConfig[]
  /** The longest that a stopping relay waits for its queues to empty. */
  readonly shutdownTimeoutMs: number
}

export interface HttpConfig {
  readonly name: string
  readonly bind: Address
  /** Certificate and key, PEM. */
  readonly pem: string | undefined
  readonly defaultRetentionPolicy: string
  readonly pingStatus: 200 | 204
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

const MIB = 1024 * 1024
const MAX_PENDING_MB = 256

type Received = v.BaseIssue<unknown>

const expected = (what: string) => (issue: Received) => `expected ${what}, got ${issue.received}`
/** For keys whose value must not be shown. */
const expectedSecret = (what: string) => `expected ${what}`

const text = v.pipe(
  v.string(expected('a string')),
  v.nonEmpty('expected a string that is not empty'),
)
const secret = v.pipe(v.string(expectedSecret('a string')), v.nonEmpty(expectedSecret('a string')))
const flag = v.boolean(expected('true or false'))

const whole = (least: number, most = 1_000_000_000) => {
  const message = expected(`a whole number from ${least} to ${most}`)
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  )
}

const duration = v.pipe(
  v.string(expected('a duration such as "10s" or "1m30s"')),
  v.transform(parseDuration),
  v.number('expected a duration such as "10s" or "1m30s"'),
  v.minValue(1, 'expected a duration of at least 1ms'),
)

const address = v.pipe(
  v.string(expected('an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"')),
  v.transform(parseAddress),
  v.custom<Address>(
    (value) => value !== undefined,
    'expected an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"',
  ),
)

/** What is wrong with a table, or with a key that it has or lacks. */
const tableMessage = (known: readonly string[]) => (issue: Received) => {
  if (issue.expected === 'Object') return `expected a table, got ${issue.received}`
  if (issue.expected !== 'never') return 'this key is missing'
  const guess = nearest(String(issue.input), known)
  return `unknown key; ${guess ? `did you mean "${guess}"?` : `known here: ${known.join(', ')}`}`
}

const table = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, tableMessage(Object.keys(entries)))

const tableAsync = <Entries extends v.ObjectEntriesAsync>(entries: Entries) =>
  v.strictObjectAsync(entries, tableMessage(Object.keys(entries)))

/** A file, read while the configuration is: an unreadable one stops the start. */
const pemFile = (readFile: ReadFile, ...labels: string[]) =>
  v.pipeAsync(
    text,
    v.rawTransformAsync(async ({ dataset, addIssue, NEVER }) => {
      try {
        const pem = await readFile(dataset.value)
        const missing = labels.find((label) => !pem.includes(`${label}-----`))
        if (missing === undefined) return pem
        addIssue({ message: `${dataset.value} holds no "-----BEGIN ${missing}-----" block` })
      } catch (error) {
        addIssue({ message: `cannot read the file: ${(error as Error).message}` })
      }
      return NEVER
    }),
  )

const URL_EXPECTED = 'expected a URL such as "http://127.0.0.1:8086/write"'

const httpOutputKeys = (readFile: ReadFile) =>
  tableAsync({
    name: v.optional(text),
    location: v.pipe(text, v.check(isHttpUrl, URL_EXPECTED)),
    endpoints: v.optional(
      table({
        write: v.optional(text),
        write_prom: v.optional(text),
        ping: v.optional(text),
        query: v.optional(text),
      }),
    ),
    username: v.optional(secret),
    password: v.optional(secret),
    'http-user': v.optional(secret),
    'http-pass': v.optional(secret),
    token: v.optional(secret),
    'ca-pem': v.optionalAsync(pemFile(readFile, 'CERTIFICATE')),
    'skip-tls-verification': v.optional(flag, false),
    timeout: v.optional(duration, '10s'),
    'buffer-size-mb': v.optional(whole(0), 0),
    'max-batch-kb': v.optional(whole(1), 512),
    'max-delay-interval': v.optional(duration, '10s'),
    'max-in-flight': v.optional(whole(1, 64), 1),
    gzip: v.optional(flag, false),
  })

type HttpOutputKeys = v.InferOutput<ReturnType<typeof httpOutputKeys>>

const httpOutput = (readFile: ReadFile) =>
  v.pipeAsync(
    httpOutputKeys(readFile),
    v.check((output) => credentialsOf(output).length < 2, 'give one kind of credentials, not two'),
    v.check(
      (output) => (output.username ?? output['http-user'] ?? '') !== '' || !passwordOf(output),
      'a password needs a username beside it',
    ),
    v.transform(toBackend),
  )

const udpOutput = v.pipe(
  table({
    name: v.optional(text),
    location: address,
    mtu: v.optional(whole(1, 65_507), 1024),
  }),
  v.transform(
    ({ name, location, mtu }): UdpOutput => ({
      name: name ?? formatAddress(location),
      address: location,
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
        name: relay.name ?? formatAddress(relay['bind-addr']),
        bind: relay['bind-addr'],
        pem: relay['ssl-combined-pem'],
        defaultRetentionPolicy: relay['default-retention-policy'],
        pingStatus: relay['default-ping-response'],
        maxBodyBytes: relay['max-body-size-mb'] * MIB,
        maxPendingBytes: relay['max-pending-mb'] * MIB,
        maxConnections: relay['max-connections'],
        readTimeoutMs: relay['read-timeout'],
        idleTimeoutMs: relay['idle-timeout'],
        backends: relay.output.map((backend) => ({
          ...backend,
          maxPendingBytes: relay['max-pending-mb'] * MIB,
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
        name: relay.name ?? formatAddress(relay['bind-addr']),
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
      http: v.optionalAsync(
        v.arrayAsync(http(readFile), 'expected an array of tables: [[http]]'),
        [],
      ),
      udp: v.optionalAsync(v.arrayAsync(udp(readFile), 'expected an array of tables: [[udp]]'), []),
    }),
    v.transform(
      (file): Config => ({
        http: file.http,
        udp: file.udp,
        shutdownTimeoutMs: file['shutdown-timeout'],
      }),
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

function toBackend(output: HttpOutputKeys): BackendOptions {
  const location = new URL(output.location)
  return {
    name: output.name ?? location.host,
    writeUrl: location.origin + writePath(location.pathname, output.endpoints),
    authorization: credentialsOf(output)[0],
    timeoutMs: output.timeout,
    bufferBytes: output['buffer-size-mb'] * MIB,
    maxBatchBytes: output['max-batch-kb'] * 1024,
    maxDelayMs: output['max-delay-interval'],
    maxInFlight: output['max-in-flight'],
    maxPendingBytes: MAX_PENDING_MB * MIB,
    gzip: output.gzip,
    ca: output['ca-pem'],
    skipTlsVerification: output['skip-tls-verification'],
  }
}

/** The Go relay's location is the write endpoint itself; its fork's is a base for `endpoints`. */
function writePath(path: string, endpoints: HttpOutputKeys['endpoints']): string {
  const base = path.replace(/\/$/, '')
  if (endpoints) return `${base}/${(endpoints.write ?? 'write').replace(/^\//, '')}`
  return base === '' ? '/write' : path
}

/** The Authorization headers that an output's keys add up to: none or one, if they make sense. */
function credentialsOf(output: HttpOutputKeys): string[] {
  const { username, password } = new URL(output.location)
  const found: string[] = []
  if (output.token) found.push(`Token ${output.token}`)
  if (output.username) found.push(basicAuthorization(output.username, passwordOf(output)))
  if (output['http-user']) found.push(basicAuthorization(output['http-user'], passwordOf(output)))
  if (username) {
    found.push(basicAuthorization(decodeURIComponent(username), decodeURIComponent(password)))
  }
  return found
}

function passwordOf(output: HttpOutputKeys): string {
  return output.password ?? output['http-pass'] ?? ''
}

function isHttpUrl(location: string): boolean {
  return /^https?:\/\//i.test(location) && URL.canParse(location)
}

function isHttpOutput(output: unknown): boolean {
  const location = (output as { location?: unknown } | null)?.location
  return typeof location === 'string' && location.includes('://')
}
