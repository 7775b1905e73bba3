/**
 * A fetch for one backend, made of node:http, which all three runtimes have.
 *
 * Their own fetch will not do: none can read influxd's errors when they echo a control byte of a bad line
 * in a header, Deno's cannot skip verification for one server, Bun's shares 256 requests among all, and
 * each names network errors in its own way.
 */

import * as http from 'node:http'
import * as https from 'node:https'
import { printable } from './answer.ts'
import type { Fetch, FetchOptions } from './runtime.ts'

/** Idle connections that are kept for later requests. */
const MAX_IDLE_CONNECTIONS = 64

/** What is read of an answer; the rest is discarded. influxd quotes every bad line in its errors. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

const STALE_CONNECTION = new Set(['ECONNRESET', 'EPIPE'])

export function createFetch({ ca, skipTlsVerification }: FetchOptions): Fetch {
  const options = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS }
  const plain = new http.Agent(options)
  const secure = new https.Agent({
    ...options,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !skipTlsVerification,
    ...(ca === undefined ? {} : { ca }),
  })
  const agents: Agents = { plain, secure }
  return async (url, init) => {
    try {
      return await send(url, init, agents)
    } catch (error) {
      if (!(error instanceof StaleConnectionError)) throw error
      // The server closed the connection while it was idle, so it has not seen the request.
      return send(url, init, undefined)
    }
  }
}

interface Agents {
  readonly plain: http.Agent
  readonly secure: https.Agent
}

class StaleConnectionError extends Error {}

/** @param agents undefined for a connection of its own */
function send(
  url: string,
  init: Parameters<Fetch>[1],
  agents: Agents | undefined,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { method, headers, body = new Uint8Array(0), signal } = init
    const isSecure = url.startsWith('https:')
    const agent = agents ? (isSecure ? agents.secure : agents.plain) : false
    const request = (isSecure ? https : http).request(
      url,
      {
        method,
        headers: { ...headers, 'content-length': body.length },
        agent,
        signal,
        insecureHTTPParser: true,
      },
      (response) => {
        collect(response).then((bytes) => resolve(toWeb(response, bytes)), reject)
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && STALE_CONNECTION.has(error.code ?? '')
      reject(stale ? new StaleConnectionError(error.message) : error)
    })
    request.end(body)
  })
}

function collect(response: http.IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let total = 0
    response.on('data', (chunk: Uint8Array) => {
      if (total >= MAX_ANSWER_BYTES) return
      chunks.push(chunk)
      total += chunk.length
    })
    response.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks))))
    response.on('error', reject)
    response.on('aborted', () =>
      reject(new Error('the backend closed the connection in its answer')),
    )
  })
}

function toWeb(response: http.IncomingMessage, bytes: Uint8Array<ArrayBuffer>): Response {
  const headers = new Headers()
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers.set(name, printable(String(value)))
  }
  const status = response.statusCode ?? 0
  return new Response(bytes.length > 0 ? bytes : null, { status, headers })
}
