/** A server that the bench starts, and stops at its own end. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Guard } from '../test/real/guard.ts'
import { httpRequest } from '../test/real/http.ts'
import { choosePorts } from '../test/real/ports.ts'
import { root } from './paths.ts'

const START_LIMIT_MS = 20_000
const PORT_ATTEMPTS = 5

/** Thousands of connections need more files than a shell allows at first. */
const WITH_FILES = 'ulimit -n 16384 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"'

/** How to start one. */
export interface Plan {
  readonly name: string
  /** The command, for a port to listen on and a directory of its own. */
  command(port: number, dir: string): Promise<readonly string[]> | readonly string[]
  readonly env?: Record<string, string>
  /** A path that it answers once it is ready. */
  readonly readyPath?: string
  /** By default a free port. */
  readonly port?: number
}

const running = new Set<Service>()

/** Does some work while a server runs, and stops the server in any case. */
export async function during<Server extends { stop(): Promise<void> }, Result>(
  server: Server,
  work: (server: Server) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

/** Ends every server that still runs. */
export async function stopServices(): Promise<void> {
  await Promise.allSettled([...running].map((service) => service.stop()))
}

export class Service {
  readonly name: string
  readonly dir: string
  readonly port: number
  /** From the start of the process to its first answer. */
  startMs = 0
  readonly #guard: Guard
  #child: ChildProcess | undefined

  private constructor(name: string, dir: string, port: number) {
    this.name = name
    this.dir = dir
    this.port = port
    this.#guard = new Guard(dir)
    running.add(this)
  }

  /** Starts a server; tries another port if the first one has been taken meanwhile. */
  static async start(plan: Plan): Promise<Service> {
    for (let attempts = PORT_ATTEMPTS; ; attempts--) {
      const dir = await mkdtemp(join(tmpdir(), 'influxdb-relay-bench-'))
      const service = new Service(plan.name, dir, plan.port ?? (await choosePorts()).http)
      try {
        await service.#launch(plan)
        return service
      } catch (error) {
        const log = await service.log()
        await service.stop()
        if (/in use/i.test(log) && attempts > 1) continue
        throw new Error(`${(error as Error).message}\n${log.slice(-4000)}`.trim())
      }
    }
  }

  get pid(): number {
    return this.#child?.pid as number
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null
  }

  /** All that it has written to stdout and stderr. */
  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '')
  }

  /** Stops it by SIGTERM and returns its log; stop() then removes the directory. */
  async finish(): Promise<string> {
    if (this.isRunning && this.#child) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await exited
    }
    return this.log()
  }

  /** Kills it and removes its directory. */
  async stop(): Promise<void> {
    if (this.isRunning && this.#child) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exited
    }
    this.#guard.watch(undefined)
    await this.#guard.end()
    running.delete(this)
  }

  async #launch({ name, command, env, readyPath = '/ping' }: Plan): Promise<void> {
    const args = await command(this.port, this.dir)
    const log = openSync(this.#logFile, 'a')
    const began = performance.now()
    const child = spawn('sh', ['-c', WITH_FILES, ...args], {
      cwd: root,
      env: { ...process.env, NO_PROXY: '*', no_proxy: '*', ...env },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    await once(child, 'spawn')
    this.#child = child
    this.#guard.watch(child.pid)
    while (!(await answers(this.url, readyPath))) {
      if (!this.isRunning) throw new Error(`${name} ended at its start. Its log:`)
      if (performance.now() - began > START_LIMIT_MS) {
        throw new Error(`${name} does not answer. Its log:`)
      }
      await delay(1)
    }
    this.startMs = performance.now() - began
  }

  get #logFile(): string {
    return join(this.dir, 'log')
  }
}

/** False for a 5xx, too: a proxy answers so while it cannot reach its server. */
async function answers(url: string, path: string): Promise<boolean> {
  return httpRequest(url, 'GET', path, { timeout: 1000 }).then(
    ({ status }) => status < 500,
    () => false,
  )
}
