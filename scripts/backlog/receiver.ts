/** A server in place of InfluxDB that checks the order of writes and keeps nothing. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { BATCH_BYTES, batch, numberIn } from './batches.ts'

export class Receiver {
  readonly #port: number
  readonly #clients: number
  /** The next number of each client. */
  readonly #next: number[]
  #server: Server | undefined
  received = 0
  readonly faults: string[] = []

  /**
   * @param clients client c sends the numbers c, c + clients, c + 2 × clients and so on, in this
   * order
   */
  constructor(port: number, clients: number) {
    this.#port = port
    this.#clients = clients
    this.#next = Array.from({ length: clients }, (_, client) => client)
  }

  async start(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      await this.#read(request)
      response.writeHead(204).end()
    })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    if (!this.#server) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** A request has one write, or several that the relay has coalesced. */
  async #read(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    if (body.length === 0 || body.length % BATCH_BYTES !== 0) {
      this.faults.push(`${body.length} bytes, which are no whole writes`)
    }
    for (let at = 0; at + BATCH_BYTES <= body.length; at += BATCH_BYTES) {
      this.#check(body.subarray(at, at + BATCH_BYTES))
    }
  }

  #check(body: Buffer): void {
    this.received++
    const number = numberIn(body)
    const client = number % this.#clients
    const expected = this.#next[client]
    if (number !== expected) this.faults.push(`write ${number} in place of ${expected}`)
    if (!batch(number).equals(body)) this.faults.push(`write ${number} has changed`)
    this.#next[client] = number + this.#clients
  }
}
