/** What the system knows of UDP sockets, and a pair of sockets that counts points. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { here } from './paths.ts'

/** Datagrams that the system dropped because the sockets on a port were full. */
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

/** Receives datagrams and counts their points. */
export class UdpSink {
  readonly ports: readonly number[]
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  private constructor(
    ports: readonly number[],
    child: ChildProcessByStdio<Writable, Readable, null>,
    lines: AsyncIterator<string>,
  ) {
    this.ports = ports
    this.#child = child
    this.#lines = lines
  }

  /** @param pointBytes the size of each point, without its newline */
  static async start(pointBytes: number): Promise<UdpSink> {
    const child = spawn(process.execPath, [join(here, 'udp-sink.ts'), String(pointBytes)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return new UdpSink(await numbersIn(lines), child, lines)
  }

  /** The points that each port has got so far, including those that the system dropped there. */
  async counts(): Promise<number[]> {
    this.#child.stdin.write('?\n')
    const counts = await numbersIn(this.#lines)
    return counts.map((count, i) => count + droppedAt(this.ports[i] as number))
  }

  /** The process ends when its input does, so it does not outlive the bench. */
  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.stdin.end()
    await exited
  }
}

async function numbersIn(lines: AsyncIterator<string>): Promise<number[]> {
  const { value, done } = await lines.next()
  if (done) throw new Error('the process that counts datagrams has ended')
  return JSON.parse(value) as number[]
}
