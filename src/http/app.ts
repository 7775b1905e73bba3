/** The relay's HTTP interface: a Hono app, which is a function from Request to Response. */

import { Hono } from 'hono'
import type { Backend } from '../backend/backend.ts'
import type { HttpConfig } from '../config/config.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import { type Destination, v1DestinationOf, v2DestinationOf } from '../influxdb/destination.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Log } from '../observe/log.ts'
import { QueryRouter } from '../query/query-router.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { ping } from './ping.ts'
import { createQueryHandler } from './query.ts'
import { queryReady, ready } from './readiness.ts'
import { createWriteHandler, type FindDestination } from './write.ts'

const WRITE_METHODS = 'OPTIONS, POST'
const QUERY_METHODS = 'GET, OPTIONS, POST'

/** The methods of each path. */
const METHODS = new Map([
  ['/write', WRITE_METHODS],
  ['/api/v2/write', WRITE_METHODS],
  ['/ping', 'GET, HEAD'],
])

/** How many destinations are remembered. */
const MAX_DESTINATIONS = 1024

/** What an app must know of the rest of its process. */
export interface AppSurroundings {
  /** All outputs that write to the same server as a backend, those of other relays, too. */
  outputsOf?(backend: Backend): readonly Backend[]
  /** Whether the process has been told to stop. */
  isStopping?(): boolean
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
  { outputsOf = (backend) => [backend], isStopping = () => false }: AppSurroundings = {},
): Hono {
  const app = new Hono()
  const write = createWriteHandler(config, relay, runtime, log)
  for (const [path, destinationOf] of [
    ['/write', v1DestinationOf],
    ['/api/v2/write', v2DestinationOf],
  ] as const) {
    const find = remember((search, authorization) =>
      destinationOf(search, authorization, config.defaultRetentionPolicy),
    )
    app.post(path, (c) => write(c.req.raw, find))
    app.options(path, () => new Response(null, { status: 204, headers: { allow: WRITE_METHODS } }))
  }
  app.get('/ping', (c) => ping(c.req.raw, config.pingStatus))
  app.get('/ready', () => ready(isStopping()))
  if (config.isQueryable) {
    const router = new QueryRouter(relay.backends, outputsOf, config, runtime, log)
    const query = createQueryHandler(config, router, runtime, log)
    // Not HEAD: influxd does not know it here.
    app.on(['GET', 'POST'], '/query', (c) =>
      c.req.raw.method === 'HEAD' ? methodNotAllowed(QUERY_METHODS) : query(c.req.raw),
    )
    app.options(
      '/query',
      () => new Response(null, { status: 204, headers: { allow: QUERY_METHODS } }),
    )
    app.get('/ready/query/:output', (c) => queryReady(router, c.req.param('output')))
  }
  app.notFound((c) => {
    const methods =
      c.req.path === '/query' && config.isQueryable ? QUERY_METHODS : METHODS.get(c.req.path)
    return methods === undefined ? notFound(config.isQueryable) : methodNotAllowed(methods)
  })
  app.onError((error) => {
    log.error('request failed', { reason: error.stack ?? error.message })
    return toResponse(errorAnswer(500, 'internal error of the relay'))
  })
  return app
}

/** Remembers the destinations of recent query strings: most clients repeat theirs. */
function remember(find: FindDestination): FindDestination {
  const known = new Map<string, Destination | undefined>()
  return (search, authorization) => {
    const key = `${search}\n${authorization ?? ''}`
    if (!known.has(key)) {
      if (known.size >= MAX_DESTINATIONS) known.clear()
      known.set(key, find(search, authorization))
    }
    return known.get(key)
  }
}

function notFound(isQueryable: boolean): Response {
  const message = `not found: this relay serves /write${isQueryable ? ', /query and /ping' : ' and /ping, and no queries'}`
  return toResponse(errorAnswer(404, message))
}

function methodNotAllowed(allow: string): Response {
  const response = toResponse(errorAnswer(405, 'method not allowed'))
  response.headers.set('allow', allow)
  return response
}
