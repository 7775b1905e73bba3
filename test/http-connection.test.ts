/** The deadlines of a connection, in a time that the test sets. What clients see is in http-server.test.ts. */

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import {
  type ConnectionHost,
  type FetchHandler,
  HttpConnection,
} from '../src/platform/http-connection.ts'
import { ResponseWriter } from '../src/platform/http-response.ts'
import { PoisoningPool } from './support/poisoning-pool.ts'

const READ_MS = 1000
const IDLE_MS = 5000
const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

/** A connection without a network, and a clock that stands still. */
class Client extends Duplex {
  answers = ''
  private readonly host: ConnectionHost & { now: number }
  private readonly connection: HttpConnection

  constructor(fetch: FetchHandler) {
    super({ allowHalfOpen: true })
    const limits = { readTimeoutMs: READ_MS, idleTimeoutMs: IDLE_MS }
    const shared = { buffers: new PoisoningPool(), writer: new ResponseWriter() }
    this.host = { fetch, ...shared, now: 0, ...limits }
    this.connection = new HttpConnection(this as unknown as Socket, this.host)
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.answers += chunk.toString()
    done()
  }

  /** The status codes that were answered. */
  get statuses(): number[] {
    return [...this.answers.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => Number(code))
  }

  async send(text: string): Promise<void> {
    this.push(text)
    await rest()
  }

  /** Lets time go by, in small steps. */
  async wait(milliseconds: number): Promise<void> {
    const end = this.host.now + milliseconds
    while (this.host.now < end) {
      this.host.now = Math.min(end, this.host.now + 250)
      this.connection.checkDeadline()
      await rest()
    }
  }
}

async function rest(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate)
}

const reading: FetchHandler = (request) =>
  request.bytes().then(
    () => new Response(null, { status: 204 }),
    (error: Error) => new Response(error.message, { status: 400 }),
  )

describe('a client', () => {
  test('that says nothing is cut off in silence', async () => {
    const client = new Client(reading)
    await client.wait(READ_MS - 1)
    expect(client.destroyed).toBe(false)
    await client.wait(1)
    expect(client.destroyed).toBe(true)
    expect(client.answers).toBe('')
  })

  test('that says empty lines only is cut off at the same time', async () => {
    const client = new Client(reading)
    await client.send('\r\n')
    await client.wait(READ_MS - 1)
    await client.send('\r\n')
    await client.wait(1)
    expect(client.destroyed).toBe(true)
  })

  test('is told 408 if its head takes too long, however it drips', async () => {
    const client = new Client(reading)
    for (const byte of 'GET') {
      await client.send(byte)
      await client.wait(READ_MS / 4)
    }
    expect(client.statuses).toEqual([])
    await client.send(' ')
    await client.wait(READ_MS / 4)
    expect(client.statuses).toEqual([408])
    await client.send('/ HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.wait(60_000)
    expect(client.statuses).toEqual([408])
    expect(client.destroyed).toBe(true)
  })

  test('has no more time for its body than what its head has left', async () => {
    const client = new Client(reading)
    await client.send(POST.slice(0, 20))
    await client.wait(READ_MS - 250)
    await client.send(`${POST.slice(20)}bo`)
    expect(client.statuses).toEqual([])
    await client.wait(250)
    expect(client.statuses).toEqual([400])
    expect(client.answers).toContain('the client is too slow')
    await client.wait(60_000)
    expect(client.destroyed).toBe(true)
  })

  test('has all of the time for each request', async () => {
    const client = new Client(reading)
    for (let i = 0; i < 3; i++) {
      await client.send(POST)
      await client.wait(READ_MS - 1)
      await client.send('body')
    }
    expect(client.statuses).toEqual([204, 204, 204])
  })

  test('may rest between two requests, and is then cut off in silence', async () => {
    const client = new Client(reading)
    await client.send(GET)
    await client.wait(IDLE_MS - 1)
    await client.send(GET)
    await client.wait(IDLE_MS - 1)
    expect(client.destroyed).toBe(false)
    await client.wait(1)
    expect(client.destroyed).toBe(true)
    expect(client.statuses).toEqual([204, 204])
  })

  test('is waited with as long as its answer takes', async () => {
    let answer = (_: Response) => {}
    const client = new Client(
      () =>
        new Promise((resolve) => {
          answer = resolve
        }),
    )
    await client.send(GET)
    await client.wait(1_000_000)
    expect(client.destroyed).toBe(false)
    answer(new Response(null, { status: 204 }))
    await rest()
    expect(client.statuses).toEqual([204])
  })

  test('whose body is not asked for in time is not served behind it', async () => {
    let ask = () => {}
    const client = new Client(async (request) => {
      await new Promise<void>((resolve) => {
        ask = resolve
      })
      return reading(request)
    })
    await client.send(POST)
    await client.wait(READ_MS)
    ask()
    await client.send(`body${GET}`)
    expect(client.statuses).toEqual([400])
  })

  test('that does not send the rest of a body that nobody reads is closed', async () => {
    const client = new Client(() => new Response(null, { status: 204 }))
    await client.send(POST)
    expect(client.statuses).toEqual([204])
    await client.wait(READ_MS)
    expect(client.writableEnded).toBe(true)
    await client.send(`body${GET}`)
    expect(client.statuses).toEqual([204])
  })

  test('that does not close behind its last answer is cut off', async () => {
    const client = new Client(reading)
    await client.send(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    expect(client.statuses).toEqual([204])
    await client.send(GET)
    expect(client.destroyed).toBe(false)
    await client.wait(2000)
    expect(client.destroyed).toBe(true)
    expect(client.statuses).toEqual([204])
  })
})
