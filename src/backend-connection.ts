/** A connection to a backend, which carries one request after another. */

import type { Socket } from 'node:net'
import { ResponseReader } from './response-reader.ts'
import type { Fetch } from './runtime.ts'

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
   * Sends a request and reads its response to the end. One at a time.
   *
   * @throws StaleConnectionError, or the error of the network
   */
  send(target: string, { method, headers, body, signal }: RequestInit): Promise<Response> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.abort()
      this.exchange = { reader: new ResponseReader(), resolve, reject, signal, onAbort }
      this.requests++
      if (signal.aborted) return this.abort()
      signal.addEventListener('abort', onAbort)
      const bytes = body ?? new Uint8Array(0)
      let head = `${method} ${target} HTTP/1.1\r\nhost: ${this.host}\r\n`
      for (const name in headers) head += `${name}: ${headers[name]}\r\n`
      this.write(Buffer.from(`${head}content-length: ${bytes.length}\r\n\r\n`, 'latin1'), bytes)
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

  private write(head: Buffer, body: Uint8Array): void {
    if (body.length <= MAX_JOINED_BYTES) {
      this.socket.write(Buffer.concat([head, body]))
    } else {
      this.socket.write(head)
      this.socket.write(body)
    }
  }

  private receive(bytes: Buffer): void {
    try {
      const response = this.exchange?.reader.receive(bytes)
      if (response) this.finish(response)
      // Nobody has asked for anything.
      else if (!this.exchange) this.close()
    } catch (error) {
      this.failure = error as Error
      this.close()
    }
  }

  private finish(response: Response): void {
    const exchange = this.endExchange() as Exchange
    // A server that answers early may not read the rest of the request.
    if (exchange.reader.keepAlive && !this.socket.writableNeedDrain) this.events.onIdle()
    else this.close()
    exchange.resolve(response)
  }

  /** The server says no more. */
  private ended(): void {
    const response = this.exchange?.reader.end()
    if (response) this.finish(response)
    else this.close()
  }

  private closed(): void {
    this.events.onClose()
    const exchange = this.endExchange()
    if (!exchange) return
    const { reader, reject } = exchange
    if (this.requests > 1 && !reader.hasBegun) reject(new StaleConnectionError())
    else reject(this.failure ?? new Error('the backend closed the connection'))
  }

  private endExchange(): Exchange | undefined {
    const { exchange } = this
    this.exchange = undefined
    exchange?.signal.removeEventListener('abort', exchange.onAbort)
    return exchange
  }
}
