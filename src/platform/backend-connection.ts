/** A connection to a backend, which carries one request after another. */

import type { Socket } from 'node:net'
import type { Fetch } from '../runtime.ts'
import { ResponseReader } from './response-reader.ts'

/** A body up to this size is sent together with its head: a copy costs less than a packet of its own. */
const MAX_JOINED_BYTES = 64 * 1024

/** The connection was closed before any answer to a request that was not its first. */
export class StaleConnectionError extends Error {}

/** What a connection tells its pool. */
export interface ConnectionEvents {
  /** It can carry another request. */
  onIdle(): void
  onClose(): void
}

type RequestInit = Parameters<Fetch>[1]

/** A request that waits for its response. */
interface Exchange {
  readonly reader: ResponseReader
  /** Whether the network has taken all of the request. */
  isSent: boolean
  response: Response | undefined
  resolve(response: Response): void
  reject(error: Error): void
  readonly signal: AbortSignal
  readonly onAbort: () => void
}

export class BackendConnection {
  private readonly socket: Socket
  private readonly host: string
  private readonly events: ConnectionEvents
  private exchange: Exchange | undefined
  private requests = 0
  /** Memory for a head and its body, used for one request after another. */
  private joined = Buffer.alloc(0)
  private failure: Error | undefined

  /**
   * @param socket may still be connecting
   * @param host the server's name for the Host header
   */
  constructor(socket: Socket, host: string, events: ConnectionEvents) {
    this.socket = socket
    this.host = host
    this.events = events
    socket.on('data', (bytes: Buffer) => this.receive(bytes))
    socket.on('error', (error) => {
      this.failure = error
    })
    socket.on('end', () => this.ended())
    socket.on('close', () => this.closed())
  }

  /**
   * Sends a request and reads its response to the end. One at a time. Once it resolves, the body is not
   * looked at any more.
   *
   * @throws StaleConnectionError, or the error of the network
   */
  send(target: string, { method, headers, body, signal }: RequestInit): Promise<Response> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.abort()
      const reader = new ResponseReader()
      const exchange: Exchange = {
        ...{ reader, isSent: false, response: undefined },
        ...{ resolve, reject, signal, onAbort },
      }
      this.exchange = exchange
      this.requests++
      if (signal.aborted) return this.abort()
      signal.addEventListener('abort', onAbort)
      const bytes = body ?? new Uint8Array(0)
      let head = `${method} ${target} HTTP/1.1\r\nhost: ${this.host}\r\n`
      for (const name in headers) head += `${name}: ${headers[name]}\r\n`
      head += `content-length: ${bytes.length}\r\n\r\n`
      this.write(head, bytes, () => {
        exchange.isSent = true
        if (exchange.response) this.finish(exchange, exchange.response)
      })
    })
  }

  close(): void {
    this.socket.destroy()
  }

  /** Does not wait for the socket to be closed: one that still connects may take its time. */
  private abort(): void {
    const exchange = this.endExchange()
    this.close()
    exchange?.reject(exchange.signal.reason as Error)
  }

  private write(head: string, body: Uint8Array, onSent: () => void): void {
    if (body.length <= MAX_JOINED_BYTES) {
      this.socket.write(this.join(head, body), onSent)
    } else {
      this.socket.write(Buffer.from(head, 'latin1'))
      this.socket.write(body, onSent)
    }
  }

  /** The network has taken all of the request before, or there would be no other on this connection. */
  private join(head: string, body: Uint8Array): Uint8Array {
    const length = head.length + body.length
    if (length > this.joined.length) {
      this.joined = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)))
    }
    this.joined.write(head, 0, 'latin1')
    this.joined.set(body, head.length)
    return this.joined.subarray(0, length)
  }

  private receive(bytes: Buffer): void {
    try {
      const { exchange } = this
      // Nobody has asked for anything, or for anything more.
      if (!exchange || exchange.response) {
        this.close()
        return
      }
      const response = exchange.reader.receive(bytes)
      if (response) this.answered(exchange, response)
    } catch (error) {
      this.failure = error as Error
      this.close()
    }
  }

  /** A server that takes a write before it has read it must still get it as it is. */
  private answered(exchange: Exchange, response: Response): void {
    if (exchange.isSent || !response.ok) this.finish(exchange, response)
    else exchange.response = response
  }

  private finish(exchange: Exchange, response: Response): void {
    this.endExchange()
    // A server that answers early may not read the rest of the request.
    if (exchange.reader.keepAlive && exchange.isSent) this.events.onIdle()
    else this.close()
    exchange.resolve(response)
  }

  /** The server says no more. */
  private ended(): void {
    const { exchange } = this
    const response = exchange?.reader.end()
    if (exchange && response) this.answered(exchange, response)
    else this.close()
  }

  private closed(): void {
    this.events.onClose()
    const exchange = this.endExchange()
    if (!exchange) return
    const { reader, response, resolve, reject } = exchange
    if (response) resolve(response)
    else if (this.requests > 1 && !reader.hasBegun) reject(new StaleConnectionError())
    else reject(this.failure ?? new Error('the backend closed the connection'))
  }

  private endExchange(): Exchange | undefined {
    const { exchange } = this
    this.exchange = undefined
    exchange?.signal.removeEventListener('abort', exchange.onAbort)
    return exchange
  }
}
