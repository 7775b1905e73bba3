/** Servers and clients of real sockets on the loopback, which last until the end of the test. */

import { once } from 'node:events'
import * as net from 'node:net'
import { onTestFinished, vi } from 'vitest'
import { serveHttp } from '../src/platform/http-server.ts'
import type { HttpServer, HttpServerOptions } from '../src/runtime.ts'
import { RawConnection } from './contract/raw-connection.ts'
import { PoisoningPool } from './support/poisoning-pool.ts'

export const patience = { timeout: 10_000, interval: 5 }

const patient: HttpServerOptions = {
  bind: { host: '127.0.0.1', port: 0 },
  pem: undefined,
  maxConnections: 100,
  backlog: 100,
  readTimeoutMs: 3_600_000,
  idleTimeoutMs: 3_600_000,
  onRefused: () => {},
}

export interface Served {
  readonly server: HttpServer
  readonly port: number
  /** Opens a connection. */
  open(): Promise<RawConnection>
}

/** Serves without any hurry, unless told otherwise. */
export async function serve(
  fetch: (request: Request) => Response | Promise<Response>,
  options: Partial<HttpServerOptions> = {},
): Promise<Served> {
  const server = await serveHttp(fetch, { ...patient, ...options }, new PoisoningPool())
  onTestFinished(() => server.stop(AbortSignal.abort()))
  const { port } = server.address
  const open = async () => {
    const connection = await RawConnection.open(`http://127.0.0.1:${port}`)
    onTestFinished(() => connection.hangUp())
    return connection
  }
  return { server, port, open }
}

/** Connects a bare socket, which stays half open when the server has ended its half. */
export async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
  socket.on('error', () => {}) // being cut off is what some tests wait for
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Waits until `value` is the same for a while: what came of something has come to rest. */
export async function settled(value: () => number): Promise<number> {
  let last = Number.NaN
  let times = 0
  await vi.waitFor(() => {
    times = value() === last ? times + 1 : 0
    last = value()
    if (times < 40) throw new Error('still changing')
  }, patience)
  return last
}

/** A promise and what settles it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
