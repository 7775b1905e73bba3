/** A request as the relay's app sees it. */

import type { IncomingBody } from './http-body.ts'
import type { RequestHead } from './http-head.ts'

/** Of a Request's Headers, what can be done without making one. */
class IncomingHeaders {
  private readonly values: ReadonlyMap<string, string>

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values
  }

  get(name: string): string | null {
    return this.values.get(name.toLowerCase()) ?? null
  }

  has(name: string): boolean {
    return this.values.has(name.toLowerCase())
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.values.entries()
  }
}

/**
 * Stands for a web-standard Request, of which it has what Hono and a relay read. A real one, made for
 * each write, would cost Node.js more than all the rest of the write.
 */
class IncomingRequest {
  readonly headers: IncomingHeaders
  readonly method: string
  readonly url: string
  private readonly incoming: IncomingBody

  constructor(head: RequestHead, body: IncomingBody) {
    this.headers = new IncomingHeaders(head.headers)
    this.method = head.method
    this.url = `http://relay${head.target}`
    this.incoming = body
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.incoming.isDone ? null : this.incoming.stream()
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.incoming.bytes()
  }
}

export function toRequest(head: RequestHead, body: IncomingBody): Request {
  return new IncomingRequest(head, body) as unknown as Request
}
