/** The command line: what the arguments ask for, and what the program says about itself. */

import packageJson from '../../package.json' with { type: 'json' }
import type { BackendOptions } from '../backend/backend.ts'
import { formatAddress } from '../config/address.ts'
import type { Config } from '../config/schema.ts'

export const VERSION = packageJson.version

export const USAGE = `Usage: influxdb-relay -config FILE [-check]
       influxdb-relay gaps -config FILE [-json]

Relays InfluxDB line protocol, from HTTP and UDP, to two or more InfluxDB 1.x servers.

  -config FILE  the configuration, in TOML; see sample.toml
  -check        read the configuration, say what would run, and stop
  gaps          say what each server lacks although it was acknowledged, and stop
  -json         say it in JSON, for programs
  -version      print the version and stop
  -help         print this and stop

Each can be written with one dash or two. SIGTERM and SIGINT stop the relay once what is
in flight is finished and its buffers are empty, or after shutdown-timeout; a second
signal stops it at once.
`

export type Command =
  | { readonly kind: 'run' | 'check'; readonly config: string }
  | { readonly kind: 'gaps'; readonly config: string; readonly json: boolean }
  | { readonly kind: 'version' | 'help' }
  | { readonly kind: 'mistake'; readonly message: string }

export function parseArguments(args: readonly string[]): Command {
  let config: string | undefined
  let check = false
  let json = false
  const gaps = args[0] === 'gaps'
  const rest = args.slice(gaps ? 1 : 0)
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name, value] = /^--?([a-z]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === 'help' || name === 'h') return { kind: 'help' }
    if (name === 'version') return { kind: 'version' }
    if (name === 'check' && value === undefined && !gaps) check = true
    else if (name === 'json' && value === undefined && gaps) json = true
    else if (name === 'config') {
      config = value ?? rest.shift()
      if (!config) return { kind: 'mistake', message: `${arg} needs a file` }
    } else return { kind: 'mistake', message: `unknown argument: ${arg}` }
  }
  if (config === undefined) return { kind: 'mistake', message: 'missing argument: -config FILE' }
  if (gaps) return { kind: 'gaps', config, json }
  return { kind: check ? 'check' : 'run', config }
}

/** What a configuration would run, for people. */
export function describe({ http, udp }: Config): string {
  const lines: string[] = []
  for (const relay of http) {
    const scheme = relay.pem === undefined ? 'http' : 'https'
    lines.push(`${scheme} "${relay.name}" on ${formatAddress(relay.bind)}`)
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

function describeBackend({ name, writeUrl, timeoutMs, bufferBytes }: BackendOptions): string {
  const buffer = bufferBytes > 0 ? `buffer ${bufferBytes / 1024 / 1024} MB` : 'no buffer'
  return `  to "${name}": ${writeUrl}, timeout ${timeoutMs / 1000}s, ${buffer}`
}
