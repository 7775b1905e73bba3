/**
 * HTTP on node:http, for Node.js and for Deno.
 *
 * Deno's own server is faster, but it has no timeouts, ends the process when it runs out of open files,
 * and takes seconds for a body in one-byte chunks.
 */

import * as http from 'node:http'
import * as https from 'node:https'
import { type AddressInfo, Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { errorAnswer } from '../influxdb/answer.ts'
import { toResponse } from '../influxdb/response.ts'
import { isStream } from '../query/answer.ts'
import type { FetchHandler, HttpServer, HttpServerOptions } from '../runtime.ts'
import { endWithInput } from './end-with-input.ts'
import { SENT, sendStream } from './node-answer.ts'
import { withDirectBody } from './node-body.ts'
import { Connections } from './node-connections.ts'

/** The longest request head: some clients send queries of up to 64 KB in URLs. */
const MAX_HEAD_BYTES = 96 * 1024

/** A shorter body is read faster by `arrayBuffer()`, as node-server implements it. */
const MAX_SMALL_BYTES = 64 * 1024

/** How often the server looks for clients whose head is late, and for idle connections. */
const TIMEOUT_CHECK_INTERVAL_MS = 250

/** How often a stopping server looks for requests in flight. */
const CHECK_INTERVAL_MS = 50

/** The errors of a client that has gone. */
const GONE = new Set(['ECONNRESET', 'EPIPE'])

/** The statuses of node:http's errors; 400 for all others. */
const STATUSES = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

const HEAD_TOO_LARGE = `${JSON.stringify({
  error: `a request's head can have ${MAX_HEAD_BYTES} bytes: send a long query by POST`,
})}\n`

/** @throws Error with the system's reason if it cannot listen */
export async function serveHttp(
  fetch: FetchHandler,
  options: HttpServerOptions,
): Promise<HttpServer> {
  const handle = (given: Request, { incoming, outgoing }: HttpBindings) => {
    const request = isLarge(incoming) ? withDirectBody(given, incoming) : given
    if (!incoming.url?.startsWith('/query')) return fetch(request)
    endWithInput(request, incoming, outgoing)
    return answerQuery(fetch(request), outgoing as http.ServerResponse)
  }
  const listener = getRequestListener(handle as FetchHandler, {
    hostname: 'relay', // of a request of HTTP/1.0, which need not have a Host
    errorHandler(error) {
      const { message } = error as Error
      options.onBadRequest(message)
      return toResponse(errorAnswer(400, message))
    },
  })
  const connections = new Connections()
  const server = createServer(options, (incoming, outgoing) => {
    const { socket } = incoming
    const serve = () => {
      if (!server.listening) outgoing.shouldKeepAlive = false
      void listener(incoming, outgoing)
    }
    if (connections.begin(socket, outgoing, serve)) return
    options.onBadRequest('too many requests on one connection')
    socket.destroy()
  })
  server.on('connection', (socket) => connections.add(socket))
  await listen(server, options)
  // A connection that could not be accepted must not end the process.
  server.on('error', () => {})
  const { address, port } = server.address() as AddressInfo
  const idleCheck = setInterval(() => {
    const now = performance.now()
    connections.closeIdle(now - options.idleTimeoutMs, now)
  }, TIMEOUT_CHECK_INTERVAL_MS)
  return {
    address: { host: address, port },
    async stop(signal) {
      // http.Server's own close() would close idle connections now, on which a request may be on its way.
      Server.prototype.close.call(server)
      for (const response of connections.inFlight()) response.shouldKeepAlive = false
      do {
        await delay(CHECK_INTERVAL_MS)
        server.closeIdleConnections()
      } while (connections.inFlight().length > 0 && !signal.aborted)
      clearInterval(idleCheck)
      // Some have never sent a request, and count as busy for node:http.
      connections.destroyAll()
    },
  }
}

/** Sends an answer of unknown length; leaves any other to node-server. */
async function answerQuery(
  answer: Response | Promise<Response>,
  outgoing: http.ServerResponse,
): Promise<Response> {
  const response = await answer
  if (!isStream(response)) return response
  await sendStream(response, outgoing)
  return SENT
}

/** Whether a request may have a body that takes more than a few reads of its socket. */
function isLarge({ method, headers }: http.IncomingMessage): boolean {
  const length = headers['content-length']
  return method === 'POST' && (length === undefined || Number(length) > MAX_SMALL_BYTES)
}

function createServer(options: HttpServerOptions, listener: http.RequestListener): http.Server {
  const { pem, maxConnections, readTimeoutMs } = options
  const limits = {
    headersTimeout: readTimeoutMs,
    requestTimeout: 0, // the body's deadline is the application's
    keepAliveTimeout: 0, // see Connections
    connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
    maxHeaderSize: MAX_HEAD_BYTES,
    noDelay: true,
  }
  const server =
    pem === undefined
      ? http.createServer(limits, listener)
      : https.createServer(
          {
            ...limits,
            cert: pem,
            key: pem,
            minVersion: 'TLSv1.2',
            handshakeTimeout: readTimeoutMs,
          },
          listener,
        )
  server.maxConnections = maxConnections
  // A client may close its half of the connection once it has sent its request. Not in node's types.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('drop', () => options.onConnectionRefused())
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    answerBadRequest(error, socket, options)
  })
  return server
}

/** Answers as node:http would, with a body for a 431, and reports it. Does neither if the client has gone. */
function answerBadRequest(
  { code = '', message }: NodeJS.ErrnoException,
  socket: Duplex,
  { onBadRequest }: HttpServerOptions,
): void {
  if (!GONE.has(code)) onBadRequest(message)
  if (!/^(HPE|ERR_HTTP)_/.test(code) || !socket.writable) {
    socket.destroy()
    return
  }
  const status = STATUSES.get(code) ?? 400
  const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close`
  const body = status === 431 ? HEAD_TOO_LARGE : ''
  const answer = `${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  socket.end(answer, () => socket.destroy())
}

function listen(server: http.Server, { bind, backlog }: HttpServerOptions): Promise<void> {
  const address = bind.host === '' ? { port: bind.port } : bind
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...address, backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
