/** The outcome of one attempt to send a batch. */

import type { Answer } from '../influxdb/answer.ts'

export type Outcome = Stored | Refusal | Failure

export interface Stored {
  readonly verdict: 'stored'
  /** To a statement. */
  readonly answer?: Answer | undefined
}

/** The backend will never take the batch, or never in this size. */
export interface Refusal {
  readonly verdict: 'rejected' | 'too-large'
  readonly answer: Answer
}

/** The backend does not take the batch now. */
export interface Failure {
  readonly verdict: 'unready' | 'failed'
  /** For the log: never holds a secret. */
  readonly reason: string
  /** The backend's answer, if there is one that a client may see. */
  readonly answer: Answer | undefined
  /** How long the backend asked not to be sent anything; 0 if it did not. */
  readonly retryAfterMs: number
}

/** A failure without an answer: of the network, or of the relay itself. */
export function failure(reason: string): Failure {
  return { verdict: 'failed', reason, answer: undefined, retryAfterMs: 0 }
}

export function isFailure(outcome: Outcome): outcome is Failure {
  return outcome.verdict === 'failed' || outcome.verdict === 'unready'
}
