/**
 * Offers writes of ten points to a relay at an even rate, whether or not earlier ones are answered.
 */

import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Points of a write; a point's number is its value, too. */
export const POINTS = 10
/** The timestamp of point 0. */
export const FIRST_TIME = 1_700_000_000_000_000_000n
export const MEASUREMENT = 'load'

const TICK_MS = 2
const RETRY_MS = 100
const ANSWER = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n/

export interface Load {
  /** Writes that were due. */
  readonly offered: number
  /** Writes that were due while every connection waited for an answer. */
  readonly unsent: number
  /** Writes by status. */
  readonly statuses: ReadonlyMap<string, number>
}

export class OverloadClient {
  readonly #port: number
  readonly #free: Connection[] = []
  readonly #all: Connection[]
  readonly #statuses = new Map<string, number>()
  /** The numbers of acknowledged writes. */
  readonly acknowledged: number[] = []
  #next = 0

  constructor(port: number, connections: number) {
    this.#port = port
    this.#all = Array.from({ length: connections }, () => new Connection(this.#port, this.#done))
    this.#free.push(...this.#all)
  }

  /** The count of writes that were sent. */
  get writes(): number {
    return this.#next
  }

  /** @param rate writes a second, or Infinity: as many as are answered */
  async run(rate: number, seconds: number): Promise<Load> {
    this.#statuses.clear()
    const began = performance.now()
    let offered = 0
    let unsent = 0
    for (;;) {
      const elapsed = performance.now() - began
      if (elapsed > seconds * 1000) break
      const due = Number.isFinite(rate) ? Math.floor((elapsed / 1000) * rate) : Infinity
      while (offered < due) {
        const connection = this.#free.pop()
        if (!connection) break
        connection.write(this.#next++)
        offered++
      }
      if (Number.isFinite(due)) {
        unsent += due - offered
        offered = due
      }
      await delay(TICK_MS)
    }
    return { offered, unsent, statuses: new Map(this.#statuses) }
  }

  /** Waits for the answers that are still missing, and closes all connections. */
  async stop(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs
    while (this.#free.length < this.#all.length && performance.now() < end) await delay(20)
    for (const connection of this.#all) connection.close()
  }

  readonly #done = (connection: Connection, number: number, status: string): void => {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
    if (status === '204') this.acknowledged.push(number)
    if (status === 'closed') setTimeout(() => this.#free.push(connection), RETRY_MS)
    else this.#free.push(connection)
  }
}

/** One write after the other on one connection, which is opened again when it was closed. */
class Connection {
  readonly #port: number
  readonly #done: (connection: Connection, number: number, status: string) => void
  #socket: Socket | undefined
  #pending: number | undefined
  #received = ''

  constructor(
    port: number,
    done: (connection: Connection, number: number, status: string) => void,
  ) {
    this.#port = port
    this.#done = done
  }

  write(number: number): void {
    this.#pending = number
    this.#socket ??= this.#open()
    this.#socket.write(request(number))
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true })
    this.#received = ''
    socket.on('data', (bytes) => this.#receive(bytes.toString('latin1')))
    socket.on('error', () => {}) // closed comes next
    socket.on('close', () => {
      this.#socket = undefined
      this.#answered('closed')
    })
    return socket
  }

  #receive(text: string): void {
    this.#received += text
    const answer = ANSWER.exec(this.#received)
    if (!answer) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer[0])?.[1] ?? 0)
    if (this.#received.length < answer[0].length + length) return
    this.#received = ''
    this.#answered(answer[1] ?? '')
  }

  #answered(status: string): void {
    const number = this.#pending
    if (number === undefined) return
    this.#pending = undefined
    this.#done(this, number, status)
  }
}

function request(number: number): string {
  let body = ''
  for (let point = number * POINTS; point < (number + 1) * POINTS; point++) {
    body += `${MEASUREMENT} v=${point}i ${FIRST_TIME + BigInt(point)}\n`
  }
  return `POST /write?db=attack HTTP/1.1\r\nHost: relay\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
