import * as http from 'node:http'
import * as https from 'node:https'
import { expect } from 'vitest'

export interface RequestOptions {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Without one, the request has a connection of its own. */
  agent?: http.Agent
  /** Certificates that vouch for the server. */
  ca?: string
  /** Reads headers with control bytes too: influxd copies them from a bad line. */
  tolerant?: boolean
}

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

/** Sends one request and reads its answer. No status is an error. */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = 'GET', body, agent = false, ca, tolerant = false } = options
  const start = url.startsWith('https:') ? https.request : http.request
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const headers = { ...length, ...options.headers }
  const all = { method, headers, agent, insecureHTTPParser: tolerant, ...(ca && { ca }) }
  return new Promise((resolve, reject) => {
    const sent = start(url, all, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode = 0, headers } = response
        resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString() })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Writes line protocol to the relay, or the server, at `url`. */
export function write(
  url: string,
  query: string,
  body: string | Uint8Array,
  options: RequestOptions = {},
): Promise<Answer> {
  return request(`${url}/write?${query}`, { method: 'POST', body, ...options })
}

/** Writes, and asserts that the answer is a success. */
export async function store(url: string, query: string, body: string | Uint8Array): Promise<void> {
  const { status, body: answer } = await write(url, query, body)
  expect([status, answer]).toEqual([204, ''])
}
