/** What requests for queries have in common: their bounds, and how a refused one is answered. */

import type { HttpConfig } from '../config/config.ts'
import { Reservation } from '../limits/budget.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Runtime } from '../runtime.ts'
import { BodyError, createBodyReading, readBody } from './request-body.ts'

/** Bytes in memory. */
export interface QueryBounds {
  /** Of all bodies of requests whose queries have not begun. */
  readonly maxPendingBytes: number
  readonly maxBodyBytes: number
}

/** A request that is within the bounds. */
export interface AdmittedQuery {
  /** @param inflate whether a body in gzip is inflated */
  readBody(inflate?: boolean): Promise<Uint8Array>
  /** The query has ended, also for its client. May be called twice. */
  end(): void
}

/** Answers requests, at most `max-connections` at a time. `answer` calls `end` unless it throws. */
export function createQueryAdmission(
  config: HttpConfig,
  { maxPendingBytes, maxBodyBytes }: QueryBounds,
  runtime: Runtime,
  log: Log,
): (request: Request, answer: (query: AdmittedQuery) => Promise<Response>) => Promise<Response> {
  const { reading, pending, announced } = createBodyReading(runtime, maxPendingBytes)
  const limits = { ...config, maxBodyBytes: Math.min(config.maxBodyBytes, maxBodyBytes) }
  const refused = new RepeatedWarning(runtime.clock, log, 'query refused')
  let requests = 0

  return async (request, answer) => {
    const reservation = new Reservation(pending)
    let isOpen = true
    const end = () => {
      if (isOpen) requests--
      isOpen = false
    }
    const read = (inflate = true) => {
      const gunzip = inflate ? reading.gunzip : undefined
      return readBody(request, limits, reservation, announced, { ...reading, gunzip })
    }
    requests++
    try {
      if (requests > config.maxConnections) {
        throw new BodyError(503, 'too many queries', { retryAfter: '1' })
      }
      return await answer({ readBody: read, end })
    } catch (error) {
      end()
      if (!(error instanceof BodyError)) throw error
      refused.report({ status: error.answer.status, reason: error.message })
      return error.toResponse()
    } finally {
      reservation.giveBack()
    }
  }
}
