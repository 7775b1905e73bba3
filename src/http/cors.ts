/** Cross-origin requests, as influxd answers them: a page of any origin may write. */

import type { FetchHandler } from '../runtime.ts'
import { firstOf } from './headers.ts'

const HEADERS = {
  'access-control-allow-methods': 'DELETE, GET, OPTIONS, POST, PUT',
  'access-control-allow-headers':
    'Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, X-HTTP-Method-Override',
  'access-control-expose-headers': 'Date, X-InfluxDB-Version, X-InfluxDB-Build',
}

/** Lets the pages of any origin read what a handler answers, errors included. */
export function withCors(handler: FetchHandler): FetchHandler {
  return (request) => {
    const origin = firstOf(request.headers.get('origin'))
    return origin ? allow(origin, handler(request)) : handler(request)
  }
}

async function allow(origin: string, answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer
  response.headers.set('access-control-allow-origin', origin)
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value)
  return response
}
