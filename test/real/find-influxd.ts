import { mkdir, readdir, rm } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { cached, isProgram, run } from './cache.ts'

/** Where the daemon and its command line client are. */
export type InfluxdPaths = { influxd: string; influx: string }

const packages = ['influxdb', 'influxdb-client']

const advice =
  'Install InfluxDB 1.x with its command line client, ' +
  'or set INFLUXD=/path/to/influxd (and INFLUX=/path/to/influx).'

let found: Promise<InfluxdPaths> | undefined

/**
 * Finds a real InfluxDB 1.x, or brings one: the program named by the environment variable INFLUXD,
 * else the one on PATH, else Debian's packages, unpacked into `.cache/influxdb` without root.
 *
 * It fails rather than letting a test skip: a relay that was never run against a real influxd has
 * not been tested.
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

async function onPath(name: string): Promise<string | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
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
  const dir = await cached('influxdb', ['usr/bin/influxd', 'usr/bin/influx'], unpack).catch(
    (cause: Error) => {
      throw new Error(
        'There is no influxd to test against: INFLUXD is not set, PATH has no influxd 1.x with ' +
          `its influx, and Debian's packages could not be unpacked here (${cause.message}). ${advice}`,
        { cause },
      )
    },
  )
  const bin = join(dir, 'usr', 'bin')
  return { influxd: join(bin, 'influxd'), influx: process.env.INFLUX ?? join(bin, 'influx') }
}

async function unpack(draft: string): Promise<void> {
  const apt = join(draft, 'apt')
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true })
  await download(apt)
  for (const name of await readdir(apt)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(apt, name), draft])
  }
  await rm(apt, { recursive: true })
}

/**
 * The machine's package lists usually do, and reading them needs no root. Where they are missing,
 * as in a fresh container, or older than the archive, lists of our own are fetched.
 */
async function download(apt: string): Promise<void> {
  const failures: string[] = []
  const tries = (args: string[], options: string[]) =>
    aptGet(apt, args, options).then(
      () => true,
      (error: Error) => !failures.push(error.message),
    )
  const options = ['APT::Sandbox::User=root', 'Acquire::Retries=3', `Dir::Cache=${apt}/cache`]
  if (await tries(['download', ...packages], options)) return
  const lists = join(apt, 'state', 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  options.push(`Dir::State=${apt}/state`, `Dir::State::Lists=${lists}`)
  await tries(['update'], [...options, 'APT::Update::Error-Mode=any']) // the next step decides
  if (await tries(['download', ...packages], options)) return
  throw new Error([...new Set(failures)].join('; '))
}

function aptGet(cwd: string, args: string[], options: string[]): Promise<string> {
  const settings = options.flatMap((option) => ['-o', option])
  return run('apt-get', [...args, '-q', ...settings], { cwd, env: { ...process.env, LC_ALL: 'C' } })
}
