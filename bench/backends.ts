/**
 * The servers behind the subjects: nginx that accepts everything and keeps nothing, or real
 * influxd.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Influxd, startInfluxd } from '../test/real/influxd.ts'
import { startNginx } from './nginx.ts'
import type { Service } from './service.ts'

export type Kind = 'null' | 'influxd'

/** The databases of writes. */
export const DATABASES = Array.from({ length: 8 }, (_, i) => `bench${i}`)

/** A server that counts requests. */
export interface Backend {
  readonly url: string
  readonly port: number
  /** Its endpoint for Prometheus remote write, for vmagent. */
  readonly remoteWriteUrl: string
  /** Writes that have reached it so far. */
  requests(): Promise<number>
  stop(): Promise<void>
}

/** Two servers of a kind. */
export async function startBackends(kind: Kind): Promise<readonly [Backend, Backend]> {
  const start = kind === 'null' ? () => NullBackend.start() : startRealBackend
  const [first, second] = await Promise.all([start(), start()])
  return [first, second]
}

/** A server that answers 204 to everything. */
export class NullBackend implements Backend {
  readonly #service: Service
  readonly #log: string
  #asked = 0

  private constructor(service: Service, log: string) {
    this.#service = service
    this.#log = log
  }

  /**
   * @param port by default a free one
   * @param countsBytes needed for bodies(); writes a line to a file for each request
   */
  static async start({ port, countsBytes = false }: { port?: number; countsBytes?: boolean } = {}) {
    const service = await startNginx({
      name: 'null backend',
      configuration: 'null.conf',
      values: (dir) => ({ LOG: countsBytes ? `${join(dir, 'lengths')} length` : 'off' }),
      readyPath: '/status',
      ...(port !== undefined && { port }),
    })
    const backend = new NullBackend(service, join(service.dir, 'lengths'))
    backend.#asked = await backend.#count()
    return backend
  }

  get url(): string {
    return this.#service.url
  }

  get port(): number {
    return this.#service.port
  }

  get remoteWriteUrl(): string {
    return `${this.url}/write`
  }

  /** nginx counts the requests for its status, too. */
  async requests(): Promise<number> {
    this.#asked++
    return (await this.#count()) - this.#asked
  }

  /** The size of each body so far, with the second at which it was answered. */
  async bodies(): Promise<{ seconds: number; bytes: number }[]> {
    const lines = (await readFile(this.#log, 'utf8')).trim().split('\n')
    const fields = lines.map((line) => line.split(' '))
    return fields
      .map(([seconds, bytes]) => ({ seconds: Number(seconds), bytes: Number(bytes) }))
      .filter(({ bytes }) => bytes > 0)
  }

  stop(): Promise<void> {
    return this.#service.stop()
  }

  async #count(): Promise<number> {
    const status = await (await fetch(`${this.url}/status`)).text()
    return Number(/\n \d+ \d+ (\d+)/.exec(status)?.[1])
  }
}

async function startRealBackend(): Promise<Backend> {
  const server: Influxd = await startInfluxd()
  for (const name of DATABASES) await server.query(`CREATE DATABASE ${name}`)
  return {
    url: server.url,
    port: server.port,
    remoteWriteUrl: `${server.url}/api/v1/prom/write?db=${DATABASES[0]}`,
    requests: () => countWrites(server.url),
    stop: () => server.stop(),
  }
}

async function countWrites(url: string): Promise<number> {
  const variables = (await (await fetch(`${url}/debug/vars`)).json()) as Record<string, Counters>
  const { values } = Object.values(variables).find(({ name }) => name === 'httpd') ?? {}
  return Number(values?.writeReq) + Number(values?.promWriteReq ?? 0)
}

interface Counters {
  readonly name?: string
  readonly values?: Record<string, number>
}
