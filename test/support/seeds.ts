/** The seeds of a test: all of them in `vitest run`, one in ten in `vitest run --mode quick`. */

import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** A number from 0 to 1, from vitest.config.ts. */
    readonly shareOfSeeds: number
  }
}

/** The seeds from 1 to `count`; in quick mode the first tenth of them. */
export function seeds(count: number): number[] {
  const length = Math.ceil(count * inject('shareOfSeeds'))
  return Array.from({ length }, (_, i) => i + 1)
}
