/**
 * The subjects: the relay in each way to run, and other programs that can stand in front of a
 * server.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { run } from '../test/real/cache.ts'
import { findNode, newestVersion } from '../test/real/node.ts'
import type { Backend } from './backends.ts'
import { startNginx } from './nginx.ts'
import type { Options } from './options.ts'
import { bin, root } from './paths.ts'
import { findProgram, type ProgramName, versionOf } from './programs.ts'
import { Service } from './service.ts'
import { fill } from './template.ts'

/** The versions of Node.js that the relay is measured on, by the name of the subject. */
export const NODES: Readonly<Record<string, string>> = {
  node20: '20.20.2',
  [`node${newestVersion.split('.')[0]}`]: newestVersion,
}

/** Where a relay with `onDisk` keeps its data. */
export const dataDirOf = ({ dir }: Pick<Service, 'dir'>) => join(dir, 'data')

type Keys = Readonly<Record<string, unknown>>

/** The relay's keys beyond the addresses of its outputs. */
export interface RelayKeys {
  /** Gives the relay a data directory. */
  readonly onDisk?: boolean
  /** Keys at the top of the file. */
  readonly file?: Keys
  /** Keys of each output. */
  readonly output?: Keys
  /** Outputs and keys of a UDP relay; without, it listens for HTTP. */
  readonly udp?: Keys
  /** A program that runs the relay, such as strace. */
  readonly under?: { readonly command: readonly string[]; readonly env: Record<string, string> }
}

/** A program that takes writes and passes them on, or the server itself. */
export interface Subject {
  readonly name: string
  /** The number of servers that get each write. */
  readonly copies: 1 | 2
  /** Whether it reads a relay's configuration. */
  readonly isRelay: boolean
  /** Whether it knows keys that the Go relay lacks: disk buffers, and UDP to HTTP. */
  readonly isOurs: boolean
  version(): Promise<string>
  start(backends: readonly [Backend, Backend], keys?: RelayKeys): Promise<Running>
}

/** A subject that takes writes. */
export interface Running {
  readonly url: string
  /** Gets the same writes at the same time. */
  readonly secondUrl?: string
  readonly startMs: number
  /** Undefined if it is the server itself. */
  readonly pid: number | undefined
  /** Stops it by SIGTERM and returns its log. */
  finish(): Promise<string>
  /** Kills it. */
  stop(): Promise<void>
}

/** What a relay must know of a server. */
export type Addressed = Pick<Backend, 'url'>

/** A relay, which can be given servers that count nothing. */
export interface RelaySubject extends Subject {
  start(backends: readonly [Addressed, Addressed], keys?: RelayKeys): Promise<Service>
}

/** Writes go to the first server directly. */
const direct: Subject = {
  name: 'direct',
  copies: 1,
  isRelay: false,
  isOurs: false,
  version: async () => '',
  start: async ([{ url }]) => ({
    url,
    startMs: 0,
    pid: undefined,
    finish: async () => '',
    stop: async () => {},
  }),
}

/**
 * The same writes go to both servers directly at the same time. What the two can take side by side
 * is the limit for a relay.
 */
const directToBoth: Subject = {
  ...direct,
  name: 'direct-to-both',
  copies: 2,
  start: async (backends) => ({ ...(await direct.start(backends)), secondUrl: backends[1].url }),
}

/** A proxy program. */
function other(
  name: string,
  program: ProgramName,
  copies: 1 | 2,
  start: Subject['start'],
): Subject {
  return { name, copies, isRelay: false, isOurs: false, version: () => versionOf(program), start }
}

const address = ({ port }: Backend) => `127.0.0.1:${port}`

const mirror = other('nginx-mirror', 'nginx', 2, ([first, second]) =>
  startNginx({
    name: 'nginx-mirror',
    configuration: 'mirror.conf',
    values: () => ({ FIRST: address(first), SECOND: address(second) }),
  }),
)

const haproxy = other('haproxy', 'haproxy', 1, async ([first]) => {
  const { path, env } = await findProgram('haproxy')
  return Service.start({
    name: 'haproxy',
    env,
    command: async (PORT, dir) => {
      const file = await fill('haproxy.cfg', dir, { PORT, FIRST: address(first) })
      return [path, '-db', '-f', file]
    },
  })
})

/** Takes line protocol, and sends it on as Prometheus remote write, about a batch a second. */
const vmagent = other('vmagent', 'vmagent', 2, async (backends) => {
  const { path, env } = await findProgram('vmagent')
  return Service.start({
    name: 'vmagent',
    env,
    readyPath: '/health',
    command: (port, dir) => [
      path,
      `-httpListenAddr=127.0.0.1:${port}`,
      `-remoteWrite.tmpDataPath=${join(dir, 'queue')}`,
      ...backends.map(({ remoteWriteUrl }) => `-remoteWrite.url=${remoteWriteUrl}`),
    ],
  })
})

/** A relay that reads a Go relay's configuration and is started with -config. */
function relay(
  name: string,
  command: () => Promise<readonly string[]> | readonly string[],
  version: (program: string) => Promise<string>,
  isOurs = true,
): RelaySubject {
  return {
    name,
    copies: 2,
    isRelay: true,
    isOurs,
    version: async () => version((await command())[0] ?? ''),
    async start(backends, keys = {}) {
      const program = await command()
      return Service.start({
        name,
        ...(keys.under && { env: keys.under.env }),
        command: async (port, dir) => {
          const file = join(dir, 'relay.toml')
          await writeFile(file, stringify(configuration(port, dir, backends, keys)))
          return [...(keys.under?.command ?? []), ...program, '-config', file]
        },
      })
    },
  }
}

function configuration(
  port: number,
  dir: string,
  backends: readonly Addressed[],
  { onDisk = false, file = {}, output = {}, udp }: RelayKeys,
) {
  const bind = `127.0.0.1:${port}`
  const outputs = backends.map(({ url }, i) => ({
    name: `server${i}`,
    location: `${url}/write`,
    timeout: '10s',
    ...output,
  }))
  return {
    ...file,
    ...(onDisk && { 'data-dir': dataDirOf({ dir }) }),
    http: [{ name: 'bench', 'bind-addr': bind, output: outputs }],
    ...(udp && { udp: [{ name: 'bench-udp', 'bind-addr': bind, ...udp }] }),
  }
}

const versionText = (program: string) => run(program, ['--version'])
const number = async (text: Promise<string>) => /\d+\.\d+\.\d+/.exec(await text)?.[0] ?? 'unknown'
const runtime = (program: string) => number(versionText(program))

/** The relay of a checkout in all its ways to run, on the runtimes of this one. */
function relaysOf(checkout: string, prefix = ''): RelaySubject[] {
  return [
    relay(`${prefix}bun`, () => [bin('bun'), 'run', join(checkout, 'src/bun.ts')], runtime),
    relay(
      `${prefix}executable`,
      () => [join(checkout, 'dist/influxdb-relay')],
      () => runtime(bin('bun')),
    ),
    relay(
      `${prefix}deno`,
      () => [bin('deno'), 'run', '-A', join(checkout, 'src/deno.ts')],
      runtime,
    ),
    ...Object.entries(NODES).map(([name, version]) =>
      relay(
        `${prefix}${name}`,
        async () => [await findNode(version), join(checkout, 'dist/node.js')],
        runtime,
      ),
    ),
  ]
}

/** Our relays, in all their ways to run. */
export const relays: readonly RelaySubject[] = relaysOf(root)

/** Their names. */
export const OURS: readonly string[] = relays.map(({ name }) => name)

const BEFORE = 'before-'

/** The name of a relay of the checkout that --before names. */
export const beforeOf = (name: string) => `${BEFORE}${name}`

/** Each of our relays, followed by the same one of another checkout. */
function oursAndBefore(before: string | undefined): Subject[] {
  if (before === undefined) return [...relays]
  const others = relaysOf(before, BEFORE)
  return relays.flatMap((one, i) => [one, others[i] as Subject])
}

/** Every subject, with the relays of others and of another checkout. */
export function allSubjects({
  peers = [],
  before,
}: Partial<Pick<Options, 'peers' | 'before'>> = {}) {
  const all = [direct, directToBoth, haproxy, mirror, vmagent, ...oursAndBefore(before)]
  for (const { name, path } of peers) {
    if (all.some((subject) => subject.name === name)) {
      throw new Error(
        `--peer ${name}=...: there is a subject ${name} already; give it another name`,
      )
    }
    const version = async () => '' // unknown option; and the path would be published
    all.push(relay(name, () => [path], version, false))
  }
  return all
}
