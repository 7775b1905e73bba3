/** The command `influxdb-relay -check`: says what a configuration would run. */

import type { BackendOptions } from '../backend/backend.ts'
import { formatAddress } from '../config/address.ts'
import type { Config } from '../config/config.ts'

export function describe({ http, udp }: Config): string {
  const lines: string[] = []
  for (const relay of http) {
    const scheme = relay.pem === undefined ? 'http' : 'https'
    const queries = relay.isQueryable ? '' : ', no queries'
    lines.push(`${scheme} "${relay.name}" on ${formatAddress(relay.bind)}${queries}`)
    lines.push(...relay.backends.map(describeBackend))
  }
  for (const relay of udp) {
    lines.push(`udp "${relay.name}" on ${formatAddress(relay.bind)}`)
    for (const { name, address, mtu } of relay.outputs) {
      lines.push(`  to "${name}": udp ${formatAddress(address)}, mtu ${mtu}`)
    }
    lines.push(...relay.backends.map(describeBackend))
  }
  return `${lines.join('\n')}\n`
}

function describeBackend(options: BackendOptions): string {
  const { name, writeUrl, timeoutMs, bufferBytes, isRead } = options
  const buffer = bufferBytes > 0 ? `buffer ${bufferBytes / 1024 / 1024} MB` : 'no buffer'
  return `  to "${name}": ${writeUrl}, timeout ${timeoutMs / 1000}s, ${buffer}${isRead ? '' : ', not read'}`
}
