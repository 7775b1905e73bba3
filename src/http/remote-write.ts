/** `/api/v1/prom/write`: what the relay itself has against a remote write of Prometheus. */

import { type Answer, errorAnswer } from '../influxdb/answer.ts'

/**
 * A write of version 2 of the protocol. No InfluxDB 1.x knows it: influxd finds no series in it, stores nothing and
 * answers 204. After a 415 a sender may use version 1.
 */
const VERSION_2 = /;\s*proto="?io\.prometheus\.write\.v2/i

/** The answer that refuses a write; undefined if servers can read it. */
export function refusalOfRemoteWrite(headers: Headers): Answer | undefined {
  if (!VERSION_2.test(headers.get('content-type') ?? '')) return undefined
  return errorAnswer(415, 'remote write 2.0 is not supported: use prometheus.WriteRequest')
}
