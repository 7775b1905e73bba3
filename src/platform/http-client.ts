/**
 * A fetch for one backend on node:http and node:https, which work alike on Bun, Deno and Node.js.
 *
 * No runtime's own fetch will do for every backend: none can read influxd's errors when they copy a control
 * byte of a bad line into a header, Deno's cannot skip verification for one server, all honour HTTP_PROXY
 * or need an extra package to say how TLS is verified.
 */

import * as http from 'node:http'
import * as https from 'node:https'
import { isIP, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { printable } from '../influxdb/answer.ts'
import type { Fetch, FetchOptions, FetchRequest } from '../runtime.ts'

/** Idle connections that are kept for later requests. */
const MAX_IDLE_CONNECTIONS = 64

/** A copy of a body up to this size costs less than a packet of its own. */
const MAX_JOINED_BYTES = 64 * 1024

/** Statuses whose Response must not have a body. */
const NO_BODY = new Set([204, 205, 304])

/** A backend's address in the form that node:http wants. */
type Target = Pick<https.RequestOptions, 'protocol' | 'hostname' | 'port' | 'agent' | 'servername'>

/** A kept-alive connection was closed by the server before any byte of an answer. */
class StaleConnectionError extends Error {}

export function createFetch(options: FetchOptions): Fetch {
  const agents = createAgents(options)
  let target: Target = {}
  let origin = ''
  return async (url, init) => {
    const path = url.indexOf('/', url.indexOf('://') + 3)
    if (url.slice(0, path) !== origin) {
      origin = url.slice(0, path)
      target = targetOf(origin, agents)
    }
    try {
      return await send({ ...target, path: url.slice(path) }, init)
    } catch (error) {
      // The server closed the connection while it was idle, so it has not seen the request.
      if (!(error instanceof StaleConnectionError)) throw error
      return send({ ...target, path: url.slice(path), agent: false }, init)
    }
  }
}

function createAgents({ ca, skipTlsVerification }: FetchOptions) {
  const pool = {
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    noDelay: true,
    scheduling: 'lifo', // so that connections that are not needed become old, and are closed
  } as const
  const verification = {
    ca,
    rejectUnauthorized: !skipTlsVerification,
    minVersion: 'TLSv1.2',
  } as const
  return {
    http: watched(new http.Agent(pool)),
    https: watched(new https.Agent({ ...pool, ...verification })),
  }
}

/** Has an agent close idle connections on which the server says something: it would answer the next request. */
function watched<Agent extends http.Agent>(agent: Agent): Agent {
  const { keepSocketAlive, reuseSocket } = agent
  function destroy(this: Socket) {
    this.destroy()
  }
  agent.keepSocketAlive = (socket) => {
    socket.on('data', destroy)
    return keepSocketAlive.call(agent, socket)
  }
  agent.reuseSocket = (socket, request) => {
    socket.off('data', destroy)
    reuseSocket.call(agent, socket, request)
  }
  return agent
}

function targetOf(origin: string, agents: ReturnType<typeof createAgents>): Target {
  const { protocol, hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const address = { protocol, hostname: host, ...(port === '' ? {} : { port }) }
  if (protocol === 'http:') return { ...address, agent: agents.http }
  return { ...address, agent: agents.https, servername: isIP(host) ? '' : host }
}

/** Sends a request. A success resolves once the body is sent, any other answer as soon as it begins. */
function send(
  target: http.RequestOptions,
  { method, headers, body = new Uint8Array(0), signal }: FetchRequest,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { request: start } = target.protocol === 'https:' ? https : http
    const request = start({
      ...target,
      method,
      headers: { ...headers, 'content-length': body.length },
      insecureHTTPParser: true,
    })
    const abort = () => request.destroy(signal.reason)
    let bytesBefore = 0
    request.on('socket', (socket) => {
      bytesBefore = socket.bytesRead
    })
    request.on('error', (error) => {
      const isStale = request.reusedSocket && request.socket?.bytesRead === bytesBefore
      reject(isStale && !signal.aborted ? new StaleConnectionError() : error)
    })
    request.on('close', () => signal.removeEventListener('abort', abort))
    request.on('response', (incoming) => {
      const response = toResponse(incoming)
      if (request.writableFinished) return resolve(response)
      if (response.ok) return request.once('finish', () => resolve(response))
      // The server may not read the rest of the request.
      request.shouldKeepAlive = false
      resolve(response)
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    // A short body as a string goes out together with the head.
    if (body.length <= MAX_JOINED_BYTES) request.end(latin1(body), 'latin1')
    else request.end(body)
  })
}

function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1')
}

function toResponse(incoming: http.IncomingMessage): Response {
  const { statusCode: status = 0, headers: received } = incoming
  const headers: Record<string, string> = {}
  for (const name in received) headers[name] = printable(String(received[name]))
  if (!NO_BODY.has(status)) {
    const body = Readable.toWeb(incoming) as unknown as ReadableStream
    return new Response(body, { status, headers })
  }
  incoming.resume() // gives the connection back
  return new Response(null, { status, headers })
}
