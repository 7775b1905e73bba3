/** An HTTP or HTTPS server for a fetch handler, on node:http, with bounds on what clients may do. */

import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { errorAnswer, toResponse } from './answer.ts'
import type { HttpServer, HttpServerOptions } from './runtime.ts'

type Fetch = (request: Request) => Response | Promise<Response>

/** How often slow clients are looked for, and idle connections while the server stops. */
const CHECK_INTERVAL_MS = 500
const STOP_INTERVAL_MS = 50

const TOO_MANY_CONNECTIONS = [
  'HTTP/1.1 503 Service Unavailable',
  'Content-Type: application/json',
  'X-Influxdb-Error: too many connections',
  'Retry-After: 1',
  'Connection: close',
  'Content-Length: 33',
  '',
  '{"error":"too many connections"}\n',
].join('\r\n')

export async function serveHttp(fetch: Fetch, options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer(fetch, options)
  limitConnections(server, options)
  if (options.pem !== undefined) limitHandshakes(server, options)
  await listen(server, options)
  const { address, port } = server.address() as AddressInfo
  return { address: { host: address, port }, stop: (signal) => stop(server, signal) }
}

function createServer(fetch: Fetch, options: HttpServerOptions): http.Server {
  const limits = {
    headersTimeout: options.readTimeoutMs,
    requestTimeout: options.readTimeoutMs,
    keepAliveTimeout: options.idleTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
  }
  const listener = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    // HTTP/1.0, which many health checks speak, needs no Host header.
    hostname: 'relay',
    errorHandler: (error) =>
      toResponse(errorAnswer(400, `bad request: ${(error as Error).message}`)),
  })
  if (options.pem === undefined) return http.createServer(limits, listener)
  const tls = { cert: options.pem, key: options.pem, minVersion: 'TLSv1.2' as const }
  return https.createServer({ ...limits, ...tls }, listener)
}

/**
 * Counts connections, and closes those past the limit: with an answer where one can be read. On Bun a TLS
 * connection shows only once hands are shaken, for which Bun itself leaves a client 12 seconds.
 */
function limitConnections(server: http.Server, options: HttpServerOptions): void {
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    socket.once('close', () => connections--)
    if (connections <= options.maxConnections) return
    options.onRefused()
    if (options.pem === undefined) socket.end(TOO_MANY_CONNECTIONS)
    else socket.destroy()
  })
}

/** Closes connections that do not shake hands in time: not all runtimes do it when asked. */
function limitHandshakes(server: http.Server, { readTimeoutMs }: HttpServerOptions): void {
  const timers = new Map<string, ReturnType<typeof setTimeout>>()
  const peerOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    timers.set(
      peer,
      setTimeout(() => socket.destroy(), readTimeoutMs),
    )
    socket.once('close', () => forget(peer))
  })
  // Another socket than the one above, at the same peer.
  server.on('secureConnection', (socket: Socket) => forget(peerOf(socket)))

  const forget = (peer: string) => {
    clearTimeout(timers.get(peer))
    timers.delete(peer)
  }
}

function listen(server: http.Server, { bind }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(bind.host === '' ? { port: bind.port } : bind, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Lets requests in flight finish. Each answer closes its connection; idle ones are closed now. */
function stop(server: http.Server, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    server.prependListener('request', (_request, response: http.ServerResponse) => {
      response.setHeader('connection', 'close')
    })
    const timer = setInterval(() => server.closeIdleConnections(), STOP_INTERVAL_MS)
    const force = () => server.closeAllConnections()
    server.close(() => {
      clearInterval(timer)
      signal.removeEventListener('abort', force)
      resolve()
    })
    server.closeIdleConnections()
    if (signal.aborted) force()
    else signal.addEventListener('abort', force, { once: true })
  })
}
