/** The shape of src: imports point one way, and runtimes stay at the edge. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '..', 'src')

/** Files that may know a runtime or a node: module: entries, and what makes a host of sockets. */
const EDGE = [
  ...['bun.ts', 'deno.ts', 'node.ts', 'deno-udp.ts', 'udp-socket.ts'],
  ...['host.ts', 'gzip.ts', 'node-disk.ts', 'folder-lock.ts'],
  ...['http-server.ts', 'connections.ts', 'http-connection.ts', 'http-response.ts'],
  ...['http-client.ts', 'backend-connection.ts', 'response-reader.ts'],
]

/** From what is imported by none to what imports none; a file may import only from rows below its own. */
const LAYERS = [
  ['bun.ts', 'deno.ts', 'node.ts'],
  ['main.ts'],
  ['data.ts'],
  ['backend.ts', 'store.ts'],
  ['config-file.ts', 'queue.ts', 'segments.ts'],
  [
    'config.ts',
    'dead-letters.ts',
    'durable-lane.ts',
    'host.ts',
    'log-folder.ts',
    'segment-reader.ts',
  ],
  ['flight.ts', 'grace.ts', 'spooler.ts'],
  [
    'app.ts',
    'config-output.ts',
    'http-client.ts',
    'http-server.ts',
    'gaps-command.ts',
    'handoff.ts',
    'ledger.ts',
    'letter-folder.ts',
    'losses.ts',
    'node-disk.ts',
    'record-finder.ts',
    'segment-writer.ts',
    'udp.ts',
  ],
  [
    'body.ts',
    'cli.ts',
    'config-values.ts',
    'dead-letter.ts',
    'edge.ts',
    'folder-lock.ts',
    'head-file.ts',
    'health.ts',
    'http-connection.ts',
    'backend-connection.ts',
    'datagram-output.ts',
    'lane.ts',
    'lane-file.ts',
    'ledger-file.ts',
    'record.ts',
    'relay.ts',
    'replay.ts',
    'time-range.ts',
    'whole-file.ts',
  ],
  ['batch.ts', 'damage.ts', 'http-body.ts', 'response-reader.ts', 'stamp.ts'],
  [
    'address.ts',
    'answer.ts',
    'backlog.ts',
    'backoff.ts',
    'budget.ts',
    'buffer-pool.ts',
    'checksum.ts',
    'clock.ts',
    'connection-limits.ts',
    'connections.ts',
    'deno-udp.ts',
    'disk.ts',
    'duration.ts',
    'entry.ts',
    'gaps.ts',
    'group-commit.ts',
    'gzip.ts',
    'http-framing.ts',
    'http-request.ts',
    'http-response.ts',
    'lane-host.ts',
    'line.ts',
    'log.ts',
    'nearest.ts',
    'outcome.ts',
    'pacer.ts',
    'plain-lines.ts',
    'precision.ts',
    'repeated-warning.ts',
    'resolved-address.ts',
    'rfc3339.ts',
    'sound-points.ts',
    'runtime.ts',
    'slots.ts',
    'toml-line.ts',
    'udp-socket.ts',
    'write.ts',
  ],
  ['consistency.ts', 'http-head.ts', 'line-bytes.ts', 'places.ts', 'plain-lines.wasm.ts'],
]

/** Packages, and the only files that may import them. */
const PACKAGES: Record<string, string[]> = {
  hono: ['app.ts'],
  'smol-toml': ['config-file.ts'],
  valibot: ['config.ts', 'config-file.ts', 'config-output.ts', 'config-values.ts'],
  'toml-eslint-parser': ['toml-line.ts'],
}

const files = readdirSync(SRC).filter((name) => name.endsWith('.ts'))
const source = (file: string) => readFileSync(join(SRC, file), 'utf8')
const imports = (file: string) =>
  [...source(file).matchAll(/^(?:import|\} from) ?(type )?.*?'([^']+)'/gm)].map(
    ([, type, from]) => ({ from: from as string, type: type !== undefined }),
  )
const layerOf = (file: string) => LAYERS.findIndex((layer) => layer.includes(file))

describe.each(files)('%s', (file) => {
  test('has its place', () => {
    expect(layerOf(file)).toBeGreaterThanOrEqual(0)
  })

  test('imports only from below', () => {
    const own = imports(file).filter(({ from, type }) => from.startsWith('./') && !type)
    const upward = own.filter(({ from }) => layerOf(from.slice(2)) <= layerOf(file))
    expect(upward.map(({ from }) => from)).toEqual([])
  })

  test('imports only packages that are its business', () => {
    const packages = imports(file)
      .map(({ from }) => from)
      .filter((from) => !/^(\.|node:)/.test(from))
    for (const name of packages) expect(PACKAGES[name], name).toContain(file)
  })

  if (EDGE.includes(file)) return

  test('knows no runtime, and no clock, network or disk', () => {
    const code = source(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    expect(code).not.toMatch(/\bBun\.|\bDeno\.|'node:|\bprocess\./)
    if (file === 'clock.ts' || file === 'edge.ts') return
    expect(code).not.toMatch(/\bDate\.now|\bset(Timeout|Interval)\(|(?<![.\w])fetch\(|Math\.random/)
  })
})
