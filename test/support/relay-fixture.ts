/** A relay with fake backends, written to by name of backend and line of text. */

import type { BackendOptions } from '../../src/backend/backend.ts'
import type { Answer } from '../../src/influxdb/answer.ts'
import type { ConsistencyLevel } from '../../src/influxdb/consistency.ts'
import { v1DestinationOf } from '../../src/influxdb/destination.ts'
import { stamp } from '../../src/influxdb/stamp.ts'
import type { Write } from '../../src/influxdb/write.ts'
import { createLog } from '../../src/observe/log.ts'
import { openData, openRelay } from '../../src/start.ts'
import type { FakeDisk } from './fake-disk.ts'
import { createFakeRuntime, type Handler, settle } from './fake-runtime.ts'

/** The endpoints of a server. */
export const urlsOf = (name: string) => ({
  writeUrl: `http://${name}/write`,
  queryUrl: `http://${name}/query`,
  remoteWriteUrl: `http://${name}/api/v1/prom/write`,
  remoteReadUrl: `http://${name}/api/v1/prom/read`,
  fluxUrl: `http://${name}/api/v2/query`,
})

export const DEFAULTS: Omit<BackendOptions, 'name' | keyof ReturnType<typeof urlsOf>> = {
  createsDatabases: false,
  isRead: true,
  weight: 1,
  queryTimeoutMs: 60_000,
  authorization: undefined,
  timeoutMs: 10_000,
  bufferBytes: 0,
  maxBatchBytes: 512 * 1024,
  maxDelayMs: 10_000,
  maxInFlight: 1,
  replayRate: 0,
  pendingBytes: 1024 * 1024,
  lanesBytes: 1024 * 1024,
  folder: undefined,
  whenFull: 'reject',
  maxAgeMs: undefined,
  gzip: false,
  ca: undefined,
  skipTlsVerification: false,
}

/** The answer to a write, once there is one. */
export interface Sent {
  status: number | undefined
  answer: Answer | undefined
}

/** A write to the database `d`, unless `search` says otherwise. Points without a timestamp get 1. */
export function writeOf(
  body: string | Uint8Array,
  search = 'db=d',
  authorization?: string,
  consistency: ConsistencyLevel = 'one',
): Write {
  const destination = v1DestinationOf(search, authorization, '')
  if ('status' in destination) throw new Error(`no destination in ${search}`)
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return { kind: 'points', destination, points: stamp(bytes, () => '1'), consistency }
}

/**
 * @param disk holds the data directory `data`; undefined for a relay without one
 * @param segmentBytes the size at which a segment is full
 */
export async function createFixture(
  handlers: Record<string, Handler>,
  options: Partial<BackendOptions> = {},
  disk?: FakeDisk,
  segmentBytes?: number,
) {
  const runtime = createFakeRuntime(handlers)
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const opened = disk && (await openData({ dataDir: 'data' }, { disk }, log))
  const data = opened && segmentBytes ? { ...opened, segmentBytes } : opened
  const backends = Object.keys(handlers).map((name) => {
    const all = { ...DEFAULTS, name, ...urlsOf(name), ...options }
    return { ...all, folder: disk && all.bufferBytes > 0 ? `data/${name}` : undefined }
  })
  const relay = await openRelay(backends, runtime, log, data)

  const accept = async (write: Write): Promise<Sent> => {
    const sent: Sent = { status: undefined, answer: undefined }
    void relay.accept(write).then((answer) => {
      sent.answer = answer
      sent.status = answer.status
    })
    await settle()
    return sent
  }

  return {
    runtime,
    relay,
    data,
    accept,
    /** Gives the relay a write and waits until all has happened that needs no time to pass. */
    send: (body: string | Uint8Array, search?: string, authorization?: string) =>
      accept(writeOf(body, search, authorization)),
    own: (body: string, search?: string) => relay.own(writeOf(body, search)),
    /** The bodies that a backend has received, in order. */
    bodies: (name: string) => (runtime.received.get(name) ?? []).map(({ body }) => body),
    logged: (text: string) => runtime.log.filter((line) => line.includes(text)),
  }
}
