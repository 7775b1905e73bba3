import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { configuration, type InfluxdOptions } from './configuration.ts'
import { findInfluxd } from './find-influxd.ts'
import { Guard } from './guard.ts'
import { httpRequest } from './http.ts'
import { choosePorts, type Ports } from './ports.ts'
import { readRows } from './rows.ts'

export type { InfluxdOptions } from './configuration.ts'
export { findInfluxd, type InfluxdPaths } from './find-influxd.ts'

const startLimit = 20_000

/** Options of a query: `db` may be left out where the query names it. */
export type QueryOptions = { db?: string; epoch?: string; method?: 'GET' | 'POST' }

/** Starts a real influxd on free loopback ports, with its data in a fresh temporary directory. */
export async function startInfluxd(options: InfluxdOptions = {}): Promise<Influxd> {
  const { influxd } = await findInfluxd()
  const dir = await mkdtemp(join(tmpdir(), 'influxd-'))
  const server = new Influxd(influxd, dir, options)
  try {
    await server.startAnywhere()
    if (options.auth) await server.createAdmin()
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

/** influxd ended, or never answered, instead of starting. */
class StartError extends Error {
  readonly portTaken: boolean

  constructor(reason: string, log: string) {
    const tail = log.trimEnd().split('\n').slice(-20).join('\n')
    super(`influxd ${reason}. The end of its log:\n${tail}`)
    this.portTaken = log.includes('address already in use')
  }
}

/** A real influxd that tests can kill, restart, freeze and query. */
export class Influxd {
  readonly dir: string
  readonly #program: string
  readonly #options: InfluxdOptions
  readonly #guard: Guard
  #ports: Ports = { http: 0, rpc: 0, udp: 0 }
  #child: ChildProcess | undefined

  /** Use startInfluxd(), which also starts it. */
  constructor(program: string, dir: string, options: InfluxdOptions) {
    this.#program = program
    this.dir = dir
    this.#options = options
    this.#guard = new Guard(dir)
  }

  get url(): string {
    return `${this.#options.https ? 'https' : 'http'}://127.0.0.1:${this.port}`
  }

  get port(): number {
    return this.#ports.http
  }

  get rpcPort(): number {
    return this.#ports.rpc
  }

  /** Something listens here only if the option `udp` was given. */
  get udpPort(): number {
    return this.#ports.udp
  }

  /** The process's id; undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts on free ports; tries others if one has been taken meanwhile. */
  async startAnywhere(): Promise<void> {
    for (let attempts = 5; ; attempts--) {
      this.#ports = await choosePorts()
      const text = configuration(this.dir, this.#ports, await this.#withPrivateKey())
      await writeFile(this.#configFile, text)
      try {
        return await this.#launch()
      } catch (error) {
        if (!isPortTaken(error) || attempts <= 1) throw error
      }
    }
  }

  /** The options with a key file that only its owner can read: InfluxDB 1.13 takes no other. */
  async #withPrivateKey(): Promise<InfluxdOptions> {
    const { https } = this.#options
    if (!https) return this.#options
    const key = join(this.dir, 'key.pem')
    await writeFile(key, await readFile(https.key), { mode: 0o600 })
    return { ...this.#options, https: { ...https, key } }
  }

  /** Starts again, on the same ports and data. */
  async start(): Promise<void> {
    const deadline = Date.now() + startLimit
    while (!this.#child) {
      try {
        return await this.#launch()
      } catch (error) {
        if (!isPortTaken(error) || Date.now() > deadline) throw error
        await delay(100) // a connection may hold the port for a moment
      }
    }
  }

  /** Ends influxd, paused or not, and resolves once it is gone; the data stay for start(). */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (!child) return
    child.ref()
    const exited = once(child, 'exit')
    this.#signal(signal)
    this.#signal('SIGCONT')
    await exited
  }

  /** Freezes influxd: its sockets stay open, but nothing answers. */
  pause(): void {
    this.#signal('SIGSTOP')
    // The signal takes effect thread by thread, on a busy machine not at once.
    while (this.pid !== undefined && !isStopped(this.pid)) Atomics.wait(NEVER, 0, 0, 1)
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  /** Deno's ChildProcess.kill() sends no second signal, so that of the process is used. */
  #signal(signal: NodeJS.Signals): void {
    const pid = this.pid
    if (pid === undefined) return
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it ended just now
    }
  }

  /** Ends influxd for good and removes its directory. */
  async stop(): Promise<void> {
    await this.kill()
    await this.#guard.end()
  }

  /**
   * Runs an InfluxQL query and returns the parsed answer; an error in it is thrown. Numbers beyond
   * 2^53 lose digits here, and nanoseconds are such numbers: rows() is exact.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the answer's shape depends on the query
  async query(q: string, options: QueryOptions = {}): Promise<any> {
    return JSON.parse(await this.#ask(q, options))
  }

  /** Every point of a database as sorted, exact text, one line a field: see readRows(). */
  rows(db: string, measurement?: string): Promise<string[]> {
    return readRows((q, database) => this.#ask(q, { db: database }), db, measurement)
  }

  /** Creates the administrator, without whom influxd accepts no other request. */
  async createAdmin(): Promise<void> {
    const { username, password } = this.#options.auth ?? { username: '', password: '' }
    await this.query(`CREATE USER "${username}" WITH PASSWORD '${password}' WITH ALL PRIVILEGES`)
  }

  async #ask(q: string, { db, epoch = 'ns', method = 'POST' }: QueryOptions): Promise<string> {
    const parameters = new URLSearchParams({ q, epoch })
    if (db !== undefined) parameters.set('db', db)
    const { status, body } = await httpRequest(this.url, method, '/query', {
      parameters,
      ...(this.#options.auth && { auth: this.#options.auth }),
    })
    const error = errorIn(body)
    if (status === 200 && error === undefined) return body
    throw new Error(`influxd answered ${status} to ${q.slice(0, 200)}: ${error ?? body}`)
  }

  async #launch(): Promise<void> {
    const logged = await stat(this.#logFile).then(
      ({ size }) => size,
      () => 0,
    )
    const child = await this.#spawn()
    const log = async () => (await readFile(this.#logFile)).subarray(logged).toString()
    const deadline = Date.now() + startLimit
    while (!(await this.#isReady(log))) {
      if (hasEnded(child)) throw new StartError('ended at its start', await log())
      if (Date.now() > deadline) {
        await this.kill()
        throw new StartError(`did not start within ${startLimit / 1000} s`, await log())
      }
      await delay(10)
    }
  }

  /** The log is needed, too: another influxd may have taken the port and answer the ping. */
  async #isReady(log: () => Promise<string>): Promise<boolean> {
    if (!(await log()).includes('Listening for signals')) return false
    const ping = httpRequest(this.url, 'GET', '/ping', { timeout: 1000 })
    return ping.then(
      ({ status }) => status === 204,
      () => false,
    )
  }

  async #spawn(): Promise<ChildProcess> {
    const log = openSync(this.#logFile, 'a')
    const child = spawn(this.#program, ['-config', this.#configFile], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    await once(child, 'spawn')
    child.unref()
    this.#child = child
    this.#guard.watch(child.pid)
    child.once('exit', () => {
      this.#child = undefined
      this.#guard.watch(undefined)
    })
    return child
  }

  get #configFile(): string {
    return join(this.dir, 'influxd.conf')
  }

  get #logFile(): string {
    return join(this.dir, 'influxd.log')
  }
}

function isPortTaken(error: unknown): boolean {
  return error instanceof StartError && error.portTaken
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** influxd answers 200 to a query that failed while it ran, with the error in the body. */
function errorIn(body: string): string | undefined {
  if (!body.includes('"error"')) return undefined
  const answer = JSON.parse(body)
  return answer.error ?? answer.results?.find((result: { error?: string }) => result.error)?.error
}

/** A synchronous wait: nothing ever notifies it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/** Whether all threads of a process are stopped, or it is gone. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return true
  return readdirSync(tasks).every((task) => {
    try {
      return /\) [TtZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))
    } catch {
      return true // a thread that has just ended
    }
  })
}
