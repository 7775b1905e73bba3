/** Web-standard responses as the bytes of HTTP/1.1. */

import { STATUS_CODES } from 'node:http'
import type { RequestHead } from './http-head.ts'

export const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** How long one Date is told. */
const DATE_MS = 500

/** What the writing of a response depends on besides the response. */
export interface ResponseContext {
  readonly head: Pick<RequestHead, 'method' | 'isOld'>
  /** Whether the connection will serve another request. */
  readonly keepAlive: boolean
  /** Milliseconds from some start. */
  readonly now: number
}

/** Writes responses, and remembers what it has made of one that comes again and again. */
export class ResponseWriter {
  private date = ''
  private dateUntil = Number.NEGATIVE_INFINITY
  private last: Response | undefined
  private lastBytes: Buffer | undefined

  write(response: Response, context: ResponseContext): Buffer | Promise<Buffer> {
    const { head, keepAlive, now } = context
    if (now >= this.dateUntil) this.renewDate(now)
    const isPlain = keepAlive && !head.isOld && head.method !== 'HEAD'
    if (isPlain && this.lastBytes && response === this.last) return this.lastBytes
    if (response.body !== null) return this.writeWhole(response, context)
    const bytes = this.headOf(response, head.method === 'HEAD' ? undefined : 0, context)
    if (isPlain) {
      this.last = response
      this.lastBytes = bytes
    }
    return bytes
  }

  private async writeWhole(response: Response, context: ResponseContext): Promise<Buffer> {
    const body = Buffer.from(await response.arrayBuffer())
    const head = this.headOf(response, body.length, context)
    return context.head.method === 'HEAD' ? head : Buffer.concat([head, body])
  }

  private renewDate(now: number): void {
    this.date = new Date().toUTCString()
    this.dateUntil = now + DATE_MS
    this.lastBytes = undefined
  }

  private headOf(
    { status, headers }: Response,
    length: number | undefined,
    { head, keepAlive }: ResponseContext,
  ): Buffer {
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`]
    for (const [name, value] of headers) lines.push(`${name}: ${value}`)
    if (length !== undefined && status !== 204 && status !== 304) {
      lines.push(`content-length: ${length}`)
    }
    if (!keepAlive) lines.push('connection: close')
    else if (head.isOld) lines.push('connection: keep-alive')
    lines.push(`date: ${this.date}`, '', '')
    return Buffer.from(lines.join('\r\n'), 'latin1')
  }
}
