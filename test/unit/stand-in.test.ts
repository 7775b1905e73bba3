import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { createStandIn, serveStandIn } from '../support/stand-in.ts'
import { CASES } from '../support/stand-in-cases.ts'

type StandIn = ReturnType<typeof createStandIn>

async function post({ app }: StandIn, path: string, body: BodyInit): Promise<Response> {
  return app.request(path, { method: 'POST', body })
}

test.each(CASES)('a write of %j', async (body, ...reasons) => {
  const response = await post(createStandIn('d'), '/write?db=d', body)
  expect(response.status).toBe(reasons.length > 0 ? 400 : 204)
  expect(response.headers.get('content-type')).toBe('application/json')
  const answer = await response.text()
  if (reasons.length === 0) expect(answer).toBe('')
  else expect(answer).toBe(`${JSON.stringify({ error: reasons.join('\n') })}\n`)
})

test('a write needs a database, and one that exists', async () => {
  const standIn = createStandIn()
  const without = await post(standIn, '/write', 'm v=1')
  expect([without.status, await without.json()]).toEqual([400, { error: 'database is required' }])
  const unknown = await post(standIn, '/write?db=x', 'm v=1')
  expect(unknown.status).toBe(404)
  expect(unknown.headers.get('x-influxdb-error')).toBe('database not found: "x"')
  expect(await unknown.text()).toBe('{"error":"database not found: \\"x\\""}\n')
})

test('/ping answers GET and HEAD as a version 1.6', async () => {
  for (const method of ['GET', 'HEAD']) {
    const response = await createStandIn().app.request('/ping', { method })
    expect(response.status).toBe(204)
    expect(response.headers.get('x-influxdb-version')).toMatch(/^1\.6\./)
  }
})

test('rows are sorted, canonical, and one for each field', async () => {
  const standIn = createStandIn('d')
  await post(
    standIn,
    '/write?db=d',
    'm,b=2,a=1 w=T,v=1.0 1\nm,a=1,b=2 v=2 1\na\\ b,c=d\\,e s="$1" 2',
  )
  await post(standIn, '/write?db=d&rp=one+week', 'm v=5i 3')
  expect(standIn.rows('d')).toEqual([
    'autogen a\\ b,c=d\\,e s="$1" 2',
    'autogen m,a=1,b=2 v=2 1',
    'autogen m,a=1,b=2 w=true 1',
    'one\\ week m v=5i 3',
  ])
  expect(standIn.count('d')).toBe(4)
  expect([standIn.rows('none'), standIn.count('none')]).toEqual([[], 0])
})

test.each([
  ['', '7'],
  ['n', '7'],
  ['ns', '7'],
  ['nonsense', '7'],
  ['u', '7000'],
  ['ms', '7000000'],
  ['s', '7000000000'],
  ['m', '420000000000'],
  ['h', '25200000000000'],
])('precision %j makes 7 mean %s nanoseconds', async (precision, time) => {
  const standIn = createStandIn('d')
  await post(standIn, `/write?db=d&precision=${precision}`, 'm v=1 7')
  expect(standIn.rows('d')).toEqual([`autogen m v=1 ${time}`])
})

test('a point without a timestamp gets the time in the precision of the write', async () => {
  const standIn = createStandIn('d')
  const before = Date.now()
  await post(standIn, '/write?db=d&precision=s', 'm v=1')
  const time = BigInt(standIn.rows('d')[0]?.split(' ').at(-1) ?? '')
  expect(time % 1_000_000_000n).toBe(0n)
  expect(Number(time / 1_000_000n)).toBeGreaterThan(before - 1000)
})

test('databases come and go by query', async () => {
  const standIn = createStandIn('d')
  const query = async (q: string) => {
    const response = await post(standIn, '/query', new URLSearchParams({ q }))
    return [response.status, await response.json()]
  }
  const names = async () => {
    const response = await standIn.app.request('/query?q=SHOW+DATABASES')
    return (await response.json()).results[0].series[0].values
  }
  await post(standIn, '/write?db=d', 'm v=1 1')
  expect(await query('CREATE DATABASE d')).toEqual([200, { results: [{ statement_id: 0 }] }])
  expect(standIn.count('d')).toBe(1)
  await query('CREATE DATABASE "e"')
  expect(await names()).toEqual([['d'], ['e']])
  await query('DROP DATABASE d')
  await query('drop database "e";')
  expect(await names()).toBeUndefined()
  expect((await query('SELECT * FROM m'))[0]).toBe(400)
  expect((await query('CREATE DATABASE'))[0]).toBe(400)
  expect((await standIn.app.request('/query')).status).toBe(400)
})

test('a served stand-in dies at once and comes back with its data', async () => {
  const served = await serveStandIn(await freePort(), createStandIn('d'))
  const write = (body: string) => fetch(`${served.url}/write?db=d`, { method: 'POST', body })
  expect((await write('m v=1 1')).status).toBe(204)
  await served.stop()
  await served.stop()
  await expect(write('m v=2 2')).rejects.toThrow()
  await served.start()
  await served.start()
  expect((await write('m v=3 3')).status).toBe(204)
  expect(served.standIn.rows('d')).toEqual(['autogen m v=1 1', 'autogen m v=3 3'])
  await served.stop()
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
