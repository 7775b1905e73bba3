/** Makes system calls of a running process fail, as a bad disk would, by `strace --inject`. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cached } from './cache.ts'
import { unpackPackages } from './debian.ts'
import { onPath } from './find-influxd.ts'

export interface Injection {
  /** The calls' names, and the name of the error that they end with. */
  readonly calls: readonly string[]
  readonly error: string
  /** Which calls of each thread fail, in the syntax of strace's `when`; by default all. */
  readonly when?: string
}

interface Strace {
  readonly program: string
  readonly environment: NodeJS.ProcessEnv
}

let found: Promise<Strace> | undefined

/** Finds strace on PATH, or unpacks Debian's into `.cache/strace` without root. */
export function findStrace(): Promise<Strace> {
  found ??= locate()
  return found
}

async function locate(): Promise<Strace> {
  const installed = await onPath('strace')
  if (installed) return { program: installed, environment: process.env }
  const unpack = (draft: string) => unpackPackages(draft, ['strace', 'libunwind8'])
  const dir = await cached('strace', ['usr/bin/strace'], unpack).catch((cause: Error) => {
    const message = `There is no strace, and Debian's could not be unpacked here (${cause.message}).`
    throw new Error(`${message} Install strace.`, { cause })
  })
  const lib = join(dir, 'usr', 'lib')
  const libraries = (await readdir(lib)).map((name) => join(lib, name)).join(':')
  return {
    program: join(dir, 'usr', 'bin', 'strace'),
    environment: { ...process.env, LD_LIBRARY_PATH: libraries },
  }
}

/** Calls of a process that fail until `end`. */
export class Fault {
  readonly #strace: ChildProcess
  readonly #dir: string
  readonly #closed: Promise<unknown>
  #messages = ''
  #ending: Promise<number> | undefined

  /** Resolves once calls fail. */
  static async begin(pid: number, { calls, error, when }: Injection): Promise<Fault> {
    const { program, environment } = await findStrace()
    const dir = await mkdtemp(join(tmpdir(), 'strace-'))
    const names = calls.join(',')
    const inject = `inject=${names}:error=${error}${when ? `:when=${when}` : ''}`
    // The calls go to a file, apart from strace's own messages.
    const output = ['-o', join(dir, TRACE), '-e', `trace=${names}`]
    const args = ['-f', '-p', String(pid), ...output, '-e', inject]
    const strace = spawn(program, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    const fault = new Fault(strace, dir)
    try {
      await fault.#attached(pid)
    } catch (error) {
      await rm(dir, { recursive: true })
      throw error
    }
    return fault
  }

  private constructor(strace: ChildProcess, dir: string) {
    this.#strace = strace
    this.#dir = dir
    this.#closed = once(strace, 'close')
    strace.stderr?.on('data', (text) => {
      this.#messages += text
    })
  }

  /** Ends the injection. Resolves with the number of calls that have failed. */
  end(): Promise<number> {
    this.#ending ??= this.#detach()
    return this.#ending
  }

  async #detach(): Promise<number> {
    this.#strace.kill('SIGINT')
    await this.#closed
    const trace = await readFile(join(this.#dir, TRACE), 'utf8')
    await rm(this.#dir, { recursive: true })
    return trace.split('(INJECTED)').length - 1
  }

  async #attached(pid: number): Promise<void> {
    let ended = false
    const ending = this.#closed.then(() => {
      ended = true
    })
    while (!/: Process \d+ attached/.test(this.#messages)) {
      if (ended) throw new Error(`strace may not trace process ${pid}: ${this.#messages}${ADVICE}`)
      await Promise.race([ending, delay(5)])
    }
  }
}

const TRACE = 'trace'

const ADVICE =
  'These tests need ptrace. Allow it by `sysctl kernel.yama.ptrace_scope=0`, and in a container ' +
  'by the capability SYS_PTRACE.'
