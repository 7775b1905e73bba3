import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

/** A write as a backend receives it. */
export interface Received {
  path: string
  headers: IncomingMessage['headers']
  body: string
}

/** What a backend does once it has received a write. */
export type Behaviour = (response: ServerResponse) => unknown

/** Answers with a status. The body is an error in influxd's form, if there is an `error`. */
export const answering =
  (status: number, error?: string, headers: Record<string, string> = {}): Behaviour =>
  (response) => {
    const body = error === undefined ? '' : `${JSON.stringify({ error })}\n`
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  }

export const storing = answering(204)

/** Stores, but takes its time. */
export const slow =
  (milliseconds: number): Behaviour =>
  async (response) => {
    await delay(milliseconds)
    storing(response)
  }

export const hanging: Behaviour = () => {}

/** Answers nothing until the test says so, and everything from then on. */
export function holding(): { behaviour: Behaviour; release: () => void } {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return { behaviour: (response) => released.then(() => storing(response)), release }
}

/** Reads the write, and closes the connection in place of an answer. */
export const closing: Behaviour = (response) => response.destroy()

/** Answers with something that is no HTTP. */
export const babbling: Behaviour = (response) => response.socket?.end('lorem ipsum\r\n\r\n')

/** A server in place of InfluxDB, for faults that a real one cannot be made to have. */
export class FaultyBackend {
  behaviour: Behaviour
  /** Every write, in the order in which they came. */
  readonly received: Received[] = []
  readonly #server: Server
  readonly #protocol: string

  constructor(behaviour: Behaviour, tls?: ServerOptions) {
    this.behaviour = behaviour
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response).catch(() => {}) // a relay that hangs up is no fault here
    }
    this.#server = tls ? createSecureServer(tls, serve) : createServer(serve)
    this.#protocol = tls ? 'https' : 'http'
  }

  get url(): string {
    return `${this.#protocol}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** All lines of all writes, in the order in which they came. */
  get lines(): string[] {
    return this.received.flatMap(({ body }) => body.split('\n').filter((line) => line !== ''))
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    const closed = once(this.#server.close(), 'close')
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { url: path = '', headers } = request
    this.received.push({ path, headers, body: Buffer.concat(chunks).toString() })
    await this.behaviour(response)
  }
}

/**
 * Starts a backend that lasts until the end of the test.
 *
 * @param tls makes it speak HTTPS
 */
export async function startFaulty(
  behaviour: Behaviour,
  tls?: ServerOptions,
): Promise<FaultyBackend> {
  const backend = new FaultyBackend(behaviour, tls)
  await backend.start()
  onTestFinished(() => backend.stop())
  return backend
}
