/** The HTTP half of the relay: a Hono app, a function from Request to Response. */

import { type Context, Hono } from 'hono'
import type { HttpConfig } from '../config/config.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { type Destination, v1DestinationOf, v2DestinationOf } from '../influxdb/destination.ts'
import { timestampIn } from '../influxdb/precision.ts'
import { parameters } from '../influxdb/query-string.ts'
import { toResponse } from '../influxdb/response.ts'
import { stamp } from '../influxdb/stamp.ts'
import { Budget, Reservation } from '../limits/budget.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import { Backpressure } from '../relay/backpressure.ts'
import { STORED } from '../relay/fan-out.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { BodyError, readBody } from './request-body.ts'

/**
 * The version of InfluxDB whose HTTP interface the relay speaks. Clients parse it and choose by it what
 * they send, so it is one that an InfluxDB 1.x could have.
 */
const INFLUXDB_VERSION = '1.8.0'

const WRITE_METHODS = 'OPTIONS, POST'

/** What each path can be asked for. */
const METHODS = new Map([
  ['/write', WRITE_METHODS],
  ['/api/v2/write', WRITE_METHODS],
  ['/ping', 'GET, HEAD'],
])

/** The answer to nearly every write. A server need not write it down anew each time. */
const NO_CONTENT = new Response(null, { status: 204 })

/** Destinations that are remembered. */
const MAX_DESTINATIONS = 1024

/**
 * An app that relays writes. It opens no socket: whatever has Request and Response can host it.
 *
 * @param config the `[[http]]` block
 * @param relay gives the writes to the block's backends
 */
export function createApp(config: HttpConfig, relay: Relay, runtime: Runtime, log: Log): Hono {
  const app = new Hono()
  const write = createWriteHandler(config, relay, runtime, log)
  for (const [path, destinationOf] of [
    ['/write', v1DestinationOf],
    ['/api/v2/write', v2DestinationOf],
  ] as const) {
    const find = remembering((search, authorization) =>
      destinationOf(search, authorization, config.defaultRetentionPolicy),
    )
    app.post(path, (c) => write(c.req.raw, find))
    app.options(path, () => new Response(null, { status: 204, headers: { allow: WRITE_METHODS } }))
  }
  app.get('/ping', (c) => ping(c, config.pingStatus))
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

type FindDestination = (
  search: string,
  authorization: string | undefined,
) => Destination | undefined

/** Takes each query string apart only once. */
function remembering(find: FindDestination): FindDestination {
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

function createWriteHandler(config: HttpConfig, relay: Relay, runtime: Runtime, log: Log) {
  const pending = new Budget(config.maxPendingBytes)
  const refused = new RepeatedWarning(runtime.clock, log, 'write refused')
  const { buffers } = runtime
  const pacer = new Backpressure(
    runtime.clock,
    relay.backends.map(({ queue }) => queue),
  )
  const recycle = (bytes: Uint8Array) => buffers.give(bytes)

  const relayWrite = async (
    request: Request,
    find: FindDestination,
    reservation: Reservation,
  ): Promise<Answer> => {
    const cut = request.url.indexOf('?')
    const search = cut < 0 ? '' : request.url.slice(cut)
    const destination = find(search, request.headers.get('authorization') ?? undefined)
    if (!destination) return errorAnswer(400, 'database is required')
    const pause = pacer.pause()
    if (pause) await pause
    const body = await readBody(request, config.maxBodyBytes, reservation, runtime)
    const points = stamp(
      body,
      () => timestampIn(destination.precision, runtime.clock.wallNanoseconds()),
      buffers,
    )
    if (points.bytes !== body) buffers.give(body)
    const consistency = destination.consistency ?? config.consistency
    return relay.accept({ kind: 'points', destination, points, consistency, recycle })
  }

  return async (request: Request, find: FindDestination): Promise<Response> => {
    const reservation = new Reservation(pending)
    try {
      const answer = await relayWrite(request, find, reservation)
      return answer === STORED ? NO_CONTENT : toResponse(answer)
    } catch (error) {
      if (!(error instanceof BodyError)) throw error
      refused.report({ status: error.answer.status, reason: error.message })
      return toResponse(error.answer)
    } finally {
      reservation.release()
    }
  }
}

function ping(c: Context, status: 200 | 204): Response {
  const headers = { 'x-influxdb-version': INFLUXDB_VERSION, 'x-influxdb-build': 'relay' }
  const verbose = parameters(new URL(c.req.url).search).get('verbose') ?? ''
  if (['', '0', 'false'].includes(verbose)) return new Response(null, { status, headers })
  return Response.json({ version: INFLUXDB_VERSION }, { headers })
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
