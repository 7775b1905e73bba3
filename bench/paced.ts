/**
 * Sends one-point writes at an even rate, whether or not earlier ones are answered, and prints the
 * times of the answers as JSON. Run as `bun paced.ts PORT RATE SECONDS CONNECTIONS`.
 *
 * A write waits for an idle connection. If it had to wait, its time counts from the moment when it
 * was due; otherwise from when it was sent, since a late timer says nothing about the server.
 */

import { connect, type Socket } from 'node:net'
import { request } from './requests.ts'

const [port = 0, rate = 0, seconds = 0, count = 0] = process.argv.slice(2).map(Number)

const WARM_UP_SECONDS = 0.3
const SHAPE = { points: 1, timestamps: true }
const requests = Array.from({ length: 64 }, (_, i) => request(SHAPE, i))
const HEAD_END = Buffer.from('\r\n\r\n')
const GOOD = /^HTTP\/1\.1 204 /

const interval = 1000 / rate
const measureFrom = performance.now() + WARM_UP_SECONDS * 1000
const end = measureFrom + seconds * 1000
const taken: number[] = []
const free: Connection[] = []
let due = performance.now()
/** When the last idle connection was taken while a write was due. */
let waitingSince: number | undefined
let sent = 0

class Connection {
  readonly #socket: Socket
  #began = 0
  #answer: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#receive(bytes))
    socket.on('error', (error) => fail(error.message))
    socket.on('close', () => fail('a connection was closed'))
  }

  send(bytes: Buffer, began: number): void {
    this.#began = began
    this.#socket.write(bytes)
  }

  #receive(bytes: Buffer): void {
    this.#answer = this.#answer.length === 0 ? bytes : Buffer.concat([this.#answer, bytes])
    if (!this.#answer.includes(HEAD_END)) return
    const head = this.#answer.toString('latin1')
    if (!GOOD.test(head)) fail(head)
    this.#answer = Buffer.alloc(0)
    const now = performance.now()
    if (this.#began >= measureFrom) taken.push(now - this.#began)
    free.push(this)
    pump(now)
  }
}

function pump(now: number): void {
  while (due <= now && due < end) {
    const connection = free.pop()
    if (!connection) {
      waitingSince ??= now
      return
    }
    const bytes = requests[sent++ % requests.length] as Buffer
    connection.send(bytes, waitingSince === undefined ? now : Math.max(due, waitingSince))
    due += interval
  }
  waitingSince = undefined
}

function fail(reason: string): void {
  console.error(`a write failed: ${reason}`)
  process.exit(1)
}

function percentile(share: number): number {
  return taken[Math.min(taken.length - 1, Math.floor(taken.length * share))] ?? Number.NaN
}

function open(): Promise<Connection> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(new Connection(socket)))
    socket.once('error', (error) => fail(error.message))
  })
}

free.push(...(await Promise.all(Array.from({ length: count }, open))))
due = performance.now()
const timer = setInterval(() => pump(performance.now()), 1)
await new Promise((resolve) => setTimeout(resolve, end - performance.now() + 200))
clearInterval(timer)
taken.sort((a, b) => a - b)
const [p50, p99, p999] = [0.5, 0.99, 0.999].map(percentile)
console.log(JSON.stringify({ rate: taken.length / seconds, p50, p99, p999 }))
process.exit()
