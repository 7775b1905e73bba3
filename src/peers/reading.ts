/** What a server lacks of all that was acknowledged before a query came, by the word of one relay or more. */

export interface Behind {
  /** Bytes of line protocol that the server has yet to take. */
  readonly bytes: number
  /** Points that it will not get, as far as they could be counted: see the gap ledger. */
  readonly points: number
  /** Since when, ms since the Unix epoch; infinite if that is not known. */
  readonly since: number
  /** Peers that may hold more for it than is known. */
  readonly unheard: readonly string[]
}

export const NOTHING: Behind = {
  bytes: 0,
  points: 0,
  since: Number.POSITIVE_INFINITY,
  unheard: [],
}

/** It is looked at again and again while a query waits. */
export interface Reading {
  readonly isComplete: boolean
  /** Whether the server lacks something for which it makes no sense to wait. */
  readonly hasGap: boolean
  readonly behind: Behind
  /** Calls back each time that the reading may have changed, until the returned function is called. */
  onChange(callback: () => void): () => void
}

/** What a server lacks by the word of several relays: it is complete only if each of them says so. */
export class JointReading implements Reading {
  private readonly parts: readonly Reading[]

  constructor(parts: readonly Reading[]) {
    this.parts = parts
  }

  get isComplete(): boolean {
    return this.parts.every(({ isComplete }) => isComplete)
  }

  get hasGap(): boolean {
    return this.parts.some(({ hasGap }) => hasGap)
  }

  get behind(): Behind {
    return this.parts.map(({ behind }) => behind).reduce(sum, NOTHING)
  }

  onChange(callback: () => void): () => void {
    const stops = this.parts.map((part) => part.onChange(callback))
    return () => {
      for (const stop of stops) stop()
    }
  }
}

function sum(a: Behind, b: Behind): Behind {
  return {
    bytes: a.bytes + b.bytes,
    points: a.points + b.points,
    since: Math.min(a.since, b.since),
    unheard: [...a.unheard, ...b.unheard],
  }
}
