import { execFileSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, httpRelay, output } from './bench.ts'
import { write } from './client.ts'
import { onDisk } from './durability.ts'
import { answering, startFaulty, storing } from './faulty-backend.ts'
import { numbers, point } from './points.ts'

/** Each lane is synced to the disk several times, which the runtimes do alike: one of them gets all. */
const MANY_LANES = 10_000
const LANES = 500
const OPEN_FILES = 256
const CLIENTS = 16
const TIMEOUT_MS = 600_000

/** Clients that choose thousands of names, while a server is down and few files can be open. */
export function lanes(bench: Bench): void {
  const count = bench.runtime === 'bun' ? MANY_LANES : LANES
  test(`${count} databases fit into ${OPEN_FILES} open files, and leave nothing on disk`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const [up, down] = [await startFaulty(storing), await startFaulty(answering(503, 'down'))]
    const keys = { 'buffer-size-mb': 300, 'max-delay-interval': '500ms' }
    const outputs = [output('up', up), output('down', down, keys)]
    const { 'data-dir': dir } = await onDisk(bench)
    const configuration = { 'data-dir': dir, ...httpRelay(outputs) }
    const limited = ['sh', '-c', `ulimit -n ${OPEN_FILES}; exec "$0" "$@"`, ...bench.command]
    const relay = await bench.relay(configuration, limited)
    const statuses = new Set<number>()
    const names = numbers(count)
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const clients = numbers(CLIENTS).map(async () => {
      for (let i = names.pop(); i !== undefined; i = names.pop()) {
        const { status } = await write(relay.url(), `db=d${i}`, point(i), { agent })
        statuses.add(status)
      }
    })
    await Promise.all(clients)
    expect([...statuses]).toEqual([204])
    const buffers = join(dir, 'buffers')
    // The size of a folder with many names is not counted.
    const [kilobytes] = execFileSync('du', ['-sk', buffers], { encoding: 'utf8' }).split('\t')
    expect(Number(kilobytes)).toBeLessThan(301 * 1024)
    expect((await readdir(`/proc/${relay.pid}/fd`)).length).toBeLessThan(OPEN_FILES)

    down.received.length = 0
    down.behaviour = storing
    onTestFinished(() => {
      down.behaviour = storing
    })
    const patience = { timeout: TIMEOUT_MS, interval: 200 }
    await vi.waitFor(() => expect(new Set(down.lines).size).toBe(count), patience)
    expect((await write(relay.url(), 'db=d', point(1))).status).toBe(204)
    await vi.waitFor(async () => {
      const left = await readdir(buffers, { recursive: true })
      expect(left.filter((path) => path.includes('lane-'))).toEqual([])
    }, patience)
    expect(relay.lines('disk failed')).toEqual([])
  })
}
