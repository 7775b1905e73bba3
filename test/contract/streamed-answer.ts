/** Answers that a test reads in its own time. */

import { once } from 'node:events'
import * as http from 'node:http'
import type { RequestOptions } from './client.ts'

/** How an answer ended: `complete` only if all of it came. */
export interface Ending {
  readonly isComplete: boolean
  readonly bytes: number
}

export class StreamedAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  private readonly request: http.ClientRequest
  private readonly incoming: http.IncomingMessage
  private bytes = 0
  private error: Error | undefined

  private constructor(request: http.ClientRequest, incoming: http.IncomingMessage) {
    this.request = request
    this.incoming = incoming
    this.status = incoming.statusCode ?? 0
    this.headers = incoming.headers
    incoming.on('error', (error) => {
      this.error = error
    })
  }

  /** Resolves when the head has come. Nothing of the body is read yet. */
  static open(
    url: string,
    { method = 'GET', headers = {}, body }: RequestOptions = {},
  ): Promise<StreamedAnswer> {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve, reject) => {
      const options = { method, headers: { ...length, ...headers }, agent: false }
      const request = http.request(url, options, (incoming) => {
        resolve(new StreamedAnswer(request, incoming))
      })
      request.on('error', reject)
      request.end(body)
    })
  }

  /** Reads some bytes, unless the answer ends before. */
  async read(bytes: number): Promise<void> {
    const wanted = this.bytes + bytes
    while (this.bytes < wanted && !this.incoming.readableEnded && !this.error) {
      const piece = this.incoming.read() as Buffer | null
      if (piece) this.bytes += piece.length
      else await this.nextEvent()
      if (this.incoming.destroyed && !piece) break
    }
  }

  private nextEvent(): Promise<void> {
    const { incoming } = this
    return new Promise((resolve) => {
      const end = () => {
        incoming.off('readable', end).off('close', end)
        resolve()
      }
      incoming.on('readable', end).on('close', end)
    })
  }

  /** Reads the rest. */
  async end(): Promise<Ending> {
    this.incoming.on('data', (piece: Buffer) => {
      this.bytes += piece.length
    })
    if (!this.incoming.closed) await once(this.incoming, 'close').catch(() => {})
    return { isComplete: this.incoming.complete && !this.error, bytes: this.bytes }
  }

  /** Closes the connection. */
  leave(): void {
    this.incoming.on('error', () => {})
    this.request.on('error', () => {})
    this.request.destroy()
  }
}

/** The whole of an answer, as bytes. */
export function fetchBytes(
  url: string,
  { method = 'GET', headers = {}, body }: RequestOptions = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }> {
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method, headers: { ...length, ...headers }, agent: false, maxHeaderSize: 1024 * 1024 },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const { statusCode = 0, headers } = incoming
          resolve({ status: statusCode, headers, body: Buffer.concat(chunks) })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
