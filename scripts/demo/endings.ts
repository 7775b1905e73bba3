/** What has to be ended or removed before the demo itself may end. */
export class Endings {
  #endings: (() => Promise<void>)[] = []

  add(end: () => Promise<void>): void {
    this.#endings.push(end)
  }

  /** Ends everything, the latest first. What fails to end must not keep the rest from ending. */
  async now(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) {
      await end().catch((error: Error) => console.error(error.message))
    }
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Resolves with an exit code when somebody wants the program to end. A second signal ends it at once. */
export function interruption(): Promise<number> {
  return new Promise((resolve) => {
    for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => resolve(code))
  })
}
