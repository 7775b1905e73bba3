/** The connections of an HTTP server: how many there are, and whether any is in use. */

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
  private requests = 0
  private readonly handshakes = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(server: http.Server, options: HttpServerOptions) {
    this.options = options
    server.on('connection', (socket: Socket) => this.opened(socket))
    server.on('secureConnection', (socket: Socket) => this.shookHands(peerOf(socket)))
    server.prependListener('request', (_request, response: http.ServerResponse) => {
      this.requests++
      response.once('close', () => this.requests--)
    })
  }

  /** Whether no request is being served. */
  get areIdle(): boolean {
    return this.requests === 0
  }

  /**
   * Closes connections past the limit: with an answer where one can be read. On Bun a TLS connection shows
   * only once hands are shaken, for which Bun itself leaves a client 12 seconds.
   */
  private opened(socket: Socket): void {
    const peer = peerOf(socket)
    this.count++
    socket.once('close', () => {
      this.count--
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
