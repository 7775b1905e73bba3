/** Reads one response off a connection, tolerantly. */

import { printable } from '../influxdb/answer.ts'
import { type Framing, framingOf } from './http-framing.ts'
import { parseResponseHead, type ResponseHead } from './http-head.ts'

/** What is read of a body; the rest is discarded. influxd quotes every bad line in its errors. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

const MAX_HEAD_BYTES = 256 * 1024

/** Of these a Response must not have a body. */
const NO_BODY = new Set([204, 205, 304])

const END_OF_HEAD = Buffer.from('\r\n\r\n')

export class ResponseReader {
  private received: Buffer | undefined
  private head: ResponseHead | undefined
  private framing: Framing | undefined
  private readonly pieces: Uint8Array[] = []
  private bodyBytes = 0

  /** Whether any byte of the response has come. */
  get hasBegun(): boolean {
    return this.received !== undefined || this.head !== undefined
  }

  /** Whether the connection can be used again, once the response is whole. */
  get keepAlive(): boolean {
    // Bytes behind a response belong to nothing.
    return this.head?.keepAlive === true && this.received === undefined
  }

  /**
   * Takes bytes, and returns the response once it is whole.
   *
   * @throws Error if they are no response
   */
  receive(bytes: Buffer): Response | undefined {
    this.received = this.received ? Buffer.concat([this.received, bytes]) : bytes
    while (this.received && !this.framing && this.takeHead());
    if (this.received && this.framing) this.takeBody(this.received, this.framing)
    return this.framing?.isDone ? this.response() : undefined
  }

  /** The connection was closed: the response, if it ends by that. */
  end(): Response | undefined {
    return this.head?.bodyLength === 'until close' ? this.response() : undefined
  }

  /** False if the head is not complete. */
  private takeHead(): boolean {
    const bytes = this.received as Buffer
    const end = bytes.indexOf(END_OF_HEAD)
    if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES)) {
      throw new Error('the head of the answer is too large')
    }
    if (end < 0) return false
    this.drop(end + END_OF_HEAD.length)
    const head = parseResponseHead(bytes.toString('latin1', 0, end))
    // An interim response, such as 100 Continue, is followed by another.
    if (head.status < 200) return true
    this.head = head
    this.framing = framingOf(head.bodyLength)
    return true
  }

  private takeBody(bytes: Buffer, framing: Framing): void {
    const used = framing.take(bytes, (piece) => {
      if (this.bodyBytes >= MAX_BODY_BYTES) return
      this.pieces.push(piece)
      this.bodyBytes += piece.length
    })
    this.drop(used)
  }

  private drop(used: number): void {
    const bytes = this.received as Buffer
    this.received = used < bytes.length ? bytes.subarray(used) : undefined
  }

  private response(): Response {
    const { status, headers } = this.head as ResponseHead
    const printed = [...headers].map(([name, value]): [string, string] => [name, printable(value)])
    const body = this.bodyBytes > 0 ? new Uint8Array(Buffer.concat(this.pieces)) : null
    return new Response(NO_BODY.has(status) ? null : body, { status, headers: printed })
  }
}
