/**
 * A stand-in for the write endpoint of InfluxDB 2.x, which answers as its API reference says
 * (https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite). It keeps lines as text.
 */

import type { Server } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { serve } from '@hono/node-server'
import { LineError, parsePoint, pointLines } from './stand-in-points.ts'

export interface V2Bucket {
  readonly org: string
  readonly name: string
}

const PRECISIONS = ['ns', 'us', 'ms', 's']

/** The codes of errors by status. */
const CODES: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'unauthorized',
  404: 'not found',
  413: 'request too large',
  422: 'unprocessable entity',
  429: 'too many requests',
  500: 'internal error',
  503: 'unavailable',
}

export class V2StandIn {
  /** The lines of each bucket, by its name, with the precision of their timestamps. */
  readonly lines = new Map<string, string[]>()
  /** The paths and query strings of all requests. */
  readonly received: string[] = []
  /** Answers in place of the usual one, the next first. */
  readonly next: Response[] = []
  readonly #token: string
  readonly #org: string
  /** The type of each field, by bucket, measurement and name. */
  readonly #types = new Map<string, string>()
  #server: Server | undefined

  constructor(token: string, org: string, ...buckets: string[]) {
    this.#token = token
    this.#org = org
    for (const name of buckets) this.lines.set(name, [])
  }

  get url(): string {
    const address = this.#server?.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  }

  async start(port = 0): Promise<void> {
    const options = {
      fetch: (request: Request) => this.#answer(request),
      hostname: '127.0.0.1',
      port,
    }
    this.#server = await new Promise<Server>((resolve) => {
      const server = serve(options, () => resolve(server)) as Server
    })
  }

  async stop(): Promise<void> {
    const server = this.#server
    const closed = new Promise((resolve) => server?.close(resolve))
    server?.closeAllConnections()
    await closed
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url)
    this.received.push(pathname + search)
    const bytes = new Uint8Array(await request.arrayBuffer())
    const forced = this.next.shift()
    if (forced) return forced
    if (pathname !== '/api/v2/write') return v2Error(404, 'path not found')
    if (request.headers.get('authorization') !== `Token ${this.#token}`) {
      return v2Error(401, 'unauthorized access')
    }
    const org = searchParams.get('org')
    if (org !== this.#org) return v2Error(404, `organization name "${org}" not found`)
    const bucket = searchParams.get('bucket') ?? ''
    const lines = this.lines.get(bucket)
    if (!lines) return v2Error(404, `bucket "${bucket}" not found`)
    const precision = searchParams.get('precision') ?? 'ns'
    if (!PRECISIONS.includes(precision)) {
      return v2Error(400, 'invalid precision; valid precision units are ns, us, ms, and s')
    }
    const isGzip = request.headers.get('content-encoding') === 'gzip'
    const points = pointLines(new TextDecoder().decode(isGzip ? gunzipSync(bytes) : bytes))
    return this.#store(bucket, points, lines, precision)
  }

  #store(bucket: string, points: string[], lines: string[], precision: string): Response {
    let dropped = 0
    let reason = ''
    for (const line of points) {
      try {
        const { series, fields } = parsePoint(line)
        const [measurement] = series.split(',')
        const types = [...fields].map(
          ([name, value]) => [`${bucket} ${measurement} ${name}`, typeOf(value)] as const,
        )
        const conflict = types.find(([key, type]) => (this.#types.get(key) ?? type) !== type)
        if (conflict) {
          dropped++
          reason = `field type conflict: input field "${conflict[0].split(' ').at(-1)}" on measurement "${measurement}" is type ${conflict[1]}, already exists as type ${this.#types.get(conflict[0])}`
          continue
        }
        for (const [key, type] of types) this.#types.set(key, type)
        lines.push(`${line} (${precision})`)
      } catch (error) {
        if (!(error instanceof LineError)) throw error
        return v2Error(400, error.message)
      }
    }
    if (dropped === 0) return new Response(null, { status: 204 })
    const message = `failure writing points to database: partial write: ${reason} dropped=${dropped}`
    return v2Error(422, message)
  }
}

function typeOf(value: string): string {
  if (value.startsWith('"')) return 'string'
  return /^-?\d+i$/.test(value) ? 'integer' : 'float'
}

export function v2Error(status: number, message: string, headers: Record<string, string> = {}) {
  return Response.json({ code: CODES[status], message }, { status, headers })
}
