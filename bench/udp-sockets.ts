/** Sockets for datagrams as the system sees them, and a pair that nobody reads. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Guard } from '../test/real/guard.ts'
import { here } from './paths.ts'

/** More than fit into a socket's buffer. */
const FILLING = 10_000

/** Datagrams that the system had to drop as the sockets on a port had no room for them. */
export function droppedAt(port: number): number {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  let dropped = 0
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readFileSync(file, 'latin1').trim().split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      if (fields[1]?.endsWith(end)) dropped += Number(fields.at(-1))
    }
  }
  return dropped
}

/** Takes datagrams without reading them: once its buffers are full, each one is counted as dropped. */
export class UdpSink {
  readonly ports: readonly number[]
  readonly #child: ChildProcess
  readonly #guard: Guard

  private constructor(ports: readonly number[], child: ChildProcess, guard: Guard) {
    this.ports = ports
    this.#child = child
    this.#guard = guard
  }

  static async start(): Promise<UdpSink> {
    const guard = new Guard(await mkdtemp(join(tmpdir(), 'influxdb-relay-bench-')))
    const child = spawn(process.execPath, [join(here, 'udp-sink.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    guard.watch(child.pid)
    const [line] = await once(createInterface(child.stdout), 'line')
    child.kill('SIGSTOP')
    const ports = JSON.parse(line) as number[]
    for (const port of ports) await fillUp(port)
    return new UdpSink(ports, child, guard)
  }

  /** How many have come to each port so far, from a number that means nothing. */
  counts(): number[] {
    return this.ports.map(droppedAt)
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
    this.#guard.watch(undefined)
    await this.#guard.end()
  }
}

/** Nothing but datagrams as small as can be fills a buffer to its end. */
async function fillUp(port: number): Promise<void> {
  const socket = createSocket('udp4')
  for (let i = 0; i < FILLING && droppedAt(port) === 0; i++) {
    await new Promise((resolve) => socket.send('x', port, '127.0.0.1', resolve))
  }
  socket.close()
  if (droppedAt(port) === 0) throw new Error('a socket that nobody reads does not fill up')
}
