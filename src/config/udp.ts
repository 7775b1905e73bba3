/** The keys of a [[udp]] block. */

import * as v from 'valibot'
import { PRECISIONS } from '../influxdb/precision.ts'
import { formatAddress } from './address.ts'
import type { UdpConfig } from './config.ts'
import { hasUrl, httpOutput, outputs, udpOutput } from './output.ts'
import { address, label, oneOf, type ReadFile, tableAsync, text, whole } from './values.ts'

const udpKeys = (readFile: ReadFile) =>
  tableAsync({
    name: v.optional(label),
    'bind-addr': address,
    precision: v.optional(oneOf(PRECISIONS)),
    'read-buffer': v.optional(whole(0), 0),
    'max-queued-datagrams': v.optional(whole(1), 65_536),
    database: v.optional(text),
    'retention-policy': v.optional(text, ''),
    output: outputs(v.lazyAsync((output) => (hasUrl(output) ? httpOutput(readFile) : udpOutput))),
  })

type UdpKeys = v.InferOutput<ReturnType<typeof udpKeys>>

/** The schema of a [[udp]] block. */
export const udpBlock = (readFile: ReadFile) =>
  v.pipeAsync(
    udpKeys(readFile),
    v.check(
      ({ database, output }) => database !== undefined || output.every((one) => 'mtu' in one),
      'expected the key "database": an output with a URL needs one to write to',
    ),
    v.transform(toConfig),
  )

function toConfig(keys: UdpKeys): UdpConfig {
  return {
    name: keys.name ?? `udp://${formatAddress(keys['bind-addr'])}`,
    bind: keys['bind-addr'],
    precision: keys.precision ?? '',
    readBufferBytes: keys['read-buffer'],
    maxQueuedDatagrams: keys['max-queued-datagrams'],
    database: keys.database ?? '',
    retentionPolicy: keys['retention-policy'],
    outputs: keys.output.filter((output) => 'mtu' in output),
    backends: keys.output.filter((output) => 'writeUrl' in output),
  }
}
