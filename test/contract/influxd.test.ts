import { createSocket } from 'node:dgram'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'

let server: Influxd

beforeAll(async () => {
  server = await startInfluxd({ udp: { database: 'by_udp' } })
})

afterAll(() => server?.stop())

async function write(query: string, lines: string[]): Promise<void> {
  const address = `${server.url}/write?${query}`
  const response = await fetch(address, { method: 'POST', body: lines.join('\n') })
  expect(response.status).toBe(204)
}

test('rows() tells every type, policy and digit apart, and outlives a kill', async () => {
  await server.query('CREATE DATABASE types')
  await server.query('CREATE RETENTION POLICY "two words" ON types DURATION INF REPLICATION 1')
  await write('db=types', [
    'm,host=a value=1i,big=9223372036854775807i,text="1",yes=true 1500000000000000001',
    'm,host=a\\ b,other=x yes=false 1500000000000000001',
    'n value=1 -1',
    'n value=1e300 2',
    'n value=-0.1 3',
    'n\\,\\ o field\\ \\=="a\\"b\\\\ 12é<\n" 4',
  ])
  await write('db=types&rp=two+words', ['m value=1 1600000000000000001'])
  const rows = [
    'autogen m,host=a big=9223372036854775807i 1500000000000000001',
    'autogen m,host=a text="1" 1500000000000000001',
    'autogen m,host=a value=1i 1500000000000000001',
    'autogen m,host=a yes=true 1500000000000000001',
    'autogen m,host=a\\ b,other=x yes=false 1500000000000000001',
    'autogen n value=-0.1 3',
    'autogen n value=1 -1',
    'autogen n value=1e+300 2',
    'autogen n\\,\\ o field\\ \\=="a\\"b\\\\ 12é<\\n" 4',
    'two\\ words m value=1 1600000000000000001',
  ]
  expect(await server.rows('types')).toEqual(rows)
  expect(await server.rows('types', 'n')).toEqual(rows.slice(5, 8))

  const { pid, port } = server
  await server.kill()
  expect(server.pid).toBeUndefined()
  await expect(fetch(`${server.url}/ping`)).rejects.toThrow()
  await server.start()
  expect(server.pid).not.toBe(pid)
  expect(server.port).toBe(port)
  expect(await server.rows('types')).toEqual(rows)
})

test('rows() finds points of a field that has another type in another shard', async () => {
  await server.query('CREATE DATABASE sharded')
  await write('db=sharded', ['m v="x" 1'])
  await write('db=sharded', ['m v=2i 1500000000000000000'])
  expect(await server.rows('sharded')).toEqual([
    'autogen m v="x" 1',
    'autogen m v=2i 1500000000000000000',
  ])
  await write('db=sharded', ['m v=2 1600000000000000000'])
  await expect(server.rows('sharded')).rejects.toThrow('Field v of m has two number types')
})

test('a paused server keeps silent until it resumes', async () => {
  server.pause()
  const silence = fetch(`${server.url}/ping`, { signal: AbortSignal.timeout(300) })
  await expect(silence).rejects.toThrow('timeout')
  server.resume()
  expect((await fetch(`${server.url}/ping`)).status).toBe(204)
})

test('a failed query throws what influxd says', async () => {
  await expect(server.query('DROP DATABASE')).rejects.toThrow('error parsing query')
  await expect(server.query('SHOW FIELD KEYS ON none')).rejects.toThrow('database not found')
})

test('UDP reaches its database', async () => {
  const socket = createSocket('udp4')
  socket.send('m v=1i 5', server.udpPort, '127.0.0.1', () => socket.close())
  await vi.waitFor(async () => {
    expect(await server.rows('by_udp')).toEqual(['autogen m v=1i 5'])
  }, 5000)
})

test('a server with authentication knows its administrator alone', async () => {
  const auth = { username: 'admin', password: 'secret' }
  const guarded = await startInfluxd({ auth, maxBodySize: 10 })
  try {
    await guarded.query('CREATE DATABASE d')
    expect(await guarded.rows('d')).toEqual([])
    expect((await fetch(`${guarded.url}/write?db=d`, { method: 'POST' })).status).toBe(401)
  } finally {
    await guarded.stop()
  }
})
