/** A client that does no harm, in a process of its own: see probe-client.ts. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'

export interface Report {
  /** Writes since the measurement began. */
  readonly sent: number
  /** By status, or by what happened in place of an answer, the number of writes. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly longestWaitMs: number
  /** Writes that were answered 204 since the start of the process. */
  readonly acknowledged: number
}

export class Probe {
  readonly #child: ChildProcess
  readonly #lines: Interface

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child
    this.#lines = lines
  }

  /** Resolves once its first write was answered. */
  static async start(port: number, measurement: string): Promise<Probe> {
    const script = join(import.meta.dirname, 'probe-client.ts')
    const child = spawn(process.execPath, ['run', script, String(port), measurement], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)
    await once(lines, 'line')
    return new Probe(child, lines)
  }

  /** Begins to measure. */
  begin(): void {
    this.#child.stdin?.write('\n')
  }

  /** Ends the process; returns what it has seen since begin(). */
  async end(): Promise<Report> {
    const line = once(this.#lines, 'line')
    this.#child.stdin?.end()
    return JSON.parse((await line)[0]) as Report
  }
}
