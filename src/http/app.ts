/** The relay's HTTP interface: a Hono app, which is a function from Request to Response. */

import { Hono } from 'hono'
import type { Backend } from '../backend/backend.ts'
import type { HttpConfig } from '../config/config.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import { v1DestinationOf, v2DestinationOf } from '../influxdb/destination.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Log } from '../observe/log.ts'
import { Peers } from '../peers/peers.ts'
import { QueryRouter } from '../query/query-router.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { withCors } from './cors.ts'
import { notForOneServer } from './flux-request.ts'
import { PeerHandlers } from './peer.ts'
import { health, ping, status } from './probes.ts'
import { createQueryHandler } from './query.ts'
import { queryReady, ready } from './readiness.ts'
import { createReadHandlers } from './reads.ts'
import { refusalOfRemoteWrite } from './remote-write.ts'
import { createWriteHandler, type FindDestination } from './write.ts'

const WRITE_METHODS = 'OPTIONS, POST'
const QUERY_METHODS = 'GET, OPTIONS, POST'
const PROBE_METHODS = 'GET, HEAD, OPTIONS'

/** The endpoint of influxd for remote writes of Prometheus. */
const REMOTE_WRITE = '/api/v1/prom/write'

/** Of influxd, too: remote reads, and Flux. */
const REMOTE_READ = '/api/v1/prom/read'
const FLUX = '/api/v2/query'

/** Of InfluxDB 2, and of 1.x after 1.8. */
const DELETE = '/api/v2/delete'

/** The methods of each path. */
const METHODS = new Map([
  ['/write', WRITE_METHODS],
  ['/api/v2/write', WRITE_METHODS],
  [REMOTE_WRITE, WRITE_METHODS],
  ['/ping', PROBE_METHODS],
  ['/status', PROBE_METHODS],
  ['/health', PROBE_METHODS],
  ['/ready', PROBE_METHODS],
])

/** How many destinations are remembered, and the longest name of one: together about two megabytes. */
const MAX_DESTINATIONS = 1024
const MAX_REMEMBERED_LENGTH = 512

/** What an app must know of the rest of its process. */
export interface AppSurroundings {
  /** All outputs that write to the same server as a backend, also the outputs of other relays. */
  outputsOf?(backend: Backend): readonly Backend[]
  /** Whether the process is about to stop. */
  isStopping?(): boolean
  /** Whether all relays of the process have read what is on disk. */
  isStarted?(): boolean
  /** Other relays in front of the same servers. */
  readonly peers?: Peers
}

/**
 * An app that relays writes. It opens no socket: any server of Request and Response can host it.
 *
 * @param config the `[[http]]` block
 * @param relay delivers the writes to the block's backends
 */
export function createApp(
  config: HttpConfig,
  relay: Relay,
  runtime: Runtime,
  log: Log,
  {
    outputsOf = (backend) => [backend],
    isStopping = () => false,
    isStarted = () => true,
    peers = new Peers([], runtime, log),
  }: AppSurroundings = {},
): Hono {
  const app = new Hono()
  const router = new QueryRouter(relay.backends, outputsOf, config, runtime, log, peers)
  const write = createWriteHandler(config, relay, runtime, log)
  const policy = config.defaultRetentionPolicy
  const findV1 = remember((search, authorization) => v1DestinationOf(search, authorization, policy))
  const findV2 = remember((search, authorization) => v2DestinationOf(search, authorization, policy))
  app.post('/write', (c) => write(c.req.raw, findV1, 'points'))
  app.post('/api/v2/write', (c) => write(c.req.raw, findV2, 'points'))
  app.post(REMOTE_WRITE, (c) => {
    const refusal = refusalOfRemoteWrite(c.req.raw.headers, relay.backends)
    return refusal ? toResponse(refusal) : write(c.req.raw, findV1, 'remote-write')
  })
  app.get('/ping', (c) => ping(c.req.raw, config.pingStatus))
  app.get('/ready', () => ready(isStopping()))
  const methodsOf = new Map(METHODS)
  if (config.isQueryable) {
    methodsOf.set('/query', QUERY_METHODS)
    const query = createQueryHandler(config, relay, router, runtime, log)
    // Not HEAD: influxd does not know it here.
    app.on(['GET', 'POST'], '/query', (c) =>
      c.req.raw.method === 'HEAD' ? methodNotAllowed(QUERY_METHODS) : query(c.req.raw),
    )
    const { remoteRead, flux } = createReadHandlers(config, router, runtime, log)
    app.post(REMOTE_READ, (c) => remoteRead(c.req.raw))
    app.post(FLUX, (c) => flux(c.req.raw))
    app.post(DELETE, () => toResponse(notForOneServer('a deletion is a change')))
    for (const path of [REMOTE_READ, FLUX, DELETE]) methodsOf.set(path, WRITE_METHODS)
    app.get('/ready/query/:output', (c) => queryReady(router, c.req.param('output')))
  }
  const peer = new PeerHandlers(router, peers)
  app.use('/peer/*', async (_, next) => (isStarted() ? next() : starting()))
  app.get('/peer/behind', (c) => peer.behind(c.req.raw))
  app.get('/peer/kept', () => peer.kept())
  app.post('/peer/kept', (c) => peer.hear(c.req.raw))
  app.get('/status', () => status())
  app.get('/health', () => health())
  for (const [path, allow] of methodsOf) {
    app.options(path, () => new Response(null, { status: 204, headers: { allow } }))
  }
  app.notFound((c) => {
    const methods = methodsOf.get(c.req.path)
    return methods === undefined ? notFound(config.isQueryable) : methodNotAllowed(methods)
  })
  app.onError((error) => {
    log.error('request failed', { reason: error.stack ?? error.message })
    return toResponse(errorAnswer(500, 'internal error of the relay'))
  })
  app.fetch = withCors(app.fetch)
  return app
}

/** Remembers the destinations of recent short query strings: most clients repeat theirs. */
function remember(find: FindDestination): FindDestination {
  const known = new Map<string, ReturnType<FindDestination>>()
  return (search, authorization) => {
    const key = `${search}\n${authorization ?? ''}`
    if (key.length > MAX_REMEMBERED_LENGTH) return find(search, authorization)
    let found = known.get(key)
    if (found === undefined) {
      if (known.size >= MAX_DESTINATIONS) known.clear()
      found = find(search, authorization)
      known.set(key, found)
    }
    return found
  }
}

function notFound(isQueryable: boolean): Response {
  const message = `not found: this relay serves /write${isQueryable ? ', /query and /ping' : ' and /ping, and no queries'}`
  return toResponse(errorAnswer(404, message))
}

/** What a relay keeps is not known before it has read its disk. */
function starting(): Response {
  return toResponse(errorAnswer(503, 'the relay is starting'))
}

function methodNotAllowed(allow: string): Response {
  const response = toResponse(errorAnswer(405, 'method not allowed'))
  response.headers.set('allow', allow)
  return response
}
