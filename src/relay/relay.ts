/** Relays writes to a list of backends. */

import type { Backend } from '../backend/backend.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import type { Write } from '../influxdb/write.ts'
import { FanOut, type TellKept } from './fan-out.ts'

/** The seconds after which a client may try a destination again for which there was no room. */
const RETRY_AFTER = '10'

/** No statement changes something on an InfluxDB 2.x. */
export const takesStatements = ({ options }: Backend) => options.v2 === undefined

export class Relay {
  readonly backends: readonly Backend[]
  private readonly tellKept: TellKept | undefined

  /** @param tellKept tells other relays for which outputs something is kept */
  constructor(backends: readonly Backend[], tellKept?: TellKept) {
    this.backends = backends
    this.tellKept = tellKept
  }

  /**
   * Relays a write that its client still owns. Resolves with `STORED` once enough backends have it and it
   * cannot be lost for the others, with the first rejection, or, if no backend takes it now, with the
   * failure that tells the client most. If one of them cannot remember another destination, none gets the
   * write.
   */
  accept(write: Write): Promise<Answer> {
    const { backends } = this
    const takers = write.kind === 'statement' ? backends.filter(takesStatements) : backends
    const full = takers.find((backend) => !backend.hasRoomFor(write.destination))
    if (full) return Promise.resolve(tooManyDestinations(full))
    return new Promise((resolve) => {
      new FanOut(write, 'client', resolve, this.tellKept).start(takers)
    })
  }

  /** Relays a write whose client expects no answer: the relay owns it at once. */
  own(write: Write): void {
    new FanOut(write, 'relay', () => {}).start(this.backends)
  }

  /** Whether some backend has as many statements to execute as may wait. */
  get isFullOfStatements(): boolean {
    return this.backends.some(({ queue }) => queue.isFullOfStatements)
  }

  /** Bytes of line protocol that backends have yet to take. */
  get undeliveredBytes(): number {
    return this.backends.reduce((sum, backend) => sum + backend.queue.bytes, 0)
  }

  /** Begins to deliver what an earlier process has left on disk. */
  start(): void {
    for (const backend of this.backends) backend.queue.start()
  }

  async close(): Promise<void> {
    for (const backend of this.backends) await backend.close()
  }

  /** Resolves when no write is in memory alone: each is delivered, or on disk. */
  async drained(): Promise<void> {
    await Promise.all(this.backends.map((backend) => backend.queue.whenSafe()))
  }
}

function tooManyDestinations({ name }: Backend): Answer {
  const reason = `too many databases, retention policies and credentials wait for ${name}`
  return errorAnswer(503, reason, RETRY_AFTER)
}
