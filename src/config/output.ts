/** Outputs: the backends of an [[http]] block, and what a [[udp]] block can have beside them. */

import * as v from 'valibot'
import type { BackendOptions } from '../backend/backend.ts'
import { userAuthorization } from '../influxdb/credentials.ts'
import type { V2Options } from '../influxdb/v2.ts'
import { formatAddress } from './address.ts'
import type { UdpOutput } from './config.ts'
import { distinct, type Placed } from './distinct.ts'
import { NO_PASSWORD } from './location.ts'
import {
  address,
  age,
  duration,
  expected,
  flag,
  label,
  location,
  oneOf,
  path,
  pemFile,
  type ReadFile,
  secret,
  table,
  tableAsync,
  text,
  token,
  urlPath,
  whole,
  wholeOr,
} from './values.ts'

export const MIB = 1024 * 1024

/** Room for writes that a backend has not answered, unless the relay's block says otherwise. */
export const MAX_PENDING_MB = 256

/** Memory for the lanes of an output, without their writes: 30,000 databases on disk. */
const MAX_LANES_MB = 256

/** A key of a fork of the Go relay, which has a second type for data of Prometheus. */
const serverType = v.literal(
  'influxdb',
  expected('the type "influxdb": every output of this relay takes line protocol'),
)

const BUCKETS = expected('a table such as { "db/policy" = "bucket" }')

/** Names of buckets by what writes name in their place. */
const bucketTable = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), BUCKETS),
  v.record(text, label, BUCKETS),
)

const httpOutputKeys = (readFile: ReadFile) =>
  tableAsync({
    name: v.optional(label),
    type: v.optional(serverType),
    location,
    endpoints: v.optional(
      table({
        write: v.optional(urlPath),
        write_prom: v.optional(urlPath),
        ping: v.optional(text),
        query: v.optional(text),
      }),
    ),
    username: v.optional(secret),
    password: v.optional(secret),
    api: v.optional(oneOf(['v1', 'v2']), 'v1'),
    org: v.optional(label),
    buckets: v.optional(bucketTable, {}),
    'http-user': v.optional(secret),
    'http-pass': v.optional(secret),
    token: v.optional(token),
    'ca-pem': v.optionalAsync(pemFile(readFile, 'CERTIFICATE')),
    'skip-tls-verification': v.optional(flag, false),
    timeout: v.optional(duration, '10s'),
    'buffer-size-mb': v.optional(whole(0), 0),
    'buffer-path': v.optional(path),
    'buffer-max-age': v.optional(age),
    'buffer-full': v.optional(oneOf(['reject', 'drop-oldest', 'drop-newest']), 'reject'),
    'replay-rate-limit': v.optional(whole(0, 10 ** 12), 0),
    'max-batch-kb': wholeOr(512),
    'max-delay-interval': v.optional(duration, '10s'),
    'max-in-flight': v.optional(whole(1, 64), 1),
    gzip: v.optional(flag, false),
    read: v.optional(flag),
    weight: v.optional(whole(0, 1000), 1),
    'query-timeout': v.optional(duration, '5m'),
  })

type HttpOutputKeys = v.InferOutput<ReturnType<typeof httpOutputKeys>>

/** The schema of an output that takes writes by HTTP. */
export const httpOutput = (readFile: ReadFile) =>
  v.pipeAsync(
    httpOutputKeys(readFile),
    v.check((output) => credentialsOf(output).length < 2, 'give one kind of credentials, not two'),
    v.check(
      (output) => (output.username ?? output['http-user'] ?? '') !== '' || !passwordOf(output),
      'a password needs a username beside it',
    ),
    v.check(
      (output) => !(output.username ?? output['http-user'])?.includes(':') || !!passwordOf(output),
      NO_PASSWORD,
    ),
    v.check(
      (output) => output['replay-rate-limit'] === 0 || output['buffer-size-mb'] > 0,
      'a replay-rate-limit needs a buffer on disk: set buffer-size-mb, and the top-level data-dir',
    ),
    v.check(
      ({ api, org, token }) => api === 'v1' || (org !== undefined && token !== undefined),
      'api = "v2" needs the keys org and token',
    ),
    v.check(
      ({ api, org, buckets }) =>
        api === 'v2' || (org === undefined && Object.keys(buckets).length === 0),
      'the keys org and buckets need api = "v2" beside them',
    ),
    v.check(
      ({ api, read }) => api === 'v1' || read !== true,
      'an output with api = "v2" answers no queries: remove read = true',
    ),
    v.check(
      ({ api, endpoints }) => api === 'v1' || endpoints === undefined,
      'an output with api = "v2" has no endpoints: its location is the URL of the server',
    ),
    v.transform(toBackend),
  )

function toBackend(output: HttpOutputKeys): BackendOptions {
  const { host, origin, pathname } = output.location.url
  const isV2 = output.api === 'v2'
  const urlOf = (path: string) => new URL(origin + path).href
  const other = (path: string, key?: 'query' | 'write_prom') =>
    urlOf(otherPath(pathname, output.endpoints, path, key))
  return {
    name: output.name ?? host,
    writeUrl: urlOf(isV2 ? v2WritePath(pathname) : writePath(pathname, output.endpoints)),
    v2: v2Of(output),
    queryUrl: other('query', 'query'),
    remoteWriteUrl: isV2 ? undefined : other('api/v1/prom/write', 'write_prom'),
    remoteReadUrl: other('api/v1/prom/read'),
    fluxUrl: other('api/v2/query'),
    isRead: output.read ?? !isV2,
    createsDatabases: false,
    weight: output.weight,
    queryTimeoutMs: output['query-timeout'],
    authorization: credentialsOf(output)[0],
    timeoutMs: output.timeout,
    bufferBytes: output['buffer-size-mb'] * MIB,
    maxBatchBytes: output['max-batch-kb'] * 1024,
    maxDelayMs: output['max-delay-interval'],
    maxInFlight: output['max-in-flight'],
    replayRate: output['replay-rate-limit'],
    pendingBytes: MAX_PENDING_MB * MIB,
    lanesBytes: MAX_LANES_MB * MIB,
    folder: output['buffer-path'],
    whenFull: output['buffer-full'],
    maxAgeMs: output['buffer-max-age'],
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

/** Below the location, which may also be an endpoint for writes. */
function v2WritePath(path: string): string {
  return `${path.replace(/(\/api\/v2)?(\/write)?\/?$/, '')}/api/v2/write`
}

function v2Of({ api, org = '', buckets }: HttpOutputKeys): V2Options | undefined {
  if (api === 'v1') return undefined
  return { org, buckets: new Map(Object.entries(buckets)) }
}

/**
 * Another endpoint than that for writes: beside it, unless `endpoints` says otherwise.
 *
 * @param path of the location
 */
function otherPath(
  path: string,
  endpoints: HttpOutputKeys['endpoints'],
  influxdPath: string,
  key: 'query' | 'write_prom' | undefined,
): string {
  const base = path.replace(/\/$/, '')
  if (!endpoints) return `${base.replace(/\/write$/, '')}/${influxdPath}`
  const given = key && endpoints[key]
  return `${base}/${(given ?? influxdPath).replace(/^\//, '')}`
}

/** The Authorization headers that the keys of an output give, one for each kind of credentials. */
function credentialsOf(output: HttpOutputKeys): string[] {
  const found: string[] = []
  if (output.token) found.push(`Token ${output.token}`)
  if (output.username) found.push(userAuthorization(output.username, passwordOf(output)))
  if (output['http-user']) found.push(userAuthorization(output['http-user'], passwordOf(output)))
  if (output.location.authorization) found.push(output.location.authorization)
  return found
}

function passwordOf(output: HttpOutputKeys): string {
  return output.password ?? output['http-pass'] ?? ''
}

/** The schema of an output that gets datagrams. */
export const udpOutput = v.pipe(
  table({
    name: v.optional(label),
    location: address,
    mtu: wholeOr(1024, 65_507),
  }),
  v.transform(
    ({ name, location, mtu }): UdpOutput => ({
      name: name ?? formatAddress(location),
      // An empty host means this machine, as in Go.
      address: { ...location, host: location.host || 'localhost' },
      mtu,
    }),
  ),
)

/** Whether the location of an output is a URL, which no output for datagrams has. */
export function hasUrl(output: unknown): boolean {
  const location = (output as { location?: unknown } | null)?.location
  return typeof location === 'string' && location.includes('://')
}

/** The schema of a key `output`. */
export const outputs = <Output extends OutputSchema>(output: Output) => {
  const message = 'expected at least one output: { name = "…", location = "…" }'
  return v.pipeAsync(
    v.arrayAsync(output, message),
    v.minLength(1, message),
    distinct('output name', (list: v.InferOutput<Output>[]) =>
      list.map(({ name }, i): Placed => [name, [i, 'name']]),
    ),
  )
}

type OutputSchema =
  | v.GenericSchema<unknown, { readonly name: string }>
  | v.GenericSchemaAsync<unknown, { readonly name: string }>
