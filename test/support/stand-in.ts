/**
 * A stand-in for an InfluxDB 1.x server: a function from Request to Response that keeps its points in
 * memory. It lets the relay's tests and demo run where no influxd is installed.
 *
 * It answers like influxd 1.6 to what a relay sends, and test/contract/stand-in.test.ts holds it to
 * that. What it does not do:
 *
 * - No query but CREATE DATABASE, DROP DATABASE and SHOW DATABASES, one in a request.
 * - Every retention policy exists; influxd answers 500 for one that was not created.
 * - A field may change its type; influxd refuses that with a "field type conflict". The names `time`
 *   and numbers or timestamps beyond 64 bits are taken, too.
 * - No users, no TLS, no limit on the size of a body, no gzip, no UDP, and nothing on disk.
 * - Text that is not UTF-8 is damaged rather than refused.
 */

import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { LineError, type Point, parsePoint, pointLines } from './stand-in-points.ts'

export interface StandIn {
  /** Serves without a socket, too: `app.request('/write?db=d', { method: 'POST', body })`. */
  readonly app: Hono
  /** Every field of every point of a database, as sorted text: the same that a real server's rows() gives. */
  rows(db: string): string[]
  /** How many rows() there are. */
  count(db: string): number
}

/** By retention policy, series, field and time, the value: a later write replaces an earlier one. */
type Database = Map<string, string>
type Databases = Map<string, Database>

const VERSION = { 'X-Influxdb-Version': '1.6.7', 'X-Influxdb-Build': 'OSS' }

/** @param names of the databases that are there from the start */
export function createStandIn(...names: string[]): StandIn {
  const databases: Databases = new Map(names.map((name) => [name, new Map()]))
  const app = new Hono()
  app.get('/ping', noContent) // Hono answers HEAD with the same
  app.post('/write', (c) => write(c, databases))
  app.on(['GET', 'POST'], '/query', (c) => query(c, databases))
  return {
    app,
    rows: (db) => [...(databases.get(db) ?? [])].map(row).sort(),
    count: (db) => databases.get(db)?.size ?? 0,
  }
}

/** A stand-in behind a socket. Stopped, it is as good as dead; started again, it has its data still. */
export class ServedStandIn {
  readonly url: string
  readonly standIn: StandIn
  readonly #port: number
  #server: Server | undefined

  constructor(port: number, standIn: StandIn) {
    this.url = `http://127.0.0.1:${port}`
    this.standIn = standIn
    this.#port = port
  }

  async start(): Promise<void> {
    if (this.#server) return
    const options = { fetch: this.standIn.app.fetch, hostname: '127.0.0.1', port: this.#port }
    this.#server = await new Promise<Server>((resolve, reject) => {
      const server = serve(options, () => resolve(server)) as Server
      server.once('error', reject)
    })
  }

  /** Breaks every connection off, as a killed process would. */
  async stop(): Promise<void> {
    const server = this.#server
    if (!server) return
    this.#server = undefined
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
}

/** Serves a stand-in on a loopback port. */
export async function serveStandIn(
  port: number,
  standIn: StandIn = createStandIn(),
): Promise<ServedStandIn> {
  const served = new ServedStandIn(port, standIn)
  await served.start()
  return served
}

async function write(c: Context, databases: Databases): Promise<Response> {
  const { db, rp, precision = '' } = c.req.query()
  if (!db) return refuse(400, 'database is required')
  const database = databases.get(db)
  if (!database) return refuse(404, `database not found: "${db}"`)
  const lines = pointLines(await c.req.text())
  const errors = lines.flatMap((line) => {
    const point = parse(line)
    if (typeof point === 'string') return [point]
    store(database, rp || 'autogen', point, nanoseconds(point.time, precision))
    return []
  })
  if (errors.length === 0) return noContent()
  const reasons = errors.join('\n')
  if (errors.length === lines.length) return refuse(400, reasons)
  return refuse(400, `partial write: ${reasons} dropped=0`)
}

/** A point, or what influxd has against it. */
function parse(line: string): Point | string {
  try {
    return parsePoint(line)
  } catch (error) {
    if (error instanceof LineError) return error.message
    throw error
  }
}

function store(database: Database, policy: string, { series, fields }: Point, time: bigint): void {
  const place = `${policy.replace(/[\\, ]/g, '\\$&')} ${series}`
  for (const [field, value] of fields) database.set(`${place} ${field}\n${time}`, value)
}

function row([key, value]: [string, string]): string {
  const [field, time] = key.split('\n')
  return `${field}=${value} ${time}`
}

const UNITS = new Map([
  ['u', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])

/** Like influxd, takes a precision that it does not know for nanoseconds. */
function nanoseconds(time: string | undefined, precision: string): bigint {
  const unit = UNITS.get(precision) ?? 1n
  if (time !== undefined) return BigInt(time) * unit
  const now = BigInt(Date.now()) * 1_000_000n
  return now - (now % unit)
}

const STATEMENT = /^\s*(?:(SHOW) DATABASES|(CREATE|DROP) DATABASE "?([^"\s;]+)"?)\s*;?\s*$/i

async function query(c: Context, databases: Databases): Promise<Response> {
  const form = c.req.method === 'POST' ? await c.req.parseBody() : {}
  const q = form.q ?? c.req.query('q')
  if (typeof q !== 'string') return refuse(400, 'missing required parameter "q"')
  const statement = STATEMENT.exec(q)
  if (!statement) return refuse(400, `error parsing query: the stand-in does not know ${q}`)
  const [, show, verb = '', name = ''] = statement
  if (show) {
    return results({ series: [{ name: 'databases', columns: ['name'], ...values(databases) }] })
  }
  if (verb.toUpperCase() === 'DROP') databases.delete(name)
  else if (!databases.has(name)) databases.set(name, new Map())
  return results({})
}

/** influxd leaves an empty list out. */
function values(databases: Databases) {
  return databases.size > 0 ? { values: [...databases.keys()].map((name) => [name]) } : {}
}

function results(result: object): Response {
  return json(200, { results: [{ statement_id: 0, ...result }] })
}

function refuse(status: number, error: string): Response {
  const header = error.slice(0, 1024).replace(/[^\x20-\x7e]/g, ' ')
  return json(status, { error }, { 'X-Influxdb-Error': header })
}

function json(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: { 'Content-Type': 'application/json', ...VERSION, ...headers },
  })
}

function noContent(): Response {
  return new Response(null, {
    status: 204,
    headers: { 'Content-Type': 'application/json', ...VERSION },
  })
}
