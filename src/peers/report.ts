/** What one relay says to another about the servers behind both: JSON. */

import * as v from 'valibot'
import type { Behind } from './reading.ts'

/** What a server lacks by the word of the relay that reports. */
export interface OutputReport extends Pick<Behind, 'bytes' | 'points' | 'since'> {
  /** The name of the output, which is the same in the configurations of all relays. */
  readonly output: string
  readonly isComplete: boolean
  /** Whether it makes no sense to wait for the server. */
  readonly hasGap: boolean
}

export interface Report {
  /** Tells a relay from all others, and from itself before a restart. */
  readonly relay: string
  readonly outputs: readonly OutputReport[]
}

const amount = v.pipe(v.number(), v.finite(), v.minValue(0))

const reportSchema = v.object({
  relay: v.pipe(v.string(), v.maxLength(100)),
  outputs: v.pipe(
    v.array(
      v.object({
        output: v.string(),
        complete: v.boolean(),
        gap: v.boolean(),
        bytes: amount,
        points: amount,
        since: v.nullable(v.pipe(v.number(), v.finite())),
      }),
    ),
    v.maxLength(1000),
  ),
})

export function formatReport({ relay, outputs }: Report): unknown {
  return {
    relay,
    outputs: outputs.map(({ output, isComplete, hasGap, bytes, points, since }) => ({
      ...{ output, complete: isComplete, gap: hasGap, bytes, points },
      since: Number.isFinite(since) ? since : null,
    })),
  }
}

/** @throws an error that says what is wrong */
export function parseReport(json: string): Report {
  const { relay, outputs } = v.parse(reportSchema, JSON.parse(json))
  return {
    relay,
    outputs: outputs.map(({ complete, gap, since, ...rest }) => ({
      ...rest,
      isComplete: complete,
      hasGap: gap,
      since: since ?? Number.POSITIVE_INFINITY,
    })),
  }
}
