/** Sockets for datagrams as the system sees them, and a pair that counts. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { here } from './paths.ts'

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

/** Takes datagrams, and counts the points in them. */
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

  /** @param pointBytes the size of each point, without the end of its line */
  static async start(pointBytes: number): Promise<UdpSink> {
    const child = spawn(process.execPath, [join(here, 'udp-sink.ts'), String(pointBytes)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return new UdpSink(await numbersIn(lines), child, lines)
  }

  /** How many points have come to each port so far, with what was too much for it. */
  async counts(): Promise<number[]> {
    this.#child.stdin.write('?\n')
    const counts = await numbersIn(this.#lines)
    return counts.map((count, i) => count + droppedAt(this.ports[i] as number))
  }

  /** It goes when its input ends, so it does not outlive the bench either. */
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
