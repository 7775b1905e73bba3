/** What must be stopped or removed before the demo ends. */
export class Endings {
  #endings: (() => Promise<void>)[] = []

  add(end: () => Promise<void>): void {
    this.#endings.push(end)
  }

  /** Ends everything, the latest first. A failure does not keep the rest from ending. */
  async now(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) {
      await end().catch((error: Error) => console.error(error.message))
    }
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Resolves with an exit code at the first signal. A second signal ends the program at once. */
export function interruption(): Promise<number> {
  return new Promise((resolve) => {
    for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => resolve(code))
  })
}
