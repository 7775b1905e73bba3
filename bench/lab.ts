/** What the parts of the bench share: running subjects and backends, and samples. */

import { type Backend, type Kind, startBackends } from './backends.ts'
import type { Options } from './options.ts'
import { root } from './paths.ts'
import type { Sample } from './samples.ts'
import type { RelayKeys, Running, Subject } from './subjects.ts'

/** A kind of work. */
export interface Part {
  readonly name: string
  readonly title: string
  run(lab: Lab): Promise<void>
}

/** One of the things that take turns in each round. */
export interface Arm {
  /** Names it in a failure. */
  readonly name: string
}

export class Lab {
  readonly options: Options
  readonly all: readonly Subject[]
  readonly samples: Sample[] = []
  readonly failures: string[] = []
  readonly #backends = new Map<Kind, Promise<readonly [Backend, Backend]>>()
  readonly #done = new Set<string>()
  readonly #running = new Map<string, Promise<Running>>()

  constructor(options: Options, subjects: readonly Subject[]) {
    this.options = options
    this.all = subjects
  }

  /** All subjects except those that take two loads at once. */
  get subjects(): readonly Subject[] {
    return this.all.filter(({ name }) => name !== 'direct-to-both')
  }

  /** Direct writes to both servers at once, as a list. */
  get directToBoth(): readonly Subject[] {
    return this.all.filter(({ name }) => name === 'direct-to-both')
  }

  get relays(): readonly Subject[] {
    return this.subjects.filter(({ isRelay }) => isRelay)
  }

  /** Direct writes to one server, as a list. */
  get direct(): readonly Subject[] {
    return this.subjects.filter(({ name }) => name === 'direct')
  }

  /**
   * The relays for parts that take long with each. A quick run takes the first of ours, and every
   * peer.
   */
  get someRelays(): readonly Subject[] {
    if (!this.options.quick) return this.relays
    return this.relays.filter(({ isOurs }, i) => i === 0 || !isOurs)
  }

  /**
   * The same without the executable, which is Bun's relay in one file, unless --subjects names it.
   */
  get distinctRelays(): readonly Subject[] {
    const named = this.options.subjects.includes('executable')
    return this.someRelays.filter(({ name }) => named || !name.endsWith('executable'))
  }

  /** Two servers of a kind, started at the first call. */
  backends(kind: Kind): Promise<readonly [Backend, Backend]> {
    const backends = this.#backends.get(kind) ?? startBackends(kind)
    this.#backends.set(kind, backends)
    return backends
  }

  /**
   * A process of a subject in front of these servers, started at the first call with these keys.
   */
  async running(subject: Subject, kind: Kind, keys: RelayKeys = {}): Promise<Running> {
    const key = JSON.stringify([subject.name, kind, keys])
    const started = this.#running.get(key) ?? subject.start(await this.backends(kind), keys)
    this.#running.set(key, started)
    return started
  }

  /**
   * Does some work with a shared process. If the work fails, the process is stopped, and the next
   * call of running() starts a new one.
   */
  async using<Result>(running: Running, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      for (const [key, started] of this.#running) {
        if ((await started.catch(() => undefined)) === running) this.#running.delete(key)
      }
      await running.stop()
      throw error
    }
  }

  /**
   * Runs each arm once a round, in rotating order. An arm that has failed is left out of later
   * rounds.
   */
  async rounds<One extends Arm>(
    arms: readonly One[],
    measure: (arm: One, round: number) => Promise<void>,
  ): Promise<void> {
    const failed = new Set<One>()
    for (let round = 1; round <= this.options.rounds; round++) {
      for (let i = 0; i < arms.length; i++) {
        const arm = arms[(i + round - 1) % arms.length] as One
        if (failed.has(arm)) continue
        if (!(await this.attempt(arm.name, () => measure(arm, round)))) failed.add(arm)
      }
    }
  }

  /**
   * Does some work. A failure is printed and recorded, and does not end the run.
   *
   * @param name names the work in a failure
   * @returns whether it succeeded
   */
  async attempt(name: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      const failure = `${name}: ${withoutPaths((error as Error).message)}`
      this.failures.push(failure)
      console.error(`FAILED: ${failure}`)
      return false
    }
  }

  /** Does some work unless work with this name was done before. */
  async once(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#done.has(name)) return
    this.#done.add(name)
    await work()
  }

  record(sample: Sample): void {
    const figures = Object.entries(sample.figures)
      .filter(([, value]) => Number.isFinite(value))
      .map(([name, value]) => [name, rounded(value)])
    this.samples.push({ ...sample, figures: Object.fromEntries(figures) })
  }
}

/** Results are published, without this machine's paths. */
const withoutPaths = (message: string) =>
  message.replaceAll(`${process.execPath} `, '').replaceAll(`${root}/`, '')

/** More digits than any measurement has. */
const rounded = (value: number) => Number(value.toPrecision(5))
