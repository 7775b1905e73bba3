/** The relay as a process. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Guard } from '../../test/real/guard.ts'
import { makeTempDir } from './temp-dir.ts'

const root = join(import.meta.dir, '../..')
const START_LIMIT_MS = 10_000

/**
 * Copies a configuration with its addresses replaced.
 *
 * @param addresses new addresses by the old one, such as `127.0.0.1:8086`
 * @returns the path of the copy, in a directory of its own
 */
export async function configure(
  sample: string,
  addresses: ReadonlyMap<string, string>,
): Promise<string> {
  const text = await readFile(join(root, sample), 'utf8')
  const filled = text.replace(/127\.0\.0\.1:\d+/g, (address) => {
    const other = addresses.get(address)
    if (other === undefined) throw new Error(`${sample}: the demo has no stand-in for ${address}`)
    return other
  })
  const copy = join(await makeTempDir(), 'relay.toml')
  await writeFile(copy, filled)
  return copy
}

export class Relay {
  readonly #config: string
  readonly #logFile: string
  readonly #guard: Guard
  #child: Bun.Subprocess | undefined
  #stopping = false

  /** @param config alone in its directory, which is removed when the relay is stopped */
  constructor(config: string) {
    const dir = join(config, '..')
    this.#config = config
    this.#logFile = join(dir, 'relay.log')
    this.#guard = new Guard(dir)
  }

  /** Runs the relay from its source and waits until it answers at `url`. */
  async start(url: string): Promise<void> {
    const log = Bun.file(this.#logFile)
    const command = [process.execPath, 'run', 'src/bun.ts', '-config', this.#config]
    this.#child = Bun.spawn(command, { cwd: root, stdout: 'ignore', stderr: log })
    this.#guard.watch(this.#child.pid)
    const deadline = performance.now() + START_LIMIT_MS
    while (!(await answersPing(url))) {
      if (this.#child.exitCode !== null) throw new Error('the relay ended at its start')
      if (performance.now() > deadline) throw new Error(`the relay does not answer at ${url}`)
      await delay(50)
    }
  }

  /** Never resolves; rejects if the relay ends before stop(). */
  async diesEarly(): Promise<never> {
    await this.#child?.exited
    if (this.#stopping) return new Promise(() => {})
    const how = this.#child?.signalCode ?? `code ${this.#child?.exitCode}`
    throw new Error(`the relay ended too early, with ${how}`)
  }

  /** The last lines of the relay's log. */
  async logEnd(): Promise<string> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '')
    return ["The end of the relay's log:", ...text.trimEnd().split('\n').slice(-20)].join('\n  ')
  }

  /** Adds the last lines of the log to an error. */
  async withLog<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n\n${await this.logEnd()}`, { cause })
    }
  }

  /** Stops the relay, which ends once its buffers are empty. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#child?.kill('SIGTERM')
    const code = await this.#child?.exited
    if (code !== 0) throw new Error(`the relay was stopped, and ended with code ${code}`)
  }

  /** Kills the relay and removes its files. */
  async end(): Promise<void> {
    this.#stopping = true
    await this.#guard.end()
  }
}

async function answersPing(url: string): Promise<boolean> {
  return fetch(`${url}/ping`).then(
    ({ ok }) => ok,
    () => false,
  )
}
