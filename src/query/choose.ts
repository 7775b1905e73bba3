/** Chooses the server that answers a query. */

import type { Reading } from '../peers/reading.ts'
import type { Clock } from '../runtime.ts'
import type { ReadServer } from './read-server.ts'
import { weightOf } from './reading.ts'

/**
 * The longest that a query waits for a server to become complete. Under load a healthy server always has
 * something in flight, and applies it in a few milliseconds.
 */
export const MAX_WAIT_MS = 50

export interface Candidate {
  readonly server: ReadServer
  readonly reading: Reading
}

/**
 * A complete server if there is one, else the one that lacks least. A server that may not answer is chosen
 * before one that lacks something: if it is down, the next is asked.
 *
 * @param candidates at least one
 * @param deadline until when to wait for a complete one, by the clock
 */
export async function choose(
  candidates: readonly Candidate[],
  deadline: number,
  clock: Clock,
): Promise<Candidate> {
  const sound = candidates.filter(({ server }) => !server.isSuspect)
  const preferred = sound.length > 0 ? sound : candidates
  const ready = inTurn(preferred.filter(isComplete))
  if (ready) return ready
  const waiting = preferred.filter(({ reading }) => !reading.hasGap)
  if (waiting.length > 0) await anyComplete(waiting, deadline - clock.now(), clock)
  return (
    inTurn(waiting.filter(isComplete)) ??
    inTurn(candidates.filter(isComplete)) ??
    leastBehind(candidates)
  )
}

/** Resolves once one of some servers is complete, or none can become so, or after a while. */
export function anyComplete(
  candidates: readonly Pick<Candidate, 'reading'>[],
  timeoutMs: number,
  clock: Clock,
): Promise<void> {
  const isOver = () => candidates.some(isComplete) || candidates.every(hasGap)
  if (timeoutMs <= 0 || isOver()) return Promise.resolve()
  return new Promise((resolve) => {
    const stops: (() => void)[] = []
    const end = () => {
      for (const stop of stops) stop()
      resolve()
    }
    for (const { reading } of candidates) {
      stops.push(reading.onChange(() => isOver() && end()))
    }
    stops.push(clock.after(timeoutMs, end))
  })
}

const isComplete = ({ reading }: Pick<Candidate, 'reading'>) => reading.isComplete
const hasGap = ({ reading }: Pick<Candidate, 'reading'>) => reading.hasGap

/** Takes turns by weight: every server gains its weight, and the one with most credit pays for all. */
function inTurn(candidates: readonly Candidate[]): Candidate | undefined {
  const weighted = candidates.filter(({ server }) => server.backend.options.weight > 0)
  if (weighted.length === 0) return candidates[0]
  let total = 0
  let best = weighted[0] as Candidate
  for (const candidate of weighted) {
    const { server } = candidate
    const { weight } = server.backend.options
    total += weight
    server.credit += weight
    if (server.credit > best.server.credit) best = candidate
  }
  best.server.credit -= total
  return best
}

/** Of servers that lack the same, one that probably answers. */
function leastBehind(candidates: readonly Candidate[]): Candidate {
  const [first] = candidates
    .map((candidate) => ({ candidate, lacks: weightOf(candidate.reading.behind) }))
    .sort(
      (a, b) =>
        a.lacks - b.lacks ||
        Number(a.candidate.server.isSuspect) - Number(b.candidate.server.isSuspect),
    )
  return (first as { candidate: Candidate }).candidate
}
