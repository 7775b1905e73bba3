import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { type Bench, down, httpRelay, output, udpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { closing, startFaulty, storing } from './faulty-backend.ts'
import { point } from './points.ts'

/** What a relay tells of its life. */
export function logging(bench: Bench): void {
  describe('the log', () => {
    test('tells of the start, one line an event', async () => {
      const { http } = httpRelay([down('one'), down('two')], { 'rate-limit': 5 })
      const { udp } = udpRelay([{ location: '127.0.0.1:1' }], { name: 'datagrams' })
      const relay = await bench.relay({ http, udp })
      const address = expect.stringMatching(/^127\.0\.0\.1:\d+$/)
      expect(relay.lines()).toMatchObject([
        { level: 'info', msg: 'starting', version: packageJson.version },
        { level: 'warn', msg: expect.stringContaining('no effect'), key: 'rate-limit' },
        { msg: 'listening', relay: 'in', protocol: 'http', address, backends: 'one,two' },
        { msg: 'listening', relay: 'datagrams', protocol: 'udp', address, backends: '127.0.0.1:1' },
        { level: 'info', msg: 'ready' },
      ])
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
