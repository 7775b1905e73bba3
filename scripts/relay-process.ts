/** The relay as a process that scripts start and kill. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Guard } from '../test/real/guard.ts'

export class RelayProcess {
  readonly #command: string[]
  readonly #guard: Guard
  #child: ReturnType<typeof spawn> | undefined
  log = ''

  constructor(command: string[], guard: Guard) {
    this.#command = command
    this.#guard = guard
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the relay was never started')
    return pid
  }

  /** Resolves once it is ready. */
  async start(): Promise<void> {
    const [file = '', ...args] = this.#command
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#guard.watch(child.pid)
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (text) => {
        this.log = (this.log + text).slice(-20_000)
        if (this.log.includes('msg=ready')) resolve()
      })
      child.once('exit', () => reject(new Error(`the relay has ended:\n${this.log}`)))
    })
    this.log = ''
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null) return
    const exited = once(child, 'exit')
    if (child.pid) process.kill(child.pid, signal)
    await exited
    this.#guard.watch(undefined)
  }
}
