import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { stringify } from 'smol-toml'
import { expect, vi } from 'vitest'
import { Guard } from '../real/guard.ts'
import { type LogLine, parseLogLine } from './logfmt.ts'

export const root = join(import.meta.dirname, '..', '..')

const noProxy = 'http://127.0.0.1:1'

/**
 * The environment of a relay: `bun` and `deno` are those of this repository, and servers are to be
 * reached without the proxy that the environment may name.
 */
export const environment = {
  ...process.env,
  HTTP_PROXY: noProxy,
  HTTPS_PROXY: noProxy,
  http_proxy: noProxy,
  PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
}

/** Waiting for a condition fails after this long; no test should come near it. */
export const patience = { timeout: 30_000, interval: 20 }

/** A configuration file: its text, or what TOML makes of an object. */
export type Configuration = string | Record<string, unknown>

/** Runs a relay by `command` and waits until it is ready. */
export async function startRelay(
  command: readonly string[],
  configuration: Configuration,
): Promise<RelayProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'relay-'))
  const file = join(dir, 'relay.toml')
  const text = typeof configuration === 'string' ? configuration : stringify(configuration)
  await writeFile(file, text)
  const relay = new RelayProcess([...command, '-config', file], new Guard(dir))
  try {
    await relay.waitForLine('ready')
  } catch (error) {
    const log = relay.text
    await relay.end()
    throw new Error(`the relay did not start. Its log:\n${log}`, { cause: error })
  }
  return relay
}

/** A relay that runs, and everything that it says. */
export class RelayProcess {
  readonly #child: ChildProcess
  readonly #guard: Guard
  readonly #exited: Promise<unknown>
  readonly #texts: string[] = []

  constructor([program, ...args]: string[], guard: Guard) {
    this.#guard = guard
    this.#child = spawn(program as string, args, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    guard.watch(this.#child.pid)
    this.#exited = once(this.#child, 'close')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => this.#texts.push(line))
    }
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** All that it has written, to either stream. */
  get text(): string {
    return this.#texts.join('\n')
  }

  /** Its log so far; of the lines with this message, if one is given. */
  lines(message?: string): LogLine[] {
    const lines = this.#texts.map(parseLogLine).filter((line) => line !== undefined)
    return message === undefined ? lines : lines.filter(({ msg }) => msg === message)
  }

  /** Waits for a line with this message and these fields. */
  async waitForLine(message: string, fields: LogLine = {}): Promise<LogLine> {
    const found = await vi.waitFor(() => {
      const line = this.lines(message).find((line) =>
        Object.entries(fields).every(([name, value]) => line[name] === value),
      )
      if (!line && this.isRunning) throw new Error(`no line "${message}" in:\n${this.text}`)
      return line
    }, patience)
    if (!found) throw new Error(`the relay has ended; its log:\n${this.text}`)
    return found
  }

  /** Where a relay listens, by the name of its block; of the first one without. */
  address(name?: string): { host: string; port: number } {
    const line = this.lines('listening').find(({ relay }) => name === undefined || relay === name)
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(line?.address ?? '') ?? []
    return { host: host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host, port: Number(port) }
  }

  url(name?: string): string {
    const { host, port } = this.address(name)
    const line = this.lines('listening').find(({ address }) => address?.endsWith(`:${port}`))
    return `${line?.protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for the process to end by itself; its exit code, or null if a signal ended it. */
  async exitCode(): Promise<number | null> {
    await this.#exited
    return this.#child.exitCode
  }

  /** Asks it to stop, and waits until it has. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal)
    return this.exitCode()
  }

  /** Ends it at once and looks through its log for what should never be there. */
  async end(): Promise<void> {
    if (this.isRunning) this.signal('SIGKILL')
    await this.#exited
    this.#guard.watch(undefined)
    await this.#guard.end()
    expect(
      this.#texts.filter((text) => parseLogLine(text) === undefined),
      'lines that are no log',
    ).toEqual([])
    expect(this.lines('request failed'), 'errors that nobody foresaw').toEqual([])
  }
}
