import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, httpRelay, output } from './bench.ts'
import { store, write } from './client.ts'
import { numbers, point, stored, T } from './points.ts'
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

    test.each([
      ['', []],
      [', also in another network namespace', ['unshare', '--map-root-user', '--net']],
    ])('belongs to one process%s', async (_, prefix) => {
      const configuration = await onDisk(bench)
      await bench.relay(configuration)
      const file = await temporaryFile('second.toml', stringify(configuration))
      const { code, stderr } = await runRelay([...prefix, ...bench.command], '-config', file)
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
    const gaps = () => gapsOf(bench, configuration)
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

  describe('the gap ledger tells nothing', () => {
    const bad = (i: number) => `m v=1u ${T + BigInt(i)}`
    test.each([
      ['refuse whole', bad],
      ['store in part', (i: number) => `${point(i)}\n${bad(i)}`],
      ['drop for a conflict', (i: number) => `m v=1 ${T}\nm v=${i}i ${T + BigInt(i + 1)}`],
    ])('of writes that both servers %s, also while one was away', async (_, body) => {
      const db = await bench.database()
      await Promise.all([bench.a, bench.b].map((one) => store(one.url, `db=${db}`, point(0))))
      const configuration = await onDisk(bench)
      const relay = await bench.relay(configuration)
      const refuse = async (i: number) =>
        expect((await write(relay.url(), `db=${db}`, body(i))).status).toBe(400)
      for (const i of numbers(20)) await refuse(i)
      bench.b.pause()
      onTestFinished(() => bench.b.resume())
      await store(relay.url(), `db=${db}`, point(100))
      for (const i of numbers(20)) await refuse(i)
      bench.b.resume()
      await store(relay.url(), `db=${db}`, point(200))
      await vi.waitFor(async () => {
        expect(await bench.b.rows(db)).toContain(stored(point(200))[0])
      }, patience)
      expect(await relay.stop()).toBe(0)
      expect(await gapsOf(bench, configuration)).toEqual([])
      expect(await readdir(join(configuration['data-dir'], 'dead-letters'))).toEqual([])
    })
  })

  test('the gap ledger tells of points that only one server refuses', async () => {
    const db = await bench.database()
    await store(bench.b.url, `db=${db}`, 'm v=1i 1')
    const configuration = await onDisk(bench)
    const relay = await bench.relay(configuration)
    const { status } = await write(relay.url(), `db=${db}&consistency=all`, 'm v=2 2\nn v=3 3')
    expect(status).toBe(400)
    await relay.waitForLine('backend lacks points that another has', { backend: 'b', db })
    expect(await relay.stop()).toBe(0)
    expect(await gapsOf(bench, configuration)).toMatchObject([
      { backend: 'b', database: db, points: 1, reason: 'diverged' },
    ])
    expect(await readdir(join(configuration['data-dir'], 'dead-letters'))).toEqual([])
  })
}

/** The entries of the gap ledger. */
export async function gapsOf(
  bench: Bench,
  configuration: Record<string, unknown>,
): Promise<unknown[]> {
  const file = await temporaryFile('gaps.toml', stringify(configuration))
  const { stdout } = await runRelay(bench.command, 'gaps', '-config', file, '-json')
  return JSON.parse(stdout)
}

/**
 * A relay before both servers, with buffers in a directory that goes after the test. Tests kill or
 * freeze only b, so that the relay has time for a's answers on a busy machine.
 */
export async function onDisk(bench: Bench, keys: Record<string, unknown> = {}) {
  const buffered = { 'buffer-size-mb': 64, 'max-delay-interval': '500ms', ...keys }
  const outputs = [
    output('a', bench.a, buffered),
    output('b', bench.b, { ...buffered, timeout: '1s' }),
  ]
  return { 'data-dir': await dataDir(), ...httpRelay(outputs) }
}

/** A directory that goes after the test. */
export async function dataDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'relay-data-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}
