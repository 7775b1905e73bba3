/** The two servers behind the relay: real ones if there is an influxd, else stand-ins. */

import { delimiter, join } from 'node:path'
import { isProgram, run } from '../../test/real/cache.ts'
import { Influxd } from '../../test/real/influxd.ts'
import { choosePorts } from '../../test/real/ports.ts'
import { createStandIn, ServedStandIn } from '../../test/support/stand-in.ts'
import { makeTempDir } from './temp-dir.ts'

/** A server of either kind. */
export interface Server {
  readonly url: string
  start(): Promise<void>
  /** Kills it; start() starts it again with its data. */
  kill(): Promise<void>
  /** Stops it and removes its data. */
  stop(): Promise<void>
  /** The number of points in a database, each of one field. */
  count(db: string): Promise<number>
  /** Every point, as sorted text. */
  rows(db: string): Promise<string[]>
}

export interface Kind {
  /** Printed at the start. */
  readonly name: string
  start(): Promise<Server>
}

/** Downloads nothing: without an influxd, stand-ins take its part. */
export async function chooseKind(): Promise<Kind> {
  const program = await influxdAtHand()
  return program === undefined ? standInKind : await influxdKind(program)
}

/** Creates a database, by HTTP. */
export async function createDatabase({ url }: Server, name: string): Promise<void> {
  const body = new URLSearchParams({ q: `CREATE DATABASE "${name}"` })
  const response = await fetch(`${url}/query`, { method: 'POST', body })
  if (!response.ok) throw new Error(`${url} could not create a database: ${await response.text()}`)
}

/** INFLUXD if it is set, else one on PATH, else the one that the project's tests have unpacked. */
async function influxdAtHand(): Promise<string | undefined> {
  const { INFLUXD, PATH = '' } = process.env
  if (INFLUXD) return INFLUXD
  const dirs = PATH.split(delimiter).filter((dir) => dir !== '')
  const unpacked = join(import.meta.dir, '../../.cache/influxdb/usr/bin')
  for (const dir of [...dirs, unpacked]) {
    const program = join(dir, 'influxd')
    if ((await isProgram(program)) && (await versionOf(program))) return program
  }
  return undefined
}

/** InfluxDB 2 has a program influxd, too, with another API. */
async function versionOf(program: string): Promise<string | undefined> {
  const answer = await run(program, ['version']).catch(() => '')
  return /InfluxDB v?(1\.\S+)/.exec(answer)?.[1]
}

async function influxdKind(program: string): Promise<Kind> {
  const version = await versionOf(program)
  if (version === undefined) throw new Error(`INFLUXD is ${program}, which is no InfluxDB 1.x`)
  return {
    name: `InfluxDB ${version}`,
    async start() {
      const influxd = new Influxd(program, await makeTempDir(), {})
      await influxd.startAnywhere()
      return Object.assign(influxd, { count: (db: string) => countPoints(influxd, db) })
    },
  }
}

/** InfluxQL counts each measurement separately. */
async function countPoints(influxd: Influxd, db: string): Promise<number> {
  const answer = await influxd.query('SELECT count("value") FROM /.*/', { db })
  const series: { values: [time: number, count: number][] }[] = answer.results[0].series ?? []
  return series.reduce((sum, { values }) => sum + (values[0]?.[1] ?? 0), 0)
}

const standInKind: Kind = {
  name: 'stand-ins in memory: no influxd 1.x was found',
  async start() {
    const { http } = await choosePorts()
    const standIn = createStandIn()
    const served = new ServedStandIn(http, standIn)
    await served.start()
    return {
      url: served.url,
      start: () => served.start(),
      kill: () => served.stop(),
      stop: () => served.stop(),
      count: async (db) => standIn.count(db),
      rows: async (db) => standIn.rows(db),
    }
  },
}
