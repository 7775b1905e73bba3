/** The command `influxdb-relay -check`: says what a configuration would run. */

import type { BackendOptions } from '../backend/backend.ts'
import { formatAddress } from '../config/address.ts'
import type { Config, HttpConfig } from '../config/config.ts'
import { atLeast } from '../influxdb/consistency.ts'
import { escaped } from '../observe/escape.ts'

export function describe({ http, udp }: Config): string {
  const lines: string[] = []
  for (const relay of http) {
    const scheme = relay.pem === undefined ? 'http' : 'https'
    const queries = relay.isQueryable ? '' : ', no queries'
    const block = `${scheme} "${relay.name}" on ${formatAddress(relay.bind)}`
    lines.push(block + describeFloor(relay) + queries)
    lines.push(...relay.backends.map(describeBackend))
  }
  for (const relay of udp) {
    lines.push(`udp "${relay.name}" on ${formatAddress(relay.bind)}`)
    for (const { name, address, mtu } of relay.outputs) {
      lines.push(`  to "${name}": udp ${formatAddress(address)}, mtu ${mtu}`)
    }
    lines.push(...relay.backends.map(describeBackend))
  }
  return `${lines.map(escaped).join('\n')}\n`
}

/** The consistency, if the configuration says that a client cannot lower it. */
function describeFloor({ consistency, minConsistency }: HttpConfig): string {
  if (minConsistency === 'any') return ''
  return `, consistency ${atLeast(minConsistency, consistency)}, at least ${minConsistency}`
}

function describeBackend(options: BackendOptions): string {
  const { name, writeUrl, v2, timeoutMs, bufferBytes, isRead } = options
  const buffer = bufferBytes > 0 ? `buffer ${bufferBytes / 1024 / 1024} MB` : 'no buffer'
  const api = v2 ? `, api v2, org "${v2.org}"` : ''
  return `  to "${name}": ${writeUrl}${api}, timeout ${timeoutMs / 1000}s, ${buffer}${isRead ? '' : ', not read'}`
}
