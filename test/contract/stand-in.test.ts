import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { createStandIn } from '../support/stand-in.ts'
import { CASES } from '../support/stand-in-cases.ts'

let influxd: Influxd

beforeAll(async () => {
  influxd = await startInfluxd()
})

afterAll(() => influxd?.stop())

const standIn = createStandIn()
const ask = {
  influxd: (path: string, init?: RequestInit) => fetch(influxd.url + path, init),
  standIn: async (path: string, init?: RequestInit) => standIn.app.request(path, init),
}

async function answers(path: string, init?: RequestInit) {
  return [await described(ask.influxd(path, init)), await described(ask.standIn(path, init))]
}

async function described(answer: Promise<Response>) {
  const response = await answer
  const type = response.headers.get('content-type')
  const refused = response.headers.has('x-influxdb-error')
  // InfluxDB 1.13 names the database at the end of a message.
  const text = (await response.text()).replace(/ for database: \w+/, '')
  return { status: response.status, type, refused, body: text === '' ? '' : JSON.parse(text) }
}

test('the stand-in gives the answers of influxd and holds the same rows', async () => {
  const post = (q: string) => ({ method: 'POST', body: new URLSearchParams({ q }) })
  const asked: [path: string, init?: RequestInit][] = [
    ['/ping'],
    ['/ping', { method: 'HEAD' }],
    ['/query'],
    ['/query?q=SHOW+DATABASES'],
    ['/query', post('CREATE DATABASE "d"')],
    ['/query', post('create database other;')],
    ['/query', post('DROP DATABASE other')],
    ['/query?q=SHOW+DATABASES'],
    ['/write', { method: 'POST', body: 'm v=1' }],
    ['/write?db=none', { method: 'POST', body: 'm v=1' }],
    ...CASES.map(([body]): [string, RequestInit] => ['/write?db=d', { method: 'POST', body }]),
    ['/write?db=d&precision=m', { method: 'POST', body: 'precise v=1 20' }],
  ]
  for (const [path, init] of asked) {
    const [real, ours] = await answers(path, init)
    expect(ours, `${path} ${init?.body ?? ''}`).toEqual(real)
  }
  expect(standIn.rows('d')).toEqual(await influxd.rows('d'))
})
