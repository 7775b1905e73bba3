import { expect, vi } from 'vitest'
import { write } from './client.ts'
import { T } from './points.ts'
import { patience } from './relay-process.ts'

/** How many points all writers overwrite, each with its own values. */
export const SHARED_POINTS = 3

/** Clients that write at the same time, each one point after another, until they are stopped. */
export class Writers {
  readonly #url: string
  readonly #db: string
  readonly #statuses: number[] = []
  readonly #clients: Promise<void>[]
  #stopped = false

  constructor(url: string, db: string, count: number) {
    this.#url = url
    this.#db = db
    this.#clients = Array.from({ length: count }, (_, client) => this.#write(client))
  }

  /** Waits until so many writes were answered since the start. */
  async haveWritten(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.#statuses.length).toBeGreaterThan(count), patience)
  }

  /** Lets each client finish its write, and returns what each write was answered. */
  async stop(): Promise<number[]> {
    this.#stopped = true
    await Promise.all(this.#clients)
    return this.#statuses
  }

  /** Each write has a point of its own, and one that everybody overwrites. */
  async #write(client: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const own = `own,client=${client} v=${i}i ${T + BigInt(i)}`
      const shared = `shared,k=${i % SHARED_POINTS} v="${client} ${i}" ${T}`
      const { status } = await write(this.#url, `db=${this.#db}`, `${own}\n${shared}\n`)
      this.#statuses.push(status)
    }
  }
}
