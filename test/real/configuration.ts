import { join } from 'node:path'
import type { Ports } from './ports.ts'

/** Options of an influxd beyond plain HTTP. */
export type InfluxdOptions = {
  /** Turns authentication on, and creates this administrator. */
  auth?: { username: string; password: string }
  /** Speaks HTTPS with these PEM files. */
  https?: { certificate: string; key: string }
  /** The largest body of a write, in bytes; 0 lifts the limit. */
  maxBodySize?: number
  /** Writes points that come by UDP to this database. */
  udp?: { database: string; precision?: string }
}

/** influxd's configuration file: all data in one directory, no port but the given ones. */
export function configuration(dir: string, ports: Ports, options: InfluxdOptions): string {
  const lines = [
    'reporting-disabled = true',
    entry('bind-address', loopback(ports.rpc)),
    '[meta]',
    entry('dir', join(dir, 'meta')),
    '[data]',
    entry('dir', join(dir, 'data')),
    entry('wal-dir', join(dir, 'wal')),
    '[monitor]',
    entry('store-enabled', false),
    '[continuous_queries]',
    entry('enabled', false),
    ...http(ports, options),
    ...udp(ports, options),
  ]
  return `${lines.join('\n')}\n`
}

function http(ports: Ports, { auth, https, maxBodySize }: InfluxdOptions): string[] {
  const lines = [
    '[http]',
    entry('bind-address', loopback(ports.http)),
    entry('auth-enabled', auth !== undefined),
    // Versions before 1.7 ignore it.
    entry('flux-enabled', true),
  ]
  if (maxBodySize !== undefined) lines.push(entry('max-body-size', maxBodySize))
  if (!https) return lines
  return [
    ...lines,
    entry('https-enabled', true),
    entry('https-certificate', https.certificate),
    entry('https-private-key', https.key),
  ]
}

function udp(ports: Ports, { udp: wanted }: InfluxdOptions): string[] {
  if (!wanted) return []
  return [
    '[[udp]]',
    entry('enabled', true),
    entry('bind-address', loopback(ports.udp)),
    entry('database', wanted.database),
    entry('precision', wanted.precision ?? 'ns'),
    entry('batch-size', 1000),
    entry('batch-timeout', '100ms'),
  ]
}

const loopback = (port: number) => `127.0.0.1:${port}`

/** One TOML setting; TOML's basic strings take the escapes that JSON writes. */
function entry(key: string, value: string | number | boolean): string {
  return `${key} = ${JSON.stringify(value)}`
}
