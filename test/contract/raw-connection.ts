import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, vi } from 'vitest'
import { patience } from './relay-process.ts'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** A connection on which a test says every byte itself. */
export class RawConnection {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes])
    })
    socket.on('close', () => {
      this.#closed = true
    })
    socket.on('error', () => {}) // being cut off is what some tests wait for
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  send(...parts: (string | Uint8Array)[]): void {
    for (const part of parts) this.#socket.write(part)
  }

  /** Sends what comes before the body of a POST. */
  head(path: string, ...headers: string[]): void {
    this.send([`POST ${path} HTTP/1.1`, 'Host: relay', ...headers, '', ''].join('\r\n'))
  }

  /** Sends a whole POST. */
  post(path: string, body: string): void {
    this.head(path, `Content-Length: ${Buffer.byteLength(body)}`)
    this.send(body)
  }

  /** Sends a ping. */
  ping(): void {
    this.send('GET /ping HTTP/1.1\r\nHost: relay\r\n\r\n')
  }

  /** Reads nothing from now on. */
  pause(): void {
    this.#socket.pause()
  }

  /** Goes away without a word. */
  hangUp(): void {
    this.#socket.resetAndDestroy()
  }

  /** Says that nothing more will come, as closing one half does. */
  end(): void {
    this.#socket.end()
  }

  /** Whether the other side has closed the connection. */
  get isClosed(): boolean {
    return this.#closed
  }

  async closed(): Promise<void> {
    await vi.waitFor(() => expect(this.#closed, 'connection is closed').toBe(true), patience)
  }

  /** The next answer, an interim one too; undefined if the connection is closed instead. */
  async answer(): Promise<RawAnswer | undefined> {
    return vi.waitFor(() => {
      const answer = this.#take()
      if (answer || this.#closed) return answer
      throw new Error(`no answer but ${JSON.stringify(this.#received.toString())}`)
    }, patience)
  }

  /** The next answer that is not an interim one, such as 100 Continue. */
  async finalAnswer(): Promise<RawAnswer | undefined> {
    const answer = await this.answer()
    return answer && answer.status < 200 ? this.finalAnswer() : answer
  }

  /** After an answer: the connection serves another request, unless it is closed. */
  async expectUsableOrClosed(): Promise<void> {
    this.ping()
    const answer = await this.answer()
    if (answer) expect(answer.status).toBe(204)
  }

  /** Takes one whole answer off what was received. */
  #take(): RawAnswer | undefined {
    const cut = this.#received.indexOf('\r\n\r\n')
    if (cut < 0) return undefined
    const [first = '', ...lines] = this.#received.subarray(0, cut).toString('latin1').split('\r\n')
    const pairs = lines.map((line) => line.split(/: */s, 2) as [string, string])
    const headers = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]))
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1])
    const rest = this.#received.subarray(cut + 4)
    const length = status < 200 || status === 204 ? 0 : this.#bodyLength(headers, rest)
    if (length === undefined || rest.length < length) return undefined
    this.#received = rest.subarray(length)
    return { status, headers, body: rest.subarray(0, length).toString() }
  }

  /** undefined while the end of the body cannot be told. */
  #bodyLength(headers: Record<string, string>, rest: Buffer): number | undefined {
    const length = headers['content-length']
    if (length !== undefined) return Number(length)
    if (headers['transfer-encoding'] !== 'chunked') return this.#closed ? rest.length : undefined
    const end = rest.indexOf('0\r\n\r\n')
    return end < 0 ? undefined : end + 5
  }
}
