/** The relay's HTTP interface: a Hono app, which is a function from Request to Response. */

import { Hono } from 'hono'
import type { HttpConfig } from '../config/config.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import { type Destination, v1DestinationOf, v2DestinationOf } from '../influxdb/destination.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Log } from '../observe/log.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { ping } from './ping.ts'
import { createWriteHandler, type FindDestination } from './write.ts'

const WRITE_METHODS = 'OPTIONS, POST'

/** The methods of each path. */
const METHODS = new Map([
  ['/write', WRITE_METHODS],
  ['/api/v2/write', WRITE_METHODS],
  ['/ping', 'GET, HEAD'],
])

/** How many destinations are remembered. */
const MAX_DESTINATIONS = 1024

/**
 * An app that relays writes. It opens no socket: any server of Request and Response can host it.
 *
 * @param config the `[[http]]` block
 * @param relay delivers the writes to the block's backends
 */
export function createApp(config: HttpConfig, relay: Relay, runtime: Runtime, log: Log): Hono {
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
  app.notFound((c) => {
    const methods = METHODS.get(c.req.path)
    return methods === undefined ? notFound() : methodNotAllowed(methods)
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

function notFound(): Response {
  const message = 'not found: this relay serves /write and /ping, and no queries'
  return toResponse(errorAnswer(404, message))
}

function methodNotAllowed(allow: string): Response {
  const response = toResponse(errorAnswer(405, 'method not allowed'))
  response.headers.set('allow', allow)
  return response
}
