/** Shows the demo's progress: a table that is updated in place, or lines for a file. */

import type { Phase, Progress } from './progress.ts'
import { colored, heading, line, plain, table } from './table.ts'

export interface Screen {
  readonly closed: boolean
  show(): void
  /** Shows the end, and restores the terminal. */
  close(): void
}

/** The table needs a terminal that is large enough and can move its cursor. */
export function createScreen(progress: Progress): Screen {
  const { isTTY, columns = 0, rows = 0 } = process.stdout
  const fits = isTTY && columns >= 80 && rows >= 20 && process.env.TERM !== 'dumb'
  return fits ? new Table(progress) : new Lines(progress)
}

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
/** Cuts lines off in a window that has become narrower, so that none takes two rows. */
const NO_WRAP = '\x1b[?7l'
const WRAP = '\x1b[?7h'
const CLEAR_TO_END = '\x1b[K'
const up = (lines: number) => (lines > 0 ? `\r\x1b[${lines}A` : '')

/** Overwrites the table in one write, without clearing it first, so that it does not flicker. */
class Table implements Screen {
  readonly #progress: Progress
  readonly #paint = process.env.NO_COLOR ? plain : colored
  #height = 0
  closed = false

  constructor(progress: Progress) {
    this.#progress = progress
    process.stdout.write(HIDE_CURSOR)
  }

  show(): void {
    const lines = table(this.#progress, this.#paint)
    const text = lines.map((line) => `${line}${CLEAR_TO_END}\n`).join('')
    process.stdout.write(up(this.#height) + NO_WRAP + text + WRAP)
    this.#height = lines.length
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.show()
    process.stdout.write(SHOW_CURSOR)
  }
}

/** Prints each phase as it begins and ends, and a line a second. */
class Lines implements Screen {
  readonly #progress: Progress
  readonly #announced = new Set<Phase>()
  readonly #remarked = new Set<Phase>()
  #lastSecond = -1
  closed = false

  constructor(progress: Progress) {
    this.#progress = progress
  }

  show(): void {
    for (const phase of this.#progress.phases) this.#announce(phase)
    const second = Math.floor(this.#progress.seconds)
    if (second === this.#lastSecond) return
    this.#lastSecond = second
    console.log(line(this.#progress))
  }

  #announce(phase: Phase): void {
    const { title, began, remark } = phase
    if (began !== undefined && !this.#announced.has(phase)) {
      if (this.#announced.size > 0) console.log()
      this.#announced.add(phase)
      console.log(`${title}\n${heading(this.#progress)}`)
    }
    if (remark !== undefined && !this.#remarked.has(phase)) {
      this.#remarked.add(phase)
      console.log(`  ${remark}`)
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.#lastSecond = -1
    this.show()
  }
}
