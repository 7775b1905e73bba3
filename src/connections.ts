/** The connections of an HTTP server: how many there are, and which have yet to say something. */

import type * as http from 'node:http'
import type { Socket } from 'node:net'
import type { HttpServerOptions } from './runtime.ts'

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

/** A connection is known by its peer: with TLS, different events show different sockets for it. */
const peerOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`

export class Connections {
  private readonly options: HttpServerOptions
  private count = 0
  /** Connections on which no request has come yet, by peer. */
  private readonly silent = new Map<string, Socket>()
  private readonly handshakes = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(server: http.Server, options: HttpServerOptions) {
    this.options = options
    server.on('connection', (socket: Socket) => this.opened(socket))
    server.on('secureConnection', (socket: Socket) => this.shookHands(peerOf(socket)))
    server.prependListener('request', ({ socket }) => {
      if (this.silent.size > 0) this.silent.delete(peerOf(socket))
    })
  }

  /** Closes connections that nobody is using: node's own way spares those that have never been used. */
  closeSilent(): void {
    for (const socket of this.silent.values()) socket.destroy()
  }

  /**
   * Closes connections past the limit: with an answer where one can be read. On Bun a TLS connection shows
   * only once hands are shaken, for which Bun itself leaves a client 12 seconds.
   */
  private opened(socket: Socket): void {
    const peer = peerOf(socket)
    this.count++
    this.silent.set(peer, socket)
    socket.once('close', () => {
      this.count--
      this.silent.delete(peer)
      this.shookHands(peer)
    })
    if (this.options.pem !== undefined) this.awaitHandshake(peer, socket)
    if (this.count <= this.options.maxConnections) return
    this.options.onRefused()
    if (this.options.pem === undefined) socket.end(TOO_MANY_CONNECTIONS)
    else socket.destroy()
  }

  /** Not all runtimes limit the time for a handshake when asked to. */
  private awaitHandshake(peer: string, socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), this.options.readTimeoutMs)
    this.handshakes.set(peer, timer)
  }

  private shookHands(peer: string): void {
    clearTimeout(this.handshakes.get(peer))
    this.handshakes.delete(peer)
  }
}
