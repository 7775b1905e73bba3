/**
 * Uses a log at random, and checks after a crash that the log has kept its promises.
 *
 * The state of each record:
 * - `appending`: append was called: the record may be there or not;
 * - `failed`: append has rejected: the record must not be there, but may be after a crash;
 * - `appended`: append has resolved: the record must be there;
 * - `removing`: advance was called: the record may be there or not;
 * - `removed`: advance has resolved: a kill must not bring the record back, a power cut may;
 * - `gone`: the record must not be there.
 */

import { expect } from 'vitest'
import { codeOf } from '../../src/disk/disk.ts'
import type { Damage } from '../../src/segments/damage.ts'
import type { StoredRecord } from '../../src/segments/reader.ts'
import type { SegmentLog } from '../../src/segments/segment-log.ts'
import { FakeDisk, type Random } from './fake-disk.ts'
import { drain, idOf, idsOf, open, record } from './log-fixture.ts'

/** The errors that the tests inject. */
const DISK_ERRORS = ['EIO', 'ENOSPC']

type State = 'appending' | 'failed' | 'appended' | 'removing' | 'removed' | 'gone'

export class LogModel {
  readonly damage: Damage[] = []
  private readonly random: Random
  private readonly segmentBytes: number
  private readonly states = new Map<number, State>()
  private log: SegmentLog | undefined
  private calls: Promise<unknown>[] = []

  constructor(random: Random, segmentBytes: number) {
    this.random = random
    this.segmentBytes = segmentBytes
  }

  /** Opens the log, unless the disk fails, and makes `steps` calls. Stops if the disk stops. */
  async use(disk: FakeDisk, steps: number): Promise<void> {
    const opened = await this.open(disk).catch((error) => {
      if (!DISK_ERRORS.includes(codeOf(error) ?? '')) throw error
    })
    if (!opened) return
    const { log } = opened
    this.log = log
    // After the disk has stopped, another log may have been opened.
    for (let step = 0; step < steps && this.log === log; step++) await this.step(log)
    await Promise.all(this.calls)
  }

  private open(disk: FakeDisk) {
    return open(disk, {
      segmentBytes: this.segmentBytes,
      onDamage: (one) => this.damage.push(one),
    })
  }

  /** Checks what is on the disk after a crash. The next `use` starts from there. */
  async check(disk: FakeDisk, crash: 'kill' | 'power cut'): Promise<void> {
    const wasDurablyEmpty = this.log?.isDurablyEmpty ?? false
    this.log = undefined
    this.calls = []
    const { log } = await this.open(disk)
    // On a copy, because records after damage are returned only once those before it are removed.
    const copy = await this.open(FakeDisk.of(disk.files()))
    const ids = await drain(copy.log, Number.POSITIVE_INFINITY)
    const story = `${crash}: found ${ids}; ${[...this.states].map(([id, state]) => `${id} ${state}`)}`
    expect(ids, story).toEqual([...new Set(ids)].sort((a, b) => a - b))
    if (wasDurablyEmpty) expect(ids, `durably empty; ${story}`).toEqual([])
    const broken = [...this.states].flatMap(([id, state]) => {
      const came = ids.includes(id)
      const isOut = state === 'removed' || state === 'removing'
      if (state === 'appended' && !came) return [`${id} is lost`]
      if (state === 'gone' && came) return [`${id} is back`]
      if (state === 'removed' && came && crash === 'kill') return [`${id} came again`]
      // A record that comes back comes with all that follow it.
      if (isOut && !came && id > (ids[0] ?? Number.POSITIVE_INFINITY)) return [`${id} is left out`]
      return []
    })
    expect(broken, story).toEqual([])
    expect(
      ids.filter((id) => !this.states.has(id)),
      story,
    ).toEqual([])
    for (const [id, state] of this.states) this.states.set(id, stateAfter(state, ids.includes(id)))
    await log.close()
  }

  private async step(log: SegmentLog): Promise<void> {
    const dice = this.random()
    if (dice < 0.4) this.append(log)
    else if (dice < 0.5) await Promise.all(this.calls)
    else if (dice < 0.8) await this.deliver(log)
    else if (dice < 0.93) await this.sync(log)
    else await this.drop(log)
  }

  private append(log: SegmentLog): void {
    const first = this.states.size + 1
    const count = 1 + Math.floor(this.random() * 3)
    const added = Array.from({ length: count }, (_, i) =>
      record(first + i, 1 + Math.floor(this.random() * 60)),
    )
    for (const one of added) this.states.set(idOf(one), 'appending')
    const call = log.append(added).then(
      () => this.setAll(idsOf(added), 'appended', ['appending']),
      () => this.setAll(idsOf(added), 'failed'),
    )
    this.calls.push(call)
  }

  private async deliver(log: SegmentLog): Promise<void> {
    const found = await log.peek(1 + Math.floor(this.random() * 150)).catch(() => [])
    if (found.length === 0) return
    const count = 1 + Math.floor(this.random() * found.length)
    const ids = idsOf(found.slice(0, count))
    for (const id of ids) expect(['appended', 'appending']).toContain(this.states.get(id))
    this.setAll(ids, 'removing')
    const done = await succeeds(log.advance(found[count - 1] as StoredRecord))
    if (done) this.setAll(this.idsIn('removing'), 'removed')
  }

  private async sync(log: SegmentLog): Promise<void> {
    const out = this.idsIn('removed', 'removing')
    if (!(await succeeds(log.sync()))) return
    this.setAll(out, 'gone')
    if (log.isDurablyEmpty) this.setAll(this.idsIn('failed'), 'gone')
  }

  private async drop(log: SegmentLog): Promise<void> {
    const out = this.idsIn('removed', 'removing')
    const dropped: number[] = []
    const done = await succeeds(
      log.dropOldest(async (found) => {
        dropped.push(...idsOf(found))
        this.setAll(dropped, 'removing')
      }),
    )
    if (done) this.setAll(dropped, 'gone')
    if (done && dropped.length > 0) this.setAll(out, 'gone')
  }

  private idsIn(...states: readonly State[]): number[] {
    return [...this.states].filter(([, state]) => states.includes(state)).map(([id]) => id)
  }

  private setAll(ids: readonly number[], state: State, from?: readonly State[]): void {
    for (const id of ids) {
      if (!from || from.includes(this.states.get(id) as State)) this.states.set(id, state)
    }
  }
}

/** The state of a record once the log has been opened: what was found then is durable. */
function stateAfter(state: State, came: boolean): State {
  if (!came) return 'gone'
  // Bytes that a failed sync has dropped can be read until a power cut.
  return state === 'appending' || state === 'failed' ? 'appending' : 'appended'
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch {
    return false
  }
}
