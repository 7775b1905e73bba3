/** `/api/v1/prom/write`: what the relay itself has against a remote write of Prometheus. */

import type { Backend } from '../backend/backend.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'

/**
 * A write of version 2 of the protocol. No InfluxDB 1.x knows it: influxd finds no series in it, stores nothing and
 * answers 204. After a 415 a sender may use version 1.
 */
const VERSION_2 = /;\s*proto="?io\.prometheus\.write\.v2/i

/** The answer that refuses a write; undefined if all servers can read it. */
export function refusalOfRemoteWrite(
  headers: Headers,
  backends: readonly Backend[],
): Answer | undefined {
  if (VERSION_2.test(headers.get('content-type') ?? '')) {
    return errorAnswer(415, 'remote write 2.0 is not supported: use prometheus.WriteRequest')
  }
  const unable = backends.find(({ options }) => options.remoteWriteUrl === undefined)
  if (!unable) return undefined
  // Not 4xx: Prometheus drops its samples for that.
  const { name } = unable
  return errorAnswer(501, `the output "${name}" takes no remote writes: send them by another relay`)
}
