/** Connections on which an attacker says every byte. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Enough for the heads of the answers that a case looks at. */
const KEPT_BYTES = 64 * 1024

export class Connection {
  readonly #socket: Socket
  /** The beginning of what was received. */
  #received = ''
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => {
      const room = KEPT_BYTES - this.#received.length
      if (room > 0) this.#received += bytes.toString('latin1', 0, room)
    })
    socket.on('close', () => {
      this.#closed = true
    })
    socket.on('error', () => {}) // the relay may cut an attacker off
  }

  /** @param reads whether it takes what the relay sends */
  static async open(port: number, { reads = true } = {}): Promise<Connection> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    const connection = new Connection(socket)
    await once(socket, 'connect')
    if (!reads) socket.pause()
    return connection
  }

  /** Resolves once the system has taken the bytes, or the connection is closed. */
  async send(bytes: string | Uint8Array): Promise<void> {
    if (this.#closed || this.#socket.write(bytes)) return
    await Promise.race([once(this.#socket, 'drain'), once(this.#socket, 'close')]).catch(() => {})
  }

  /** The statuses of all answers so far, interim ones left out. */
  get statuses(): number[] {
    const found = this.#received.matchAll(/HTTP\/1\.[01] ([2-5]\d\d)/g)
    return [...found].map(([, status]) => Number(status))
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The status of the first answer, or `closed`, or `silent` if neither comes in time. */
  async outcome(limitMs = 10_000): Promise<string> {
    const end = performance.now() + limitMs
    while (performance.now() < end) {
      const [status] = this.statuses
      if (status !== undefined) return String(status)
      if (this.#closed) return 'closed'
      await delay(2)
    }
    return 'silent'
  }

  /** Breaks the connection off with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Where attacks write. */
export const WRITE = '/write?db=attack'

/** The head of a POST of line protocol. */
export const head = (path: string, ...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: relay', ...headers, '', ''].join('\r\n')

/** A whole POST. */
export function post(path: string, body: string | Uint8Array, ...headers: string[]): Buffer {
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  return Buffer.concat([Buffer.from(head(path, length, ...headers)), Buffer.from(body)])
}

/** Sends one request on a connection of its own, and returns its outcome. */
export async function request(port: number, ...parts: (string | Uint8Array)[]): Promise<string> {
  const connection = await Connection.open(port).catch(() => undefined)
  if (!connection) return 'refused'
  for (const part of parts) await connection.send(part)
  const outcome = await connection.outcome()
  connection.close()
  return outcome
}

/** Does the same many times, some of them at the same time; returns what each came to. */
export async function crowd<Result>(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      results[index] = await work(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
  return results
}

/** Counts outcomes: `204 ×12, closed ×3`. */
export function tally(outcomes: readonly (string | number)[]): string {
  const counts = new Map<string, number>()
  for (const one of outcomes) counts.set(String(one), (counts.get(String(one)) ?? 0) + 1)
  return countsText(counts)
}

export function countsText(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  return sorted.map(([one, count]) => (count === 1 ? one : `${one} ×${count}`)).join(', ')
}
