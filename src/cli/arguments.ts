/** The command line. */

import packageJson from '../../package.json' with { type: 'json' }

export const VERSION = packageJson.version

export const USAGE = `Usage: influxdb-relay -config FILE [-check]
       influxdb-relay gaps -config FILE [-json]

Relays InfluxDB line protocol, from HTTP and UDP, to two or more InfluxDB 1.x servers.

  -config FILE  the configuration, in TOML; see sample.toml
  -check        check the configuration, print what it would run, and exit
  gaps          print which acknowledged writes each server lacks, and exit
  -json         print them as JSON, for programs
  -version      print the version and exit
  -help         print this help and exit

Options work with one dash or two. SIGTERM and SIGINT stop the relay: it finishes the
requests in flight, empties its buffers, and exits, at the latest after shutdown-timeout.
A second signal stops it at once.
`

export type Command =
  | { readonly kind: 'run' | 'check'; readonly config: string }
  | { readonly kind: 'gaps'; readonly config: string; readonly json: boolean }
  | { readonly kind: 'version' | 'help' }
  | { readonly kind: 'mistake'; readonly message: string }

/** Reads the arguments. Options are written as Go's flags: `-config FILE`, `--config=FILE`. */
export function parseArguments(args: readonly string[]): Command {
  const isGaps = args[0] === 'gaps'
  const remaining = args.slice(isGaps ? 1 : 0)
  let config: string | undefined
  let check = false
  let json = false
  for (let arg = remaining.shift(); arg !== undefined; arg = remaining.shift()) {
    const [, name, value] = /^--?([a-z]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === 'help' || name === 'h') return { kind: 'help' }
    if (name === 'version') return { kind: 'version' }
    if (name === 'check' && value === undefined && !isGaps) check = true
    else if (name === 'json' && value === undefined && isGaps) json = true
    else if (name === 'config') {
      config = value ?? remaining.shift()
      if (!config) return { kind: 'mistake', message: `${arg} needs a file` }
    } else return { kind: 'mistake', message: `unknown argument: ${arg}` }
  }
  if (config === undefined) return { kind: 'mistake', message: 'missing argument: -config FILE' }
  if (isGaps) return { kind: 'gaps', config, json }
  return { kind: check ? 'check' : 'run', config }
}
