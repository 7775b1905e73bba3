/** What becomes of a write that is delivered from disk and that no request in this process waits for. */

import type { Answer } from '../influxdb/answer.ts'
import { NOTHING_MISSING, type Shortfall, shortfallOf } from '../influxdb/shortfall.ts'
import { maxPoints } from '../influxdb/write.ts'
import { divergenceOf, type FailureNote } from './failure-note.ts'
import type { QueuedWrite, WriteTracker } from './queued-write.ts'

/**
 * A write that counts as acknowledged: its client has its 204, or had no answer when the write was put on
 * disk.
 */
export const ACKNOWLEDGED: WriteTracker = {
  ownership: 'relay',
  isOpen: false,
  note: undefined,
  stored: () => undefined,
  rejected: ({ write, lane }, answer) => lane.losses.rejected(write, answer),
  recordLoss: ({ write, lane }, reason) => lane.losses.lost(write, reason),
  deferred() {},
  dropped() {},
  spilled() {},
  spillFailed() {},
  doneReading({ write }) {
    write.recycle?.(write.points.bytes)
  },
}

/** A write whose client was told that it failed. Only a difference between backends is a loss. */
export class FailedWrite implements WriteTracker {
  readonly ownership = 'relay'
  readonly isOpen = false
  readonly note: FailureNote

  constructor(note: FailureNote) {
    this.note = note
  }

  stored(write: QueuedWrite): Promise<void> {
    return this.record(write, NOTHING_MISSING).catch(() => {})
  }

  rejected(write: QueuedWrite, answer: Answer): Promise<void> {
    return this.record(write, shortfallOf(answer, maxPoints(write.write)))
  }

  async recordLoss(write: QueuedWrite, reason: string): Promise<void> {
    if (!this.note.isFinal) return
    await this.record(write, { points: maxPoints(write.write), cause: reason })
  }

  /** Enters what this answer shows to be missing, here and at the backends that answered before. */
  private async record({ write, lane }: QueuedWrite, shortfall: Shortfall): Promise<void> {
    const { answers } = this.note
    const count = maxPoints(write)
    const { losses } = lane
    const own = { ...shortfall, backend: losses.backend }
    for (const one of [own, ...answers]) {
      const before = one === own ? 0 : divergenceOf(one, answers, count)
      const lacked = divergenceOf(one, [own, ...answers], count) - before
      if (lacked > 0) await losses.diverged(write, lacked, one)
    }
  }

  deferred(): void {}
  dropped(): void {}
  spilled(): void {}
  spillFailed(): void {}
  /** The bytes are needed after the backend has stored them, to read their times. */
  doneReading(): void {}
}
