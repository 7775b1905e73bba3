/** `/write`: reads a write, gives it to the relay, and answers as influxd does. */

import type { HttpConfig } from '../config/config.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { timestampIn } from '../influxdb/precision.ts'
import { toResponse } from '../influxdb/response.ts'
import { stamp } from '../influxdb/stamp.ts'
import type { Write } from '../influxdb/write.ts'
import { Budget, Reservation } from '../limits/budget.ts'
import { coarseTimers } from '../limits/coarse-timers.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import { Backpressure } from '../relay/backpressure.ts'
import { STORED } from '../relay/fan-out.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { firstAuthorization } from './headers.ts'
import { BodyError, readBody } from './request-body.ts'

/** The destination that a query string and an Authorization header name, if they name one. */
export type FindDestination = (
  search: string,
  authorization: string | undefined,
) => Destination | undefined

export type WriteHandler = (request: Request, find: FindDestination) => Promise<Response>

export function createWriteHandler(
  config: HttpConfig,
  relay: Relay,
  runtime: Runtime,
  log: Log,
): WriteHandler {
  const { clock, buffers, gunzip } = runtime
  const reading = { clock: { ...clock, after: coarseTimers(clock) }, buffers, gunzip }
  const pending = new Budget(config.maxPendingBytes)
  const refused = new RepeatedWarning(clock, log, 'write refused')
  const backpressure = new Backpressure(
    clock,
    relay.backends.map(({ queue }) => queue),
  )
  const recycle = (bytes: Uint8Array) => buffers.give(bytes)
  let requests = 0

  return async (request, find) => {
    const reservation = new Reservation(pending)
    requests++
    try {
      const destination = find(
        searchOf(request.url),
        firstAuthorization(request.headers.get('authorization')),
      )
      if (!destination) return toResponse(errorAnswer(400, 'database is required'))
      // Bun cannot limit connections, so each request is counted.
      if (requests > config.maxConnections) throw tooManyRequests()
      const pause = backpressure.pause()
      if (pause) await pause
      const body = await readBody(request, config, reservation, reading)
      const timestamp = () => timestampIn(destination.precision, clock.wallNanoseconds())
      const points = stamp(body, timestamp, buffers)
      if (points.bytes !== body) buffers.give(body)
      const consistency = destination.consistency ?? config.consistency
      const write: Write = { kind: 'points', destination, points, consistency, recycle }
      const answer = await relay.accept(write)
      return answer === STORED ? new Response(null, { status: 204 }) : toResponse(answer)
    } catch (error) {
      if (!(error instanceof BodyError)) throw error
      refused.report({ status: error.answer.status, reason: error.message })
      const response = toResponse(error.answer)
      if (error.mustClose) response.headers.set('connection', 'close')
      return response
    } finally {
      requests--
      reservation.release()
    }
  }
}

/** The query string of a URL, with its question mark. */
function searchOf(url: string): string {
  const cut = url.indexOf('?')
  return cut < 0 ? '' : url.slice(cut)
}

function tooManyRequests(): BodyError {
  return new BodyError(503, 'too many requests in flight', { retryAfter: '1' })
}
