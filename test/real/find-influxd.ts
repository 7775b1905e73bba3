import { delimiter, dirname, join, resolve } from 'node:path'
import { cached, isProgram, run } from './cache.ts'
import { unpackPackages } from './debian.ts'

/** Where the daemon and its command line client are. */
export type InfluxdPaths = { influxd: string; influx: string }

const packages = ['influxdb', 'influxdb-client']

const advice =
  'Install InfluxDB 1.x with its command line client, ' +
  'or set INFLUXD=/path/to/influxd (and INFLUX=/path/to/influx).'

let found: Promise<InfluxdPaths> | undefined

/**
 * Finds or unpacks a real InfluxDB 1.x: the program named by the environment variable INFLUXD,
 * else the one on PATH, else Debian's packages, unpacked into `.cache/influxdb` without root.
 *
 * Throws where there is none, so that no test is skipped: a relay that never ran against a real
 * influxd has not been tested.
 */
export function findInfluxd(): Promise<InfluxdPaths> {
  found ??= locate()
  return found
}

async function locate(): Promise<InfluxdPaths> {
  return (await fromEnvironment()) ?? (await fromPath()) ?? (await fromDebian())
}

async function fromEnvironment(): Promise<InfluxdPaths | undefined> {
  const { INFLUXD, INFLUX } = process.env
  if (!INFLUXD) return undefined
  const influxd = await named('INFLUXD', INFLUXD)
  if (INFLUX) return { influxd, influx: await named('INFLUX', INFLUX) }
  const influx = await clientOf(influxd)
  if (influx) return { influxd, influx }
  throw new Error(`INFLUXD is ${influxd}, but there is no influx beside it or on PATH. ${advice}`)
}

async function named(variable: string, value: string): Promise<string> {
  const path = resolve(value)
  if (await isProgram(path)) return path
  throw new Error(`${variable} is ${value}, which is not an executable file. ${advice}`)
}

async function fromPath(): Promise<InfluxdPaths | undefined> {
  const influxd = await onPath('influxd')
  if (!influxd || !(await isVersion1(influxd))) return undefined
  const influx = process.env.INFLUX ?? (await clientOf(influxd))
  return influx ? { influxd, influx } : undefined
}

async function clientOf(influxd: string): Promise<string | undefined> {
  const beside = join(dirname(influxd), 'influx')
  return (await isProgram(beside)) ? beside : onPath('influx')
}

/** The program of this name in the directories of PATH, and in others if they are given. */
export async function onPath(
  name: string,
  others: readonly string[] = [],
): Promise<string | undefined> {
  for (const dir of [...(process.env.PATH ?? '').split(delimiter), ...others]) {
    const path = resolve(dir, name)
    if (dir && (await isProgram(path))) return path
  }
  return undefined
}

/** InfluxDB 2 has an `influxd` too, which neither reads the same configuration nor has UDP. */
async function isVersion1(influxd: string): Promise<boolean> {
  const answer = await run(influxd, ['version']).catch(() => '')
  return /InfluxDB v?1\./.test(answer)
}

async function fromDebian(): Promise<InfluxdPaths> {
  const dir = await cached('influxdb', ['usr/bin/influxd', 'usr/bin/influx'], (draft) =>
    unpackPackages(draft, packages),
  ).catch((cause: Error) => {
    throw new Error(
      'There is no influxd to test against: INFLUXD is not set, PATH has no influxd 1.x with ' +
        `its influx, and Debian's packages could not be unpacked here (${cause.message}). ${advice}`,
      { cause },
    )
  })
  const bin = join(dir, 'usr', 'bin')
  return { influxd: join(bin, 'influxd'), influx: process.env.INFLUX ?? join(bin, 'influx') }
}
