import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'

/**
 * A shell that ends a server and removes its directory once the test process is gone, for whatever
 * reason: vitest ends its workers by a signal, so `process.on('exit')` would not run.
 *
 * It reads the server's process id from a pipe, an empty line while there is none; the pipe's end
 * means that the test process has ended.
 */
export class Guard {
  readonly #shell: ChildProcess

  constructor(dir: string) {
    // Detached: Ctrl-C would otherwise end it first.
    this.#shell = spawn('sh', ['-c', script, 'guard', dir], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#shell.unref()
    const pipe = this.#shell.stdin as Partial<Socket> & Writable
    pipe.unref?.() // Bun's pipes have no such method, nor need they
    pipe.on('error', () => {}) // only a shell killed by hand ends before us
  }

  watch(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? ''}\n`)
  }

  /** Ends the server and removes the directory now. */
  async end(): Promise<void> {
    if (this.#shell.exitCode !== null) return
    this.#shell.ref()
    const exited = once(this.#shell, 'exit')
    this.#shell.stdin?.end()
    await exited
  }
}

const script = `
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then kill -KILL "$pid"; sleep 0.2; fi
rm -rf "$1"
`
