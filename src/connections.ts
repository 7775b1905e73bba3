/** How many connections an HTTP server may have, and how long one may take to shake hands. */

import type { Server, Socket } from 'node:net'
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
  private readonly handshakes = new Map<string, ReturnType<typeof setTimeout>>()

  /** @param onAccept called with each connection that may be served */
  constructor(server: Server, options: HttpServerOptions, onAccept: (socket: Socket) => void) {
    this.options = options
    if (options.pem === undefined) {
      server.on('connection', (socket: Socket) => {
        if (this.admit(socket)) onAccept(socket)
        else socket.end(TOO_MANY_CONNECTIONS)
      })
      return
    }
    server.on('connection', (socket: Socket) => {
      this.awaitHandshake(socket)
      if (!this.admit(socket)) socket.destroy()
    })
    server.on('secureConnection', (socket: Socket) => {
      this.shookHands(peerOf(socket))
      onAccept(socket)
    })
  }

  /**
   * Whether there is room for one more. On Bun a TLS connection shows only once hands are shaken, for
   * which Bun itself leaves a client 12 seconds.
   */
  private admit(socket: Socket): boolean {
    this.count++
    socket.once('close', () => this.count--)
    socket.on('error', () => {})
    if (this.count <= this.options.maxConnections) return true
    this.options.onRefused()
    return false
  }

  /** Not all runtimes limit the time for a handshake when asked to. */
  private awaitHandshake(socket: Socket): void {
    const peer = peerOf(socket)
    const timer = setTimeout(() => socket.destroy(), this.options.readTimeoutMs)
    this.handshakes.set(peer, timer)
    socket.once('close', () => this.shookHands(peer))
  }

  private shookHands(peer: string): void {
    clearTimeout(this.handshakes.get(peer))
    this.handshakes.delete(peer)
  }
}
