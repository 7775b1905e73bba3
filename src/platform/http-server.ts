/**
 * An HTTP/1.1 or HTTPS server for a fetch handler, on node:net and node:tls, with bounds on what clients
 * may do.
 *
 * The runtimes' own servers will not do: none of them tells how many connections are open, Bun's cuts off
 * whoever is silent for a while, also while it waits for an answer, Deno's waits for ever, and node:http
 * takes, on each of them, more time for a write than all the rest of the relay.
 */

import * as net from 'node:net'
import * as tls from 'node:tls'
import type { Buffers, HttpServer, HttpServerOptions } from '../runtime.ts'
import { Connections } from './connections.ts'
import { type ConnectionHost, type FetchHandler, HttpConnection } from './http-connection.ts'
import { ResponseWriter } from './http-response.ts'

/** How often slow clients are looked for. */
const CHECK_INTERVAL_MS = 250

export async function serveHttp(
  fetch: FetchHandler,
  options: HttpServerOptions,
  buffers: Buffers,
): Promise<HttpServer> {
  const server = createServer(options)
  const clients = new Clients(fetch, options, buffers)
  const connections = new Connections(server, options, (socket) => clients.add(socket))
  try {
    await listen(server, options)
  } catch (error) {
    clients.end()
    throw error
  }
  // A connection that cannot be accepted, for want of file descriptors, is no reason to end.
  server.on('error', () => {})
  const { address, port } = server.address() as net.AddressInfo
  return {
    address: { host: address, port },
    stop(signal) {
      connections.destroyUnserved()
      return stop(server, clients, signal)
    },
  }
}

function createServer({ pem, readTimeoutMs }: HttpServerOptions): net.Server {
  // A client may close its half once it has sent its request.
  const common = { allowHalfOpen: true, noDelay: true }
  if (pem === undefined) return net.createServer(common)
  const secrets = { cert: pem, key: pem, minVersion: 'TLSv1.2' as const }
  const server = tls.createServer({ ...common, ...secrets, handshakeTimeout: readTimeoutMs })
  // A client that cannot shake hands is its own trouble.
  server.on('tlsClientError', () => {})
  return server
}

function listen(server: net.Server, { bind, backlog }: HttpServerOptions): Promise<void> {
  const address = bind.host === '' ? { port: bind.port } : bind
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...address, backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Lets requests in flight finish. Each answer closes its connection; those not in use are closed now. */
function stop(server: net.Server, clients: Clients, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      signal.removeEventListener('abort', force)
      clients.end()
      resolve()
    }
    const force = () => {
      clients.destroy()
      // Not all runtimes show a connection before it has shaken hands.
      end()
    }
    server.close(end)
    clients.stop()
    if (signal.aborted) force()
    else signal.addEventListener('abort', force, { once: true })
  })
}

/** The connections that are being served. */
class Clients implements ConnectionHost {
  readonly fetch: FetchHandler
  readonly buffers: Buffers
  readonly writer = new ResponseWriter()
  readonly readTimeoutMs: number
  readonly idleTimeoutMs: number
  now = performance.now()
  private isStopping = false
  private readonly connections = new Set<HttpConnection>()
  private readonly timer: ReturnType<typeof setInterval>

  constructor(
    fetch: FetchHandler,
    { readTimeoutMs, idleTimeoutMs }: HttpServerOptions,
    buffers: Buffers,
  ) {
    this.fetch = fetch
    this.buffers = buffers
    // What counts from `now` counts from up to an interval ago.
    this.readTimeoutMs = readTimeoutMs + CHECK_INTERVAL_MS
    this.idleTimeoutMs = idleTimeoutMs + CHECK_INTERVAL_MS
    this.timer = setInterval(() => this.check(), CHECK_INTERVAL_MS)
  }

  add(socket: net.Socket): void {
    const connection = new HttpConnection(socket, this)
    this.connections.add(connection)
    socket.once('close', () => this.connections.delete(connection))
    if (this.isStopping) connection.endSoon()
  }

  stop(): void {
    this.isStopping = true
    for (const connection of this.connections) connection.endSoon()
  }

  destroy(): void {
    for (const connection of this.connections) connection.destroy()
  }

  end(): void {
    clearInterval(this.timer)
  }

  private check(): void {
    this.now = performance.now()
    for (const connection of this.connections) connection.checkDeadline()
  }
}
