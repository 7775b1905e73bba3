/** The whole configuration file: its blocks, and what they must have in common. */

import * as v from 'valibot'
import type { BackendOptions } from '../backend/backend.ts'
import { formatAddress } from './address.ts'
import { BUFFERS, type Config, type HttpConfig, type UdpConfig } from './config.ts'
import { distinct, type Placed } from './distinct.ts'
import { httpBlock } from './http.ts'
import { udpBlock } from './udp.ts'
import { duration, expected, flag, path, type ReadFile, tableAsync } from './values.ts'

/** The schema of a configuration file. */
export const configSchema = (readFile: ReadFile) =>
  v.pipeAsync(
    tableAsync({
      'shutdown-timeout': v.optional(duration, '30s'),
      'shutdown-delay': v.optional(duration),
      'data-dir': v.optional(path),
      verbose: v.optional(flag),
      http: v.optionalAsync(
        v.arrayAsync(httpBlock(readFile), expected('an array of tables, [[http]]')),
        [],
      ),
      udp: v.optionalAsync(
        v.arrayAsync(udpBlock(readFile), expected('an array of tables, [[udp]]')),
        [],
      ),
    }),
    v.transform(
      (file): Config => ({
        http: file.http.map((relay) => withFolders('http', relay, file['data-dir'])),
        udp: file.udp.map((relay) => withFolders('udp', relay, file['data-dir'])),
        shutdownTimeoutMs: file['shutdown-timeout'],
        shutdownDelayMs: file['shutdown-delay'] ?? 0,
        dataDir: file['data-dir'],
        ignored: file.verbose === undefined ? [] : ['verbose'],
      }),
    ),
    v.check(
      (config) => config.dataDir !== undefined || backendsOf(config).every(({ folder }) => !folder),
      'expected the key "data-dir": an output has a buffer-path',
    ),
    v.check(
      (config) =>
        config.dataDir !== undefined ||
        backendsOf(config).every(({ replayRate }) => replayRate === 0),
      'expected the key "data-dir": an output has a replay-rate-limit, which is for buffers on disk',
    ),
    v.check(
      ({ http, udp }) => http.length + udp.length > 0,
      'expected at least one [[http]] or [[udp]] block',
    ),
    distinct('relay name', ({ http, udp }: Config) => [
      ...http.map(({ name }, i): Placed => [name, ['http', i, 'name']]),
      ...udp.map(({ name }, i): Placed => [name, ['udp', i, 'name']]),
    ]),
    distinct('buffer-path', ({ http, udp }: Config) => [
      ...http.flatMap(({ backends }, i) =>
        backends.map(
          ({ folder }, j): Placed => [
            folder && withoutDots(folder),
            ['http', i, 'output', j, 'buffer-path'],
          ],
        ),
      ),
      ...udp.flatMap(({ backends }, i) =>
        backends.map(({ folder }): Placed => [folder && withoutDots(folder), ['udp', i, 'output']]),
      ),
    ]),
  )

/** The same path without parts that are empty or a dot: `./p/` is `p`. */
function withoutDots(path: string): string {
  const parts = path.split('/').filter((part, i) => part !== '.' && (part !== '' || i === 0))
  return parts.join('/')
}

function backendsOf({ http, udp }: Config): BackendOptions[] {
  return [...http, ...udp].flatMap(({ backends }) => backends)
}

/**
 * A relay whose buffers each have a folder: the one that the file gives, or one in the data directory, named
 * after the block and the output. The name of a block without a name contains its address, which may change.
 */
function withFolders<Relay extends HttpConfig | UdpConfig>(
  block: 'http' | 'udp',
  relay: Relay,
  dataDir: string | undefined,
): Relay {
  if (dataDir === undefined) return relay
  const isNamed = relay.name !== `${block}://${formatAddress(relay.bind)}`
  const pathOf = (...names: string[]) =>
    [dataDir, BUFFERS, ...names.map(encodeURIComponent)].join('/')
  return {
    ...relay,
    backends: relay.backends.map((backend): BackendOptions => {
      if (backend.bufferBytes === 0) return { ...backend, folder: undefined }
      if (backend.folder !== undefined) return backend
      const former = pathOf(relay.name, backend.name)
      return isNamed
        ? { ...backend, folder: former }
        : { ...backend, folder: pathOf(block, backend.name), formerFolder: former }
    }),
  }
}
