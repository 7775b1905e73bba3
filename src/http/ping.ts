/** `/ping`: what clients ask to learn whether a server is there, and which version it has. */

import { parameters } from '../influxdb/query-string.ts'

/**
 * The version of InfluxDB whose HTTP interface the relay speaks. Clients parse it and choose by it what
 * they send, so it is one that an InfluxDB 1.x could have.
 */
const INFLUXDB_VERSION = '1.8.0'

export function ping(request: Request, status: 200 | 204): Response {
  const headers = { 'x-influxdb-version': INFLUXDB_VERSION, 'x-influxdb-build': 'relay' }
  const verbose = parameters(new URL(request.url).search).get('verbose') ?? ''
  if (['', '0', 'false'].includes(verbose)) return new Response(null, { status, headers })
  return Response.json({ version: INFLUXDB_VERSION }, { headers })
}
