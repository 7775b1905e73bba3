/** The clients: several write by HTTP, one sends datagrams. */

import { createSocket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'

export const HTTP_CLIENTS = 4
const HTTP_INTERVAL_MS = 50
export const POINTS_A_WRITE = 10
const UDP_INTERVAL_MS = 10
const ANSWER_LIMIT_MS = 15_000

/** What clients have written so far. */
export interface Given {
  /** Counts of answers by status, or by the reason why there was none. */
  readonly answers: ReadonlyMap<string, number>
  readonly acknowledgedWrites: number
  readonly failedWrites: number
  readonly httpPoints: number
  readonly udpPoints: number
  /** By HTTP and UDP: what each server should have. */
  readonly points: number
}

export class Writers {
  readonly #answers = new Map<string, number>()
  readonly #url: string
  readonly #udpPort: number
  #udpPoints = 0
  #working: Promise<unknown> | undefined
  #stopped = false

  /**
   * @param url of the relay's write endpoint
   * @param udpPort of 127.0.0.1
   */
  constructor(url: string, udpPort: number) {
    this.#url = url
    this.#udpPort = udpPort
  }

  get given(): Given {
    const acknowledgedWrites = this.#answers.get('204') ?? 0
    const all = [...this.#answers.values()].reduce((sum, count) => sum + count, 0)
    const httpPoints = acknowledgedWrites * POINTS_A_WRITE
    return {
      answers: new Map(this.#answers),
      acknowledgedWrites,
      failedWrites: all - acknowledgedWrites,
      httpPoints,
      udpPoints: this.#udpPoints,
      points: httpPoints + this.#udpPoints,
    }
  }

  start(): void {
    const clients = Array.from({ length: HTTP_CLIENTS }, (_, i) => this.#writeByHttp(i + 1))
    this.#working = Promise.all([...clients, this.#sendByUdp()])
  }

  /** Resolves when every write that was begun is answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#working
  }

  async #writeByHttp(client: number): Promise<void> {
    const points = new Series(`http,client=${client}`)
    for await (const _ of ticks(HTTP_INTERVAL_MS)) {
      if (this.#stopped) return
      const answer = await post(this.#url, points.take(POINTS_A_WRITE))
      this.#answers.set(answer, (this.#answers.get(answer) ?? 0) + 1)
    }
  }

  async #sendByUdp(): Promise<void> {
    const socket = createSocket('udp4')
    const points = new Series('udp,client=1')
    for await (const _ of ticks(UDP_INTERVAL_MS)) {
      if (this.#stopped) break
      socket.send(points.take(1), this.#udpPort, '127.0.0.1')
      this.#udpPoints++
    }
    socket.close()
  }
}

/** Points of one series, each a millisecond after the one before, so that no two are the same. */
class Series {
  readonly #name: string
  readonly #start = Date.now()
  #count = 0

  constructor(name: string) {
    this.#name = name
  }

  /** The next points, as line protocol. */
  take(points: number): string {
    const line = () => `${this.#name} value=${this.#count}i ${this.#start + this.#count++}`
    return Array.from({ length: points }, line).join('\n')
  }
}

/** Writes and returns the answer's status, or why there was none. */
async function post(url: string, body: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS)
    const response = await fetch(url, { method: 'POST', body, signal })
    await response.text()
    return String(response.status)
  } catch (error) {
    return (error as Error).message
  }
}

/** A timer that makes up for late beats. */
async function* ticks(intervalMs: number): AsyncGenerator<void> {
  for (let next = performance.now(); ; next += intervalMs) {
    await delay(Math.max(0, next - performance.now()))
    yield
  }
}
