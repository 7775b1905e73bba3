import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { type Bench, down, httpRelay, output, udpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { answering, closing, startFaulty, storing } from './faulty-backend.ts'
import { point } from './points.ts'
import { RawConnection } from './raw-connection.ts'

/** What a relay tells of its life. */
export function logging(bench: Bench): void {
  describe('the log', () => {
    test('tells of the start, one line an event', async () => {
      const outputs = [down('one', { type: 'influxdb' }), down('two')]
      const { http } = httpRelay(outputs, { 'rate-limit': 5 })
      const { udp } = udpRelay([{ location: '127.0.0.1:1' }], { name: 'datagrams' })
      const relay = await bench.relay({ verbose: true, http, udp })
      const address = expect.stringMatching(/^127\.0\.0\.1:\d+$/)
      expect(relay.lines()).toMatchObject([
        { level: 'info', msg: 'starting', version: packageJson.version },
        { level: 'warn', msg: expect.stringContaining('no effect'), key: 'verbose' },
        { level: 'warn', msg: expect.stringContaining('no effect'), key: 'rate-limit' },
        { msg: 'listening', relay: 'in', protocol: 'http', address, backends: 'one,two' },
        { msg: 'listening', relay: 'datagrams', protocol: 'udp', address, backends: '127.0.0.1:1' },
        { level: 'info', msg: 'ready' },
      ])
    })

    test('shows no control character raw, wherever it came from, and bounds its lines', async () => {
      const odd = '\u009b31m\u007f\u001b[2J\u0085\u2028\u202e\u2066\0\r\n'
      const backend = await startFaulty(answering(404, `${odd}${'x'.repeat(100_000)}`))
      const relay = await bench.relay(httpRelay([output('one', backend)], { 'rate-limit': 1 }))
      const long = 'x'.repeat(10_000)
      for (const name of [odd, long]) {
        const query = `db=${encodeURIComponent(name)}&rp=${encodeURIComponent(name)}`
        await write(relay.url(), query, point(0))
      }
      const connection = await RawConnection.open(relay.url())
      connection.send('GET /\x9b\x1b[2J HTTP/1.1\r\nHost: a\x9bb\r\nX\x9b\x07: 1\r\n\r\n')
      await connection.closed()
      await relay.waitForLine('backend failed')
      for (const line of relay.text.split('\n')) {
        expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
        expect(line.length).toBeLessThan(8000)
      }
    })

    test('sums up failures that repeat, and tells of the recovery', async () => {
      const backend = await startFaulty(closing)
      const relay = await bench.relay(httpRelay([output('one', backend), down('two')]))
      const linesOf = (name: string) =>
        relay.lines('backend failed').filter((line) => line.backend === name)
      for (let i = 0; i < 200; i++) {
        expect((await write(relay.url(), 'db=d', point(i))).status).toBe(503)
      }
      for (const name of ['one', 'two']) {
        expect(linesOf(name).length).toBeGreaterThan(0)
        expect(linesOf(name).length).toBeLessThan(20)
      }
      backend.behaviour = storing
      await store(relay.url(), 'db=d', point(200))
      await relay.waitForLine('backend recovered', { backend: 'one', level: 'info' })
      const times = linesOf('one').map((line) => Number(line.times ?? 1))
      expect(times.reduce((sum, count) => sum + count)).toBe(200)
    })
  })
}
