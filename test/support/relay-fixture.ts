/** A relay with fake backends, written to by name of backend and line of text. */

import { Backend, type BackendOptions } from '../../src/backend/backend.ts'
import type { Answer } from '../../src/influxdb/answer.ts'
import type { ConsistencyLevel } from '../../src/influxdb/consistency.ts'
import { v1DestinationOf } from '../../src/influxdb/destination.ts'
import { stamp } from '../../src/influxdb/stamp.ts'
import type { Write } from '../../src/influxdb/write.ts'
import { createLog } from '../../src/observe/log.ts'
import { Relay } from '../../src/relay/relay.ts'
import { createFakeRuntime, type Handler, settle } from './fake-runtime.ts'

export const DEFAULTS: Omit<BackendOptions, 'name' | 'writeUrl'> = {
  authorization: undefined,
  timeoutMs: 10_000,
  bufferBytes: 0,
  maxBatchBytes: 512 * 1024,
  maxDelayMs: 10_000,
  maxInFlight: 1,
  replayRate: 0,
  pendingBytes: 1024 * 1024,
  folder: undefined,
  whenFull: 'reject',
  maxAgeMs: undefined,
  gzip: false,
  ca: undefined,
  skipTlsVerification: false,
}

/** What became of a write: its answer's status, once there is one. */
export interface Sent {
  status: number | undefined
  answer: Answer | undefined
}

export function createFixture(
  handlers: Record<string, Handler>,
  options: Partial<BackendOptions> = {},
) {
  const runtime = createFakeRuntime(handlers)
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const backends = Object.keys(handlers).map(
    (name) =>
      new Backend(
        { ...DEFAULTS, name, writeUrl: `http://${name}/write`, ...options },
        runtime,
        log,
      ),
  )
  const relay = new Relay(backends)

  const parse = (
    body: string | Uint8Array,
    search: string,
    authorization?: string,
    level: ConsistencyLevel = 'one',
  ): Write => {
    const destination = v1DestinationOf(search, authorization, '')
    if (!destination) throw new Error(`no database in ${search}`)
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
    const points = stamp(bytes, () => '1')
    return { kind: 'points', destination, points, consistency: level }
  }

  return {
    runtime,
    relay,
    /** Gives the relay a write and lets happen what happens at once. */
    async send(body: string | Uint8Array, search = 'db=d', authorization?: string): Promise<Sent> {
      const sent: Sent = { status: undefined, answer: undefined }
      void relay.accept(parse(body, search, authorization)).then((answer) => {
        sent.answer = answer
        sent.status = answer.status
      })
      await settle()
      return sent
    },
    own(body: string, search = 'db=d'): void {
      relay.own(parse(body, search))
    },
    /** The bodies that a backend has got, in order. */
    bodies: (name: string) => (runtime.received.get(name) ?? []).map(({ body }) => body),
    logged: (text: string) => runtime.log.filter((line) => line.includes(text)),
  }
}
