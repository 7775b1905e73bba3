/** The bench's command line. */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

export const HELP = `npm run bench -- [options]

  --quick            every part once, for a second: about a minute; the figures mean little
  --only A,B         only these parts (--list shows their names)
  --subjects A,B     only these subjects, and those that they are compared with
  --rounds N         repetitions of each measurement (3)
  --seconds N        seconds of each measurement (1)
  --peer NAME=PATH   another relay, started as "PATH -config FILE"; measured in addition to --subjects;
                     can be repeated
  --before DIR       another checkout of this repository, installed and built: measures its relays, as
                     before-bun and so on, in turns with these; without --only, in the part "change"
                     alone: about 7 minutes
  --json FILE        write the figures to a file
  --record           write the figures to bench/results.json, the chart, and bench/README.md
  --from FILE        measure nothing: report the figures that an earlier run wrote with --json
  --soak 10m         memory under load for this long; on Bun, or on --subjects
  --micro            only the micro-benchmarks, on each runtime
  --list             the names of parts and subjects`

/** Another relay program. */
export interface Peer {
  readonly name: string
  readonly path: string
}

export interface Options {
  readonly quick: boolean
  readonly only: readonly string[]
  readonly subjects: readonly string[]
  readonly rounds: number
  readonly seconds: number
  readonly peers: readonly Peer[]
  /** Another checkout. */
  readonly before: string | undefined
  readonly json: string | undefined
  readonly record: boolean
  readonly from: string | undefined
  /** Seconds. */
  readonly soak: number | undefined
  readonly micro: boolean
  readonly list: boolean
  readonly help: boolean
}

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      subjects: { type: 'string', default: '' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
      before: { type: 'string' },
      json: { type: 'string' },
      record: { type: 'boolean', default: false },
      from: { type: 'string' },
      soak: { type: 'string' },
      micro: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { quick, record, micro, list, help } = values
  return {
    ...{ quick, record, micro, list, help },
    only: names(values.only),
    subjects: names(values.subjects),
    rounds: quick ? 1 : count('--rounds', values.rounds ?? '3'),
    seconds: quick ? 1 : count('--seconds', values.seconds ?? '1'),
    peers: values.peer.map(peer),
    before: values.before === undefined ? undefined : checkout(values.before),
    json: values.json,
    from: values.from,
    soak: values.soak === undefined ? undefined : duration(values.soak),
  }
}

const names = (text: string) => text.split(',').filter((name) => name !== '')

/** wrk accepts only whole seconds. */
function count(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${option} is ${text}; it must be 1 or more`)
  return Number(text)
}

/** The peer starts in another folder, so its path becomes absolute. */
function peer(text: string): Peer {
  const [, name, given] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (!name || !given) throw new Error(`--peer is ${text}; it must be NAME=PATH`)
  const path = resolve(given)
  if (!isExecutable(path)) throw new Error(`--peer is ${text}; ${path} is no executable file`)
  return { name, path }
}

/** The path of a checkout that is installed and built. */
function checkout(text: string): string {
  const dir = resolve(text)
  for (const file of ['src/bun.ts', 'src/deno.ts', 'dist/node.js', 'dist/influxdb-relay']) {
    if (existsSync(join(dir, file))) continue
    throw new Error(`--before is ${text}; ${file} is missing there: run npm ci && npm run build`)
  }
  return dir
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function duration(text: string): number {
  const [, value, unit] = /^(\d+)([sm])$/.exec(text) ?? []
  if (!value) throw new Error(`--soak is ${text}; it must be like 90s or 10m`)
  return Number(value) * (unit === 'm' ? 60 : 1)
}
