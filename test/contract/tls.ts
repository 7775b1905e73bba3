import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect, createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { type Bench, down, httpRelay, output, setUpRelay } from './bench.ts'
import { request, write } from './client.ts'
import { startFaulty, storing } from './faulty-backend.ts'
import { point, stored } from './points.ts'
import { RawConnection } from './raw-connection.ts'
import type { RelayProcess } from './relay-process.ts'

const file = (name: string) => join(import.meta.dirname, 'tls', name)
const localhost = file('localhost.pem')
const authority = file('ca.pem')
const ca = readFileSync(authority, 'utf8')

/** TLS on either side of the relay. */
export function tls(bench: Bench): void {
  describe('a listener with a certificate', () => {
    const relay = setUpRelay(bench, () =>
      httpRelay(bench.outputs(), { 'ssl-combined-pem': localhost }),
    )
    listener(bench, relay)
    versions(relay)
    outlived(relay)
  })
  describe.concurrent('a client that never shakes hands', () => strangers(bench))
  describe('a server that speaks HTTPS', () => secureBackends(bench))
  impostor(bench)
}

function listener(bench: Bench, relay: () => RelayProcess): void {
  test('takes writes by HTTPS, and says so in its log', async () => {
    const db = await bench.database()
    expect(relay().lines('listening')).toMatchObject([{ protocol: 'https' }])
    const { port } = relay().address()
    for (const [i, host] of ['127.0.0.1', 'localhost'].entries()) {
      const answer = await write(`https://${host}:${port}`, `db=${db}`, point(i), { ca })
      expect(answer.status).toBe(204)
    }
    await bench.expectRows(db, stored(point(0), point(1)))
  })
}

/** OpenSSL speaks old versions of TLS only at its lowest security level. */
const weak = { ciphers: 'DEFAULT@SECLEVEL=0' }

/** Offers one version of TLS; returns what was agreed on. */
async function shakeHands(
  port: number,
  version: NonNullable<ConnectionOptions['minVersion']>,
): Promise<string | null> {
  const versions = { minVersion: version, maxVersion: version }
  const socket = connect({ host: 'localhost', port, ca, ...versions, ...weak })
  try {
    await once(socket, 'secureConnect')
    return socket.getProtocol()
  } finally {
    socket.destroy()
  }
}

function versions(relay: () => RelayProcess): void {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    expect(await shakeHands(relay().address().port, version)).toBe(version)
  })

  test('refuses TLS 1.1, which another server would speak', async () => {
    const pem = readFileSync(localhost)
    const old = createServer({ key: pem, cert: pem, minVersion: 'TLSv1', ...weak }).listen(0)
    onTestFinished(() => void old.close())
    await once(old, 'listening')
    const { port } = old.address() as { port: number }
    expect(await shakeHands(port, 'TLSv1.1')).toBe('TLSv1.1')
    await expect(shakeHands(relay().address().port, 'TLSv1.1')).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL_.*_ALERT_/), // so it was not this client that refused
    })
  })
}

/** How a client begins. */
const handshake = '\x16\x03\x01\x02\x00\x01'

function outlived(relay: () => RelayProcess): void {
  const send = async (bytes: string) => {
    const connection = await RawConnection.open(relay().url())
    connection.send(bytes)
    return connection
  }
  const expectAlive = async () =>
    expect((await request(`${relay().url()}/ping`, { ca })).status).toBe(204)

  test.each([
    ['plain HTTP', 'GET /ping HTTP/1.1\r\nHost: relay\r\n\r\n'],
    ['what is no HTTP either', 'lorem ipsum\r\n\r\n'.repeat(1000)],
  ])('closes the connection to a client that sends %s', async (_, bytes) => {
    await (await send(bytes)).closed()
    await expectAlive()
  })

  test('outlives a client that goes away in its handshake', async () => {
    ;(await send(handshake)).hangUp()
    await expectAlive()
  })
}

/** On Bun a handshake times out after 12 seconds, whatever the configuration says. */
function strangers(bench: Bench): void {
  const relayWith = (keys: Record<string, unknown>) =>
    setUpRelay(bench, () => httpRelay([down('a')], { 'ssl-combined-pem': localhost, ...keys }))
  const hurried = relayWith({ 'read-timeout': '1s' })
  const small = relayWith({ 'read-timeout': '1m', 'max-connections': 2 })

  const beginTo = async (url: string) => {
    const connection = await RawConnection.open(url)
    connection.send(handshake)
    return connection
  }

  test('is cut off', async () => {
    const connection = await beginTo(hurried().url())
    await connection.closed()
  })

  test.skipIf(bench.runtime === 'bun')('counts for max-connections', async () => {
    for (let i = 0; i < 2; i++) await beginTo(small().url())
    const third = await beginTo(small().url())
    await third.closed()
    // Deno does not tell the relay of connections that it refuses.
    if (bench.runtime === 'deno') return
    await small().waitForLine('connection refused: too many are open', { limit: '2' })
  })
}

function secureBackends(bench: Bench): void {
  let server: Influxd
  beforeAll(async () => {
    server = await startInfluxd({ https: { certificate: localhost, key: localhost } })
    await server.query('CREATE DATABASE d')
  })
  afterAll(() => server?.stop())

  let points = 0
  /** Writes a new point; it is stored exactly if the answer is a success. */
  const post = async (keys: Record<string, unknown>, ...others: Record<string, unknown>[]) => {
    const relay = await bench.relay(httpRelay([output('secure', server, keys), ...others]))
    const line = point(points++)
    const { status } = await write(relay.url(), 'db=d', line)
    expect((await server.rows('d')).includes(`autogen ${line}`)).toBe(status === 204)
    return { relay, status }
  }

  test('is written to when ca-pem signed its certificate', async () => {
    expect((await post({ 'ca-pem': authority })).status).toBe(204)
  })

  test('is written to with skip-tls-verification', async () => {
    expect((await post({ 'skip-tls-verification': true })).status).toBe(204)
  })

  test('is not written to when its certificate is not trusted, and the log says why', async () => {
    const { status, relay } = await post({})
    expect(status).toBe(503)
    const { reason } = await relay.waitForLine('backend failed', { backend: 'secure' })
    expect(reason).toMatch(/certificate/i)
  })

  test('is trusted by the output that says so, and by no other', async () => {
    const { status, relay } = await post({ 'ca-pem': authority }, output('other', server))
    expect(status).toBe(204)
    await relay.waitForLine('backend failed', { backend: 'other' })
    expect(relay.lines('backend failed')).toHaveLength(1)
  })
}

function impostor(bench: Bench): void {
  test("a server with another one's certificate is not written to", async () => {
    const pem = readFileSync(file('elsewhere.pem'))
    const backend = await startFaulty(storing, { key: pem, cert: pem })
    const relay = await bench.relay(httpRelay([output('a', backend, { 'ca-pem': authority })]))
    expect((await write(relay.url(), 'db=d', point(1))).status).toBe(503)
    expect(backend.received).toEqual([])
    const { reason } = await relay.waitForLine('backend failed', { backend: 'a' })
    expect(reason).toMatch(/certificate|altnames|name/i)
  })
}
