/** Writes: reads one, gives it to the relay, and answers as influxd does. */

import type { HttpConfig } from '../config/config.ts'
import { type Answer, STORED } from '../influxdb/answer.ts'
import { atLeast } from '../influxdb/consistency.ts'
import type { Destination } from '../influxdb/destination.ts'
import { timestampIn } from '../influxdb/precision.ts'
import { searchOf } from '../influxdb/query-string.ts'
import { toResponse } from '../influxdb/response.ts'
import { stamp, withoutTimestamp } from '../influxdb/stamp.ts'
import { opaque, type Write } from '../influxdb/write.ts'
import { Reservation } from '../limits/budget.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import { Backpressure } from '../relay/backpressure.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { firstAuthorization } from './headers.ts'
import { BodyError, createBodyReading, noRoom, readBody } from './request-body.ts'

/** The destination that a query string and an Authorization header name, or the answer that refuses them. */
export type FindDestination = (
  search: string,
  authorization: string | undefined,
) => Destination | Answer

/** To read the lines of a larger body takes milliseconds. */
const MAX_STAMPED_AT_ONCE_BYTES = 1024 * 1024

/** Passes of the event loop in which a small write is served: accepted, read, sent, stored, answered. */
const SMALL_WRITE_PASSES = 5

/** A handler of writes of each kind. */
export type WriteHandler = (
  request: Request,
  find: FindDestination,
  kind: 'points' | 'remote-write',
) => Promise<Response>

export function createWriteHandler(
  config: HttpConfig,
  relay: Relay,
  runtime: Runtime,
  log: Log,
): WriteHandler {
  const { clock, buffers } = runtime
  const { reading, pending, announced } = createBodyReading(runtime, config.maxPendingBytes)
  const { turns } = reading
  /** influxd does not inflate the body of a remote write either. */
  const readingAsSent = { ...reading, gunzip: undefined }
  const refused = new RepeatedWarning(clock, log, 'write refused')
  const backpressure = new Backpressure(
    clock,
    relay.backends.map(({ queue }) => queue),
  )
  const recycle = (bytes: Uint8Array) => buffers.give(bytes)
  let requests = 0

  return async (request, find, kind) => {
    const reservation = new Reservation(pending)
    requests++
    try {
      const destination = find(
        searchOf(request.url),
        firstAuthorization(request.headers.get('authorization')),
      )
      if ('status' in destination) return toResponse(destination)
      // Bun cannot limit connections, so each request is counted.
      if (requests > config.maxConnections) throw tooManyRequests()
      const pause = backpressure.pause()
      if (pause) await pause
      const isPoints = kind === 'points'
      const readingBody = isPoints ? reading : readingAsSent
      const body = await readBody(request, config, reservation, announced, readingBody)
      let added = ''
      const timestamp = () => {
        added = timestampIn(destination.precision, clock.wallNanoseconds())
        return added
      }
      if (body.length > MAX_STAMPED_AT_ONCE_BYTES) await turns.next(SMALL_WRITE_PASSES)
      const memory = {
        take(length: number) {
          // Of very short lines, the timestamps take several times as much as the body.
          if (!reservation.grow(length - body.length)) throw noRoom()
          return buffers.take(length)
        },
      }
      const points = isPoints ? stamp(body, timestamp, memory) : opaque(body)
      if (points.bytes !== body) buffers.give(body)
      const asked = destination.consistency ?? config.consistency
      const consistency = atLeast(config.minConsistency, asked)
      const write: Write = { kind, destination, points, consistency, recycle }
      const answer = await relay.accept(write)
      if (answer === STORED) return new Response(null, { status: 204 })
      return toResponse(added === '' ? answer : withoutTimestamp(answer, added))
    } catch (error) {
      if (!(error instanceof BodyError)) throw error
      refused.report({ status: error.answer.status, reason: error.message })
      return error.toResponse()
    } finally {
      requests--
      reservation.giveBack()
    }
  }
}

function tooManyRequests(): BodyError {
  return new BodyError(503, 'too many requests in flight', { retryAfter: '1' })
}
