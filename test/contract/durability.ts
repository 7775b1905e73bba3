import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, httpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { numbers, point, stored } from './points.ts'
import { patience } from './relay-process.ts'
import { runRelay, temporaryFile } from './run-relay.ts'

/** Writes that are buffered on disk for a server that is down or slow. */
export function durability(bench: Bench): void {
  describe('a buffer on disk', () => {
    test('outlives a relay that is killed', async () => {
      const db = await bench.database()
      const configuration = await onDisk(bench)
      const relay = await bench.relay(configuration)
      await bench.b.kill()
      onTestFinished(() => bench.b.start())
      const lines = numbers(50).map(point)
      for (const line of lines) await store(relay.url(), `db=${db}`, line)
      await relay.stop('SIGKILL')
      await bench.b.start()
      const next = await bench.relay(configuration)
      await next.waitForLine('found undelivered points on disk', { backend: 'b' })
      await bench.expectRows(db, stored(...lines))
    })

    test('is emptied for good: a restart sends nothing twice that was overwritten since', async () => {
      const db = await bench.database()
      const configuration = await onDisk(bench)
      const relay = await bench.relay(configuration)
      bench.b.pause()
      onTestFinished(() => bench.b.resume())
      await store(relay.url(), `db=${db}`, 'm v=1i 1')
      bench.b.resume()
      await bench.expectRows(db, stored('m v=1i 1'))
      await store(relay.url(), `db=${db}`, 'm v=2i 1')
      await bench.expectRows(db, stored('m v=2i 1'))
      await relay.stop('SIGKILL')
      const next = await bench.relay(configuration)
      await store(next.url(), `db=${db}`, 'm v=3i 3')
      await bench.expectRows(db, stored('m v=2i 1', 'm v=3i 3'))
    })

    test('belongs to one process', async () => {
      const configuration = await onDisk(bench)
      await bench.relay(configuration)
      const file = await temporaryFile('second.toml', stringify(configuration))
      const { code, stderr } = await runRelay(bench.command, '-config', file)
      expect(code).toBe(1)
      expect(stderr).toMatch(/^influxdb-relay: cannot use .*: .* is in use by process \d+$/m)
    })

    test('is content with itself where the client is', async () => {
      const db = await bench.database()
      const relay = await bench.relay(await onDisk(bench))
      await Promise.all([bench.a.kill(), bench.b.kill()])
      onTestFinished(async () => {
        await Promise.all([bench.a.start(), bench.b.start()])
      })
      expect((await write(relay.url(), `db=${db}`, point(1))).status).toBe(503)
      expect((await write(relay.url(), `db=${db}&consistency=any`, point(2))).status).toBe(204)
      await Promise.all([bench.a.start(), bench.b.start()])
      await bench.expectRows(db, stored(point(2)))
    })
  })

  test('the gap ledger tells what a server lacks', async () => {
    const db = await bench.database()
    await bench.a.query(`CREATE DATABASE ${db}_lacking`)
    const configuration = await onDisk(bench, { 'buffer-max-age': '100ms' })
    const relay = await bench.relay(configuration)
    await store(relay.url(), `db=${db}_lacking`, 'm v=1 1700000000000000000')
    await relay.waitForLine('backend lacks acknowledged points', {
      backend: 'b',
      reason: 'too old',
    })
    const file = await temporaryFile('gaps.toml', stringify(configuration))
    const gaps = async () => {
      const { stdout } = await runRelay(bench.command, 'gaps', '-config', file, '-json')
      return JSON.parse(stdout)
    }
    await vi.waitFor(async () => expect(await gaps()).toHaveLength(1), patience)
    expect((await gaps())[0]).toMatchObject({
      backend: 'b',
      database: `${db}_lacking`,
      points: 1,
      reason: 'too old',
    })
    const { stdout } = await runRelay(bench.command, 'gaps', '-config', file)
    expect(stdout).toContain(`${db}_lacking`)
  })
}

/** A relay before both servers, with buffers in a directory that goes after the test. */
export async function onDisk(bench: Bench, keys: Record<string, unknown> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'relay-data-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const buffered = { 'buffer-size-mb': 64, 'max-delay-interval': '500ms', timeout: '2s', ...keys }
  return { 'data-dir': dir, ...httpRelay(bench.outputs(buffered)) }
}
