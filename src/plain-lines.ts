/**
 * A fast way through large bodies of line protocol: WebAssembly (`assembly/`) passes over points of the
 * most usual form, and puts timestamps where they are missing. Lines of any other form are left to
 * `stamp.ts`, which defines what becomes of a line.
 */

import type { Places } from './influxdb/places.ts'
import { WASM } from './plain-lines.wasm.ts'

/** The next window is taken if less is left of this one: a line as a rule, and little to copy again. */
const REST = 1024

/** Fewer lines than these in a row are not worth the call. */
const FEW = 4

/** How many lines it is left alone for at most, where points are of another form. */
const MAX_PAUSE = 1023

/** The running code and its memory: bodies are read one after the other, so one is enough. */
interface Machine {
  readonly input: Uint8Array
  readonly gaps: Int32Array
  readonly maxGaps: number
  readonly timestamp: Uint8Array
  readonly output: Uint8Array
  /** How many lines the last `pass` passed over. */
  readonly passed: { readonly value: number }
  /** How many gaps the last `fill` filled. */
  readonly filled: { readonly value: number }
  pass(from: number, to: number, stamped: boolean, origin: number): number
  fill(length: number, gaps: number, timestampBytes: number, origin: number): number
}

/** Made for the first large body. */
let machine: Machine | 'missing' | undefined

/** One body, from its first line to its last. */
export class PlainLines {
  /** Where the line begins that ended the last pass. */
  end = 0
  private readonly machine: Machine
  private readonly body: Uint8Array
  /** The window that is in the machine. */
  private from = 0
  private to = 0
  /** Whether the points that were passed last had timestamps: points of a kind come in company. */
  private stamped = false
  /** For how many lines it is left alone, now and next time. */
  private pause = 0
  private nextPause = 0

  /** Nothing if the host has no WebAssembly, or none with vectors, or does not let it be compiled. */
  static of(body: Uint8Array): PlainLines | undefined {
    machine ??= instantiate()
    return machine === 'missing' ? undefined : new PlainLines(machine, body)
  }

  private constructor(machine: Machine, body: Uint8Array) {
    this.machine = machine
    this.body = body
  }

  /**
   * Passes over as many points as it knows, up to `end`, but never over the last line.
   *
   * @param start where a line begins
   * @param gaps gets the ends of those that have no timestamp
   * @returns how many they are
   */
  pass(start: number, gaps: Places): number {
    this.end = start
    if (this.pause > 0) {
      this.pause--
      return 0
    }
    let count = 0
    let failed = 0
    while (failed < 2) {
      const passed = this.passKind(gaps)
      count += passed
      if (passed > 0 && this.isNearLimit()) continue
      failed = passed > 0 ? 1 : failed + 1
      this.stamped = !this.stamped
    }
    this.nextPause = count < FEW ? Math.min(this.nextPause * 4 + 3, MAX_PAUSE) : 0
    this.pause = this.nextPause
    return count
  }

  /** Writes the body with `timestamp` in each of all its gaps. */
  fill(gaps: Places, timestamp: Uint8Array, filled: Uint8Array): void {
    const { body, machine } = this
    machine.timestamp.set(timestamp)
    let next = 0
    let from = 0
    let at = 0
    while (from < body.length) {
      const window = body.subarray(from, from + machine.input.length)
      const some = gaps.slice(next, machine.maxGaps)
      machine.input.set(window)
      machine.gaps.set(some)
      const length = machine.fill(window.length, some.length, timestamp.length, from)
      const count = machine.filled.value
      next += count
      filled.set(machine.output.subarray(0, length), at)
      at += length
      from = count === machine.maxGaps ? (some[count - 1] as number) : from + window.length
    }
  }

  /** Passes over points of the present kind, as far as the window goes. */
  private passKind(gaps: Places): number {
    const { machine } = this
    if (this.isNearLimit()) this.load()
    const { from } = this
    this.end = from + machine.pass(this.end - from, this.to - from, this.stamped, from)
    const passed = machine.passed.value
    if (!this.stamped) gaps.addAll(machine.gaps.subarray(0, passed))
    return passed
  }

  /** Whether another window would show more. */
  private isNearLimit(): boolean {
    return this.end + REST > this.to && this.to < this.body.length - 1
  }

  private load(): void {
    const { input } = this.machine
    this.from = this.end
    // Without the very last byte, so that the last line is incomplete.
    this.to = Math.min(this.from + input.length, this.body.length - 1)
    input.set(this.body.subarray(this.from, this.to))
  }
}

function instantiate(): Machine | 'missing' {
  try {
    const bytes = Uint8Array.from(atob(WASM), (char) => char.charCodeAt(0))
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes))
    const { buffer } = exports.memory as WebAssembly.Memory
    const number = (name: string) => (exports[name] as WebAssembly.Global).value
    return {
      input: new Uint8Array(buffer, number('INPUT'), number('WINDOW')),
      gaps: new Int32Array(buffer, number('GAPS'), number('WINDOW') / 4),
      maxGaps: number('MAX_GAPS'),
      timestamp: new Uint8Array(buffer, number('TIMESTAMP'), number('MAX_TIMESTAMP')),
      output: new Uint8Array(buffer, number('OUTPUT'), number('OUTPUT_BYTES')),
      passed: exports.passed as WebAssembly.Global,
      filled: exports.filled as WebAssembly.Global,
      pass: exports.pass as Machine['pass'],
      fill: exports.fill as Machine['fill'],
    }
  } catch {
    return 'missing'
  }
}
