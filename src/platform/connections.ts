/** How many connections an HTTP server may have, and how long one may stay that is not served. */

import type { Server, Socket } from 'node:net'
import type { HttpServerOptions } from '../runtime.ts'

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

/** Connections that are told so at a time; the others past the limit are just closed. */
const MAX_TOLD = 64

/** How long such a connection may stay to hear it. */
const TELLING_MS = 2000

/** A connection is known by its peer: with TLS, different events show different sockets for it. */
const peerOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`

type Timer = ReturnType<typeof setTimeout>

export class Connections {
  private readonly options: HttpServerOptions
  private count = 0
  /** Those that shake hands, or that are told that there is no room. */
  private readonly unserved = new Map<string, { socket: Socket; timer: Timer }>()

  /** @param onAccept called with each connection that may be served */
  constructor(server: Server, options: HttpServerOptions, onAccept: (socket: Socket) => void) {
    this.options = options
    if (options.pem === undefined) {
      server.on('connection', (socket: Socket) => {
        if (this.admit(socket)) onAccept(socket)
        else this.tell(socket)
      })
      return
    }
    server.on('connection', (socket: Socket) => {
      if (this.admit(socket)) this.limit(socket, options.readTimeoutMs)
      else socket.destroy()
    })
    server.on('secureConnection', (socket: Socket) => {
      this.release(peerOf(socket))
      if (!socket.destroyed) onAccept(socket)
    })
  }

  /** Closes those that nobody serves. */
  destroyUnserved(): void {
    for (const { socket } of this.unserved.values()) socket.destroy()
  }

  /**
   * Whether there is room for one more. On Bun a TLS connection shows only once hands are shaken, for
   * which Bun itself leaves a client 12 seconds.
   */
  private admit(socket: Socket): boolean {
    socket.on('error', () => {})
    if (this.count >= this.options.maxConnections) {
      this.options.onRefused()
      return false
    }
    this.count++
    socket.once('close', () => this.count--)
    return true
  }

  private tell(socket: Socket): void {
    if (this.unserved.size >= MAX_TOLD) {
      socket.destroy()
      return
    }
    this.limit(socket, TELLING_MS)
    // With bytes unread the connection would not close.
    socket.resume()
    socket.end(TOO_MANY_CONNECTIONS)
  }

  /** Not all runtimes limit the time for a handshake when asked to. */
  private limit(socket: Socket, milliseconds: number): void {
    const peer = peerOf(socket)
    const timer = setTimeout(() => socket.destroy(), milliseconds)
    this.unserved.set(peer, { socket, timer })
    socket.once('close', () => this.release(peer))
  }

  private release(peer: string): void {
    clearTimeout(this.unserved.get(peer)?.timer)
    this.unserved.delete(peer)
  }
}
