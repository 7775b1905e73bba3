/** A client's connection: one request after another, each answered before the next is looked at. */

import type { Socket } from 'node:net'
import { errorAnswer } from '../influxdb/answer.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Buffers } from '../runtime.ts'
import { IncomingBody } from './http-body.ts'
import { framingOf } from './http-framing.ts'
import { HttpError, parseHead, type RequestHead } from './http-head.ts'
import { toRequest } from './http-request.ts'
import { CONTINUE, type ResponseWriter } from './http-response.ts'

export type FetchHandler = (request: Request) => Response | Promise<Response>

/** What all connections of a server share. */
export interface ConnectionHost {
  readonly fetch: FetchHandler
  readonly buffers: Buffers
  readonly writer: ResponseWriter
  readonly readTimeoutMs: number
  readonly idleTimeoutMs: number
  /** About now, in milliseconds from some start. */
  readonly now: number
}

/** The longest head: about what other servers take. */
const MAX_HEAD_BYTES = 32 * 1024

/** A body that nobody wants is read to its end, to keep the connection, if no more than this is left. */
const MAX_DISCARDED_BYTES = 256 * 1024

/**
 * How long a connection stays half open behind its last answer. If it were closed with bytes unread, the
 * kernel would throw the answer away that is on its way to the client (RFC 9112, section 9.6).
 */
const LINGER_MS = 2000

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const CR = 13
const LF = 10

export class HttpConnection {
  private readonly socket: Socket
  private readonly host: ConnectionHost
  /** Bytes that have come and were not used yet. */
  private received: Buffer | undefined
  /** How many of them are known not to hold the end of a head. */
  private searched = 0
  /** The body of the request that is being served. */
  private body: IncomingBody | undefined
  /** Whether its client, which may not have sent the body yet, waits to be told to go on. */
  private mustContinue = false
  /** Whether the client has said its last word. It may still listen. */
  private hasEnded = false
  private isLast = false
  /** Whether the last answer is on its way: what the client says now is not heard. */
  private isClosing = false
  /** When to lose patience with the client, by the host's clock. */
  private deadline: number
  private lastHead: { readonly text: string; readonly head: RequestHead } | undefined

  constructor(socket: Socket, host: ConnectionHost) {
    this.socket = socket
    this.host = host
    this.deadline = host.now + host.readTimeoutMs
    socket.on('data', (bytes: Buffer) => this.receive(bytes))
    socket.on('end', () => this.clientEnded())
    // A socket that fails is closed, too.
    socket.on('error', () => {})
    socket.on('close', () => this.closed())
  }

  /** Ends the connection with its next answer, or now if there is none to wait for. */
  endSoon(): void {
    this.isLast = true
    if (this.body || this.received || this.isClosing) return
    if (this.socket.writableLength > 0) this.linger()
    else this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Ends the connection if the client takes too long. */
  checkDeadline(): void {
    if (this.host.now < this.deadline) return
    this.deadline = Number.POSITIVE_INFINITY
    this.isLast = true
    if (this.isClosing || this.socket.writableNeedDrain) this.socket.destroy()
    else if (this.body) this.body.fail(new Error('the client is too slow'))
    else if (this.received) this.refuse(new HttpError(408, 'request timed out'))
    else this.socket.destroy()
  }

  private receive(bytes: Buffer): void {
    if (this.isClosing) return
    this.received = this.received ? Buffer.concat([this.received, bytes]) : bytes
    if (this.body) this.feedBody(this.body)
    else this.readHead()
  }

  private readHead(): void {
    try {
      const head = this.takeHead()
      if (head) this.serve(head).catch(() => this.socket.destroy())
      else if (this.hasEnded) this.linger()
    } catch (error) {
      this.refuse(error as HttpError)
    }
  }

  /**
   * Takes a head off what was received, once it is whole.
   *
   * @throws HttpError
   */
  private takeHead(): RequestHead | undefined {
    let bytes = this.received as Buffer
    // Some clients end a body with a line too many.
    while (bytes[0] === CR && bytes[1] === LF) bytes = bytes.subarray(2)
    this.received = bytes.length > 0 ? bytes : undefined
    if (!this.received) return undefined
    if (this.searched === 0) this.deadline = this.host.now + this.host.readTimeoutMs
    const end = bytes.indexOf(END_OF_HEAD, this.searched)
    if ((end < 0 ? bytes.length : end) > MAX_HEAD_BYTES) {
      throw new HttpError(431, 'request head too large')
    }
    if (end < 0) {
      this.searched = Math.max(1, bytes.length - END_OF_HEAD.length)
      return undefined
    }
    this.searched = 0
    const rest = end + END_OF_HEAD.length
    this.received = rest < bytes.length ? bytes.subarray(rest) : undefined
    return this.parse(bytes.toString('latin1', 0, rest - 2))
  }

  /** Clients that write again and again tend to do it in the same words. */
  private parse(text: string): RequestHead {
    if (this.lastHead?.text !== text) this.lastHead = { text, head: parseHead(text) }
    return this.lastHead.head
  }

  private async serve(head: RequestHead): Promise<void> {
    const { host } = this
    const body = new IncomingBody(framingOf(head.bodyLength), host.buffers, () =>
      this.startBody(body),
    )
    this.body = body
    this.mustContinue = head.expectsContinue
    if (body.isDone) this.deadline = Number.POSITIVE_INFINITY
    const response = await this.respond(head, body)
    if (!head.keepAlive || (this.hasEnded && !this.received)) this.isLast = true
    if (!body.isDone && (body.remaining > MAX_DISCARDED_BYTES || head.expectsContinue)) {
      this.isLast = true
    }
    const keepAlive = !this.isLast
    const bytes = host.writer.write(response, { head, keepAlive, now: host.now })
    this.socket.write(bytes instanceof Promise ? await bytes : bytes)
    if (!this.isLast && !body.isDone) await body.discard()
    this.body = undefined
    // Behind half a body there is no telling what would be a request.
    if (this.isLast || !body.isDone) this.linger()
    else this.next()
  }

  private async respond(head: RequestHead, body: IncomingBody): Promise<Response> {
    try {
      return await this.host.fetch(toRequest(head, body))
    } catch (error) {
      return toResponse(errorAnswer(500, `internal error: ${(error as Error).message}`))
    }
  }

  /** Waits for the next request, or goes on with it. */
  private next(): void {
    if (this.isClosing) return
    if (this.socket.writableNeedDrain) {
      this.socket.once('drain', () => this.next())
      this.deadline = this.host.now + this.host.readTimeoutMs
      return
    }
    this.deadline = this.host.now + this.host.idleTimeoutMs
    this.resume()
    if (this.received) this.readHead()
    else if (this.hasEnded) this.linger()
  }

  private startBody(body: IncomingBody): void {
    if (this.mustContinue && !this.received) this.socket.write(CONTINUE)
    this.mustContinue = false
    this.resume()
    if (this.received) this.feedBody(body)
  }

  private feedBody(body: IncomingBody): void {
    const bytes = this.received as Buffer
    if (!body.isWanted) {
      // Whoever serves the request has not asked for this yet, or it is the next request.
      this.socket.pause()
      return
    }
    const used = body.accept(bytes)
    this.received = used < bytes.length ? bytes.subarray(used) : undefined
    if (body.isDone) this.deadline = Number.POSITIVE_INFINITY
    else if (this.hasEnded && !this.received) body.fail(gone())
  }

  private resume(): void {
    if (this.socket.isPaused()) this.socket.resume()
  }

  /** What came before is still served. */
  private clientEnded(): void {
    this.hasEnded = true
    if (this.body) {
      if (!this.body.isDone && !this.received) this.body.fail(gone())
    } else if (!this.isClosing && !this.socket.writableNeedDrain) this.linger()
  }

  private closed(): void {
    this.isLast = true
    this.body?.fail(gone())
  }

  private refuse({ status, message }: HttpError): void {
    this.isLast = true
    this.isClosing = true
    const response = toResponse(errorAnswer(status, message))
    const context = { head: { method: '', isOld: false }, keepAlive: false, now: this.host.now }
    void Promise.resolve(this.host.writer.write(response, context)).then((bytes) => {
      this.socket.write(bytes)
      this.linger()
    })
  }

  /** Closes the connection once the client has taken all that is on its way. */
  private linger(): void {
    this.isClosing = true
    this.received = undefined
    this.deadline = this.host.now + this.host.readTimeoutMs
    this.socket.end(() => {
      this.deadline = this.host.now + LINGER_MS
    })
    this.resume()
  }
}

function gone(): Error {
  return new Error('the client has gone')
}
