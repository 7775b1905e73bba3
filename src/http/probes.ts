/** What clients ask to learn whether a server is there, and which version it has: `/ping` and the like. */

import { parameters } from '../influxdb/query-string.ts'

/**
 * The version of InfluxDB whose HTTP interface the relay speaks. Clients parse it and choose by it what
 * they send, so it is one that an InfluxDB 1.x could have.
 */
const INFLUXDB_VERSION = '1.8.0'

const HEADERS = { 'x-influxdb-version': INFLUXDB_VERSION, 'x-influxdb-build': 'relay' }

/** `/ping`. */
export function ping(request: Request, status: 200 | 204): Response {
  const verbose = parameters(new URL(request.url).search).get('verbose') ?? ''
  if (['', '0', 'false'].includes(verbose)) return new Response(null, { status, headers: HEADERS })
  return Response.json({ version: INFLUXDB_VERSION }, { headers: HEADERS })
}

/** `/status`, which `/ping` has replaced. Old clients still ask it. */
export function status(): Response {
  return new Response(null, { status: 204, headers: HEADERS })
}

/**
 * `/health`, in the form and words of InfluxDB 1.8 and 2.x. It passes while the relay runs, whichever servers
 * are down: the relay takes writes for them, and a load balancer must not take it out of service.
 */
export function health(): Response {
  const report = {
    checks: [],
    message: 'ready for queries and writes',
    name: 'influxdb',
    status: 'pass',
    version: INFLUXDB_VERSION,
  }
  return Response.json(report, { headers: HEADERS })
}
