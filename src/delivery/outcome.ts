/** What came of one attempt to give a backend something. */

import type { Answer } from '../influxdb/answer.ts'

export type Outcome = Stored | Refusal | Failure

export interface Stored {
  readonly verdict: 'stored'
}

/** The backend will not take it, ever or in this size. */
export interface Refusal {
  readonly verdict: 'rejected' | 'too-large'
  readonly answer: Answer
}

/** The backend does not take it now. */
export interface Failure {
  readonly verdict: 'unready' | 'failed'
  /** For the log: never holds a secret. */
  readonly reason: string
  /** What the backend said, if it said something that a client may see. */
  readonly answer: Answer | undefined
  /** How long the backend asked to be left alone. */
  readonly retryAfterMs: number
}

/** A failure of the relay's own making, or of the network. */
export function failure(reason: string): Failure {
  return { verdict: 'failed', reason, answer: undefined, retryAfterMs: 0 }
}

export function isFailure(outcome: Outcome): outcome is Failure {
  return outcome.verdict === 'failed' || outcome.verdict === 'unready'
}
