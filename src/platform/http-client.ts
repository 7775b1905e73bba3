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
import { printable } from '../influxdb/answer.ts'
import { STATUSES_WITHOUT_BODY } from '../influxdb/response.ts'
import type { Fetch, FetchOptions, FetchRequest } from '../runtime.ts'
import { streamOf } from './node-body.ts'

/** Idle connections that are kept for later requests. */
const MAX_IDLE_CONNECTIONS = 64

/** A copy of a body up to this size costs less than a packet of its own. */
const MAX_JOINED_BYTES = 64 * 1024

/** What node:http needs to know of a backend. */
type Target = Pick<
  https.RequestOptions,
  | 'protocol'
  | 'hostname'
  | 'port'
  | 'agent'
  | 'servername'
  | 'ca'
  | 'rejectUnauthorized'
  | 'minVersion'
>

/** The server closed a kept-alive connection before it sent a byte of an answer. */
class StaleConnectionError extends Error {}

export function createFetch(options: FetchOptions): Fetch {
  let target: Target = {}
  let origin = ''
  return async (url, request) => {
    const cut = url.indexOf('/', url.indexOf('://') + 3)
    if (url.slice(0, cut) !== origin) {
      origin = url.slice(0, cut)
      target = createTarget(new URL(origin), options)
    }
    const path = url.slice(cut)
    try {
      return await send({ ...target, path }, request)
    } catch (error) {
      // The connection was closed while it was idle, so the server has not seen the request.
      if (!(error instanceof StaleConnectionError)) throw error
      return send({ ...target, path, agent: false }, request)
    }
  }
}

function createTarget(
  { protocol, hostname, port }: URL,
  { ca, skipTlsVerification }: FetchOptions,
): Target {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const address = { protocol, hostname: host, ...(port === '' ? {} : { port }) }
  const pool = {
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    noDelay: true,
    scheduling: 'lifo', // so that connections that are not needed become old, and are closed
  } as const
  if (protocol === 'http:') return { ...address, agent: watched(new http.Agent(pool)) }
  return {
    ...address,
    agent: watched(new https.Agent(pool)),
    servername: isIP(host) ? '' : host,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !skipTlsVerification,
    ...(ca === undefined ? {} : { ca }),
  }
}

/** Has idle connections closed on which the server sends something: it would answer the next request. */
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

/** Resolves when the answer begins; for a success, when the body is sent, too. */
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
      try {
        const response = toResponse(incoming)
        if (response.ok && !request.writableFinished) {
          request.once('finish', () => resolve(response))
          return
        }
        // The server may not read the rest of the request.
        if (!request.writableFinished) request.shouldKeepAlive = false
        resolve(response)
      } catch (error) {
        reject(error) // a status that there is not
        request.destroy()
      }
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
  if (STATUSES_WITHOUT_BODY.has(status)) {
    incoming.resume() // gives the connection back
    return new Response(null, { status, headers })
  }
  return new Response(
    streamOf(incoming, () => incoming.destroy()),
    { status, headers },
  )
}
