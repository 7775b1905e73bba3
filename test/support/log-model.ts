/**
 * Uses a log at random, remembers what the log has promised, and checks after a crash that it was kept.
 *
 * Of each record it knows one of:
 * - `tried`: append was called: it may come or not;
 * - `failed`: append has rejected: it must not come now, but may after a crash;
 * - `kept`: append has resolved: it must come;
 * - `taken`: advance has resolved: a kill must not bring it back, a power cut may;
 * - `leaving`: advance was called: it may come or not;
 * - `gone`: it must not come.
 */

import { expect } from 'vitest'
import { codeOf } from '../../src/disk/disk.ts'
import type { Damage } from '../../src/segments/damage.ts'
import type { StoredRecord } from '../../src/segments/reader.ts'
import type { SegmentLog } from '../../src/segments/segment-log.ts'
import { FakeDisk, type Random } from './fake-disk.ts'
import { drain, idOf, idsOf, open, record } from './log-fixture.ts'

/** Those that the tests inject. */
const DISK_ERRORS = ['EIO', 'ENOSPC']

type Fate = 'tried' | 'failed' | 'kept' | 'taken' | 'leaving' | 'gone'

export class LogModel {
  readonly damage: Damage[] = []
  private readonly random: Random
  private readonly segmentBytes: number
  private readonly fates = new Map<number, Fate>()
  private log: SegmentLog | undefined
  private calls: Promise<unknown>[] = []

  constructor(random: Random, segmentBytes: number) {
    this.random = random
    this.segmentBytes = segmentBytes
  }

  /** Opens the log, if the disk lets it, and does `steps` things with it. Stops at once if the disk does. */
  async use(disk: FakeDisk, steps: number): Promise<void> {
    const opened = await this.open(disk).catch((error) => {
      if (!DISK_ERRORS.includes(codeOf(error) ?? '')) throw error
    })
    if (!opened) return
    const { log } = opened
    this.log = log
    // Once the disk has stopped, another log may have been opened.
    for (let step = 0; step < steps && this.log === log; step++) await this.step(log)
    await Promise.all(this.calls)
  }

  private open(disk: FakeDisk) {
    return open(disk, {
      segmentBytes: this.segmentBytes,
      onDamage: (one) => this.damage.push(one),
    })
  }

  /** Checks what is left on a disk after a crash, and goes on from there. */
  async check(disk: FakeDisk, crash: 'kill' | 'power cut'): Promise<void> {
    const wasSettled = this.log?.isDurablyEmpty ?? false
    this.log = undefined
    this.calls = []
    const { log } = await this.open(disk)
    // On a copy, since what is behind damage shows only when what is before it has been taken out.
    const copy = await this.open(FakeDisk.of(disk.files()))
    const ids = await drain(copy.log, Number.POSITIVE_INFINITY)
    const story = `${crash}: found ${ids}; ${[...this.fates].map(([id, fate]) => `${id} ${fate}`)}`
    expect(ids, story).toEqual([...new Set(ids)].sort((a, b) => a - b))
    if (wasSettled) expect(ids, `settled; ${story}`).toEqual([])
    for (const [id, fate] of this.fates) {
      const came = ids.includes(id)
      if (fate === 'kept') expect(came, `${id} is lost; ${story}`).toBe(true)
      if (fate === 'gone') expect(came, `${id} is back; ${story}`).toBe(false)
      if (fate === 'taken' && crash === 'kill') expect(came, `${id} again; ${story}`).toBe(false)
      // What comes again comes with everything that was behind it.
      if ((fate === 'taken' || fate === 'leaving') && id > (ids[0] ?? Number.POSITIVE_INFINITY)) {
        expect(came, `${id} is left out; ${story}`).toBe(true)
      }
    }
    for (const id of ids) expect(this.fates.has(id), story).toBe(true)
    for (const [id, fate] of this.fates) this.fates.set(id, fateAfter(fate, ids.includes(id)))
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
    const first = this.fates.size + 1
    const count = 1 + Math.floor(this.random() * 3)
    const added = Array.from({ length: count }, (_, i) =>
      record(first + i, 1 + Math.floor(this.random() * 60)),
    )
    for (const one of added) this.fates.set(idOf(one), 'tried')
    const call = log.append(added).then(
      () => this.setAll(idsOf(added), 'kept', ['tried']),
      () => this.setAll(idsOf(added), 'failed'),
    )
    this.calls.push(call)
  }

  private async deliver(log: SegmentLog): Promise<void> {
    const found = await log.peek(1 + Math.floor(this.random() * 150)).catch(() => [])
    if (found.length === 0) return
    const count = 1 + Math.floor(this.random() * found.length)
    const ids = idsOf(found.slice(0, count))
    for (const id of ids) expect(['kept', 'tried']).toContain(this.fates.get(id))
    this.setAll(ids, 'leaving')
    const done = await succeeds(log.advance(found[count - 1] as StoredRecord))
    if (done) this.setAll(this.idsThat('leaving'), 'taken')
  }

  private async sync(log: SegmentLog): Promise<void> {
    const out = this.idsThat('taken', 'leaving')
    if (!(await succeeds(log.sync()))) return
    this.setAll(out, 'gone')
    if (log.isDurablyEmpty) this.setAll(this.idsThat('failed'), 'gone')
  }

  private async drop(log: SegmentLog): Promise<void> {
    const out = this.idsThat('taken', 'leaving')
    const dropped: number[] = []
    const done = await succeeds(
      log.dropOldest(async (found) => {
        dropped.push(...idsOf(found))
        this.setAll(dropped, 'leaving')
      }),
    )
    if (done) this.setAll(dropped, 'gone')
    if (done && dropped.length > 0) this.setAll(out, 'gone')
  }

  private idsThat(...fates: readonly Fate[]): number[] {
    return [...this.fates].filter(([, fate]) => fates.includes(fate)).map(([id]) => id)
  }

  private setAll(ids: readonly number[], fate: Fate, from?: readonly Fate[]): void {
    for (const id of ids) {
      if (!from || from.includes(this.fates.get(id) as Fate)) this.fates.set(id, fate)
    }
  }
}

/** What opening has made of a record, for good. */
function fateAfter(fate: Fate, came: boolean): Fate {
  if (!came) return 'gone'
  // What a failed sync has dropped may still be read until the power goes.
  return fate === 'tried' || fate === 'failed' ? 'tried' : 'kept'
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch {
    return false
  }
}
