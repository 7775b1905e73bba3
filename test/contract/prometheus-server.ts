import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { cached } from '../real/cache.ts'
import { unpackPackages } from '../real/debian.ts'
import { Guard } from '../real/guard.ts'
import { choosePorts } from '../real/ports.ts'
import type { Bench } from './bench.ts'
import { request } from './client.ts'
import { onDisk } from './durability.ts'
import { patience } from './relay-process.ts'

/** The real Prometheus, from Debian, with the relay as its storage. */
export function prometheusServer(bench: Bench): void {
  test('Prometheus writes while a server is down, and reads all of it when that is back', async () => {
    const db = await bench.database()
    const relay = await bench.relay(await onDisk(bench))
    const write = `remote_write:
  - url: ${relay.url()}/api/v1/prom/write?db=${db}
    queue_config: { batch_send_deadline: 200ms }`
    const read = `remote_read:
  - url: ${relay.url()}/api/v1/prom/read?db=${db}
    read_recent: true`
    const writer = await startPrometheus((port) => `${scraping(port)}\n${write}`)
    const countAtA = async () => (await bench.a.rows(db)).filter(isUp).length
    await vi.waitFor(async () => expect(await countAtA()).toBeGreaterThan(0), patience)
    onTestFinished(() => bench.b.start())
    await bench.b.kill()
    const before = await countAtA()
    await vi.waitFor(async () => expect(await countAtA()).toBeGreaterThan(before + 2), patience)
    await bench.b.start()
    await writer.stop()
    const rows = (await bench.expectSameRows(db)).filter(isUp)
    const reader = await startPrometheus(() => read)
    // Only the server that was down can have everything now.
    onTestFinished(() => bench.a.start())
    await bench.a.kill()
    const query = encodeURIComponent('count_over_time(up[10m])')
    const { body } = await request(`${reader.url}/api/v1/query?query=${query}`)
    const { status, data } = JSON.parse(body)
    expect(status, body).toBe('success')
    expect(data.result[0]?.value[1]).toBe(String(rows.length))
    await reader.stop()
  })
}

const isUp = (row: string) => /^autogen up,/.test(row)

/** Has Prometheus watch itself. */
const scraping = (port: number) => `scrape_configs:
  - job_name: self
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]`

async function startPrometheus(configurationFor: (port: number) => string) {
  const program = join('usr', 'bin', 'prometheus')
  const programs = await cached('debian-prometheus', [program], (draft) =>
    unpackPackages(draft, ['prometheus'], { withMissing: true }),
  )
  const dir = await mkdtemp(join(tmpdir(), 'prometheus-'))
  const { http: port } = await choosePorts()
  await writeFile(join(dir, 'prometheus.yml'), `${configurationFor(port)}\n`)
  const guard = new Guard(dir)
  const child: ChildProcess = spawn(
    join(programs, program),
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  guard.watch(child.pid)
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    guard.watch(undefined)
    await guard.end()
  }
  onTestFinished(() => void child.kill('SIGKILL'))
  await vi.waitFor(async () => expect((await request(`${url}/-/ready`)).status).toBe(200), patience)
  return { url, stop }
}
