/** What all parts of the bench share: subjects and backends that run, and the samples taken of them. */

import { type Backend, type Kind, startBackends } from './backends.ts'
import type { Options } from './options.ts'
import { root } from './paths.ts'
import type { Sample } from './samples.ts'
import type { RelayKeys, Running, Subject } from './subjects.ts'

/** A kind of work. */
export interface Part {
  readonly name: string
  /** For people. */
  readonly title: string
  run(lab: Lab): Promise<void>
}

/** What takes its turn in each round. */
export interface Arm {
  /** Who does what, for whoever reads that it failed. */
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

  /** What writes can be sent through, or to, one at a time. */
  get subjects(): readonly Subject[] {
    return this.all.filter(({ name }) => name !== 'direct-to-both')
  }

  /** Both servers at once without anything before them, in a list. */
  get directToBoth(): readonly Subject[] {
    return this.all.filter(({ name }) => name === 'direct-to-both')
  }

  get relays(): readonly Subject[] {
    return this.subjects.filter(({ isRelay }) => isRelay)
  }

  /** The server without anything before it, in a list. */
  get direct(): readonly Subject[] {
    return this.subjects.filter(({ name }) => name === 'direct')
  }

  /**
   * Relays for work that is done with each of them. In a quick run one of ours is enough to see that it
   * goes, beside those of others, which were asked for.
   */
  get someRelays(): readonly Subject[] {
    if (!this.options.quick) return this.relays
    return this.relays.filter(({ isOurs }, i) => i === 0 || !isOurs)
  }

  /** The same without the executable, which is Bun's relay in one file, unless it was asked for by name. */
  get distinctRelays(): readonly Subject[] {
    const named = this.options.subjects.includes('executable')
    return this.someRelays.filter(({ name }) => named || !name.endsWith('executable'))
  }

  /** The same two servers of a kind for all that ask. */
  backends(kind: Kind): Promise<readonly [Backend, Backend]> {
    const backends = this.#backends.get(kind) ?? startBackends(kind)
    this.#backends.set(kind, backends)
    return backends
  }

  /** One process of a subject before these servers, for all that ask with the same keys. */
  async running(subject: Subject, kind: Kind, keys: RelayKeys = {}): Promise<Running> {
    const key = JSON.stringify([subject.name, kind, keys])
    const started = this.#running.get(key) ?? subject.start(await this.backends(kind), keys)
    this.#running.set(key, started)
    return started
  }

  /**
   * Does some work with a process that others may share. One that fails at it is ended, and who asks for
   * it again gets a new one.
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

  /** Runs each arm once a round, beginning with another one each time, but for those that have failed. */
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
   * Does some work; a failure is told at once and remembered, but does not end the rest of the run.
   *
   * @param name who does what
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

  /** Does what has not been done under this name before. */
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

/** Results are published; where on this machine its programs lie is nobody's business. */
const withoutPaths = (message: string) =>
  message.replaceAll(`${process.execPath} `, '').replaceAll(`${root}/`, '')

/** More digits than any measurement has. */
const rounded = (value: number) => Number(value.toPrecision(5))
