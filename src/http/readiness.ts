/** Probes for load balancers: whether to send something to the relay, or queries to a server behind it. */

import { errorAnswer } from '../influxdb/answer.ts'
import { toResponse } from '../influxdb/response.ts'
import type { QueryRouter } from '../query/query-router.ts'

/** `/ready`: whether the relay takes writes, and will for longer than its `shutdown-delay`. */
export function ready(isStopping: boolean): Response {
  return isStopping ? unready(503, 'the relay is about to stop') : isReady()
}

/** `/ready/query/<output>`: whether a server has everything that this relay has acknowledged. */
export async function queryReady(router: QueryRouter, output: string): Promise<Response> {
  if (!router.has(output)) return unready(404, 'not found: there is no such output')
  const reason = await router.unreadiness(output)
  return reason === undefined ? isReady() : unready(503, reason)
}

function isReady(): Response {
  return Response.json({ status: 'ready' })
}

function unready(status: 404 | 503, reason: string): Response {
  return toResponse(errorAnswer(status, reason))
}
