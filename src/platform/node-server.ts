/**
 * HTTP on node:http, for Node.js and for Deno.
 *
 * Deno's own server is faster, but it has no timeouts, ends the process when it runs out of open files,
 * and takes seconds for a body in one-byte chunks.
 */

import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { errorAnswer, toResponse } from '../influxdb/answer.ts'
import type { FetchHandler, HttpServer, HttpServerOptions } from '../runtime.ts'

/** The longest request head, as for the Go relay's usual proxies. */
const MAX_HEAD_BYTES = 32 * 1024

/** How often node:http looks for clients whose head is late. */
const CHECK_INTERVAL_MS = 250

/** How often a stopping server looks for connections that have become idle. */
const CLOSE_INTERVAL_MS = 50

/** @throws Error with the system's reason if it cannot listen */
export async function serveHttp(
  fetch: FetchHandler,
  options: HttpServerOptions,
): Promise<HttpServer> {
  const responses = new Set<http.ServerResponse>()
  const listener = getRequestListener(fetch, {
    hostname: 'relay', // of a request of HTTP/1.0, which need not have a Host
    errorHandler(error) {
      const { message } = error as Error
      options.onBadRequest(message)
      return toResponse(errorAnswer(400, message))
    },
  })
  const server = createServer(options, (incoming, outgoing) => {
    responses.add(outgoing)
    outgoing.once('close', () => responses.delete(outgoing))
    void listener(incoming, outgoing)
  })
  await listen(server, options)
  // A connection that could not be accepted must not end the process.
  server.on('error', () => {})
  const { address, port } = server.address() as AddressInfo
  return {
    address: { host: address, port },
    stop: (signal) => stop(server, responses, signal),
  }
}

function createServer(options: HttpServerOptions, listener: http.RequestListener): http.Server {
  const { pem, maxConnections, readTimeoutMs, idleTimeoutMs } = options
  const limits = {
    headersTimeout: readTimeoutMs,
    requestTimeout: 0, // the body's deadline is the application's
    keepAliveTimeout: idleTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
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
  server.on('drop', () => options.onConnectionRefused())
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    answerBadRequest(error, socket, options)
  })
  return server
}

/** The answers that node:http itself would give, but logged. */
function answerBadRequest(
  { code = '', message }: NodeJS.ErrnoException,
  socket: Duplex,
  { onBadRequest }: HttpServerOptions,
): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  onBadRequest(message)
  const status =
    code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
    () => socket.destroy(),
  )
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

/** Lets the requests in flight finish. Their answers close their connections. */
function stop(
  server: http.Server,
  responses: ReadonlySet<http.ServerResponse>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const closing = setInterval(() => server.closeIdleConnections(), CLOSE_INTERVAL_MS)
    const end = () => {
      clearInterval(closing)
      resolve()
    }
    server.close(end)
    server.prependListener('request', (_, outgoing: http.ServerResponse) => {
      outgoing.shouldKeepAlive = false
    })
    for (const response of responses) response.shouldKeepAlive = false
    server.closeIdleConnections()
    const force = () => {
      server.closeAllConnections()
      end()
    }
    if (signal.aborted) force()
    else signal.addEventListener('abort', force, { once: true })
  })
}
