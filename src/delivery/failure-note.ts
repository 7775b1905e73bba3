/** What is known of a write whose client was told that it failed. It goes to disk with the write. */

import { lackedPoints, type Shortfall } from '../influxdb/shortfall.ts'

/** A backend's final answer to a write. */
export interface BackendShortfall extends Shortfall {
  readonly backend: string
}

export interface FailureNote {
  /** Whether the client was told not to send the write again. */
  readonly isFinal: boolean
  /** The answers of backends so far. */
  readonly answers: readonly BackendShortfall[]
}

/**
 * The most points that a backend lacks and one of the others has.
 *
 * @param points how many the write has at most
 */
export function divergenceOf(
  one: BackendShortfall,
  all: readonly BackendShortfall[],
  points: number,
): number {
  let most = 0
  for (const other of all) {
    if (other.backend !== one.backend) most = Math.max(most, lackedPoints(one, other, points))
  }
  return most
}

const NEWLINE = 0x0a

/** The body of a record with a note: a line of JSON, and then the body of the write. */
export function withNote(note: FailureNote, body: Uint8Array): Uint8Array {
  const line = new TextEncoder().encode(`${JSON.stringify(note)}\n`)
  const noted = new Uint8Array(line.length + body.length)
  noted.set(line)
  noted.set(body, line.length)
  return noted
}

/** The body of the write in the body of a record with a note. */
export function withoutNote(noted: Uint8Array): Uint8Array {
  return noted.subarray(noted.indexOf(NEWLINE) + 1)
}

export function parseNote(noted: Uint8Array): FailureNote {
  return JSON.parse(new TextDecoder().decode(noted.subarray(0, noted.indexOf(NEWLINE))))
}
