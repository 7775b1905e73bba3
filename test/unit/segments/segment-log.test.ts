import { describe, expect, test } from 'vitest'
import type { StoredRecord } from '../../../src/segments/reader.ts'
import type { RecordEnd } from '../../../src/segments/segment-index.ts'
import { FakeDisk, type Operation } from '../../support/fake-disk.ts'
import {
  contentsOf,
  drain,
  idsOf,
  lastOf,
  open,
  range,
  record,
  records,
} from '../../support/log-fixture.ts'
import { PoisoningPool } from '../../support/poisoning-pool.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const segmentsOn = (disk: FakeDisk) =>
  [...disk.files().keys()].filter((path) => path.endsWith('.segment') && !path.includes('damaged'))

/** Holds up operations of one kind until `release`. */
function hold(disk: FakeDisk, kind: Operation['kind']) {
  const waiting: (() => void)[] = []
  disk.before = (operation) =>
    operation.kind === kind
      ? new Promise<void>((resolve) => waiting.push(resolve))
      : Promise.resolve()
  return {
    waiting,
    release() {
      disk.before = () => {}
      for (const resolve of waiting.splice(0)) resolve()
    },
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined
}

describe('append and peek', () => {
  test('peek returns what was appended, in order', async () => {
    const { log } = await open(new FakeDisk())
    await log.append(records(1, 3))
    await log.append([record(4)])
    expect(await contentsOf(log)).toEqual([1, 2, 3, 4])
    const [first] = await log.peek(1)
    expect(first).toMatchObject(record(1))
  })

  test('records keep the order of overlapping calls', async () => {
    const { log } = await open(new FakeDisk(), { segmentBytes: 200 })
    const calls = range(1, 40).map((id) => log.append([record(id)]))
    await Promise.all(calls)
    expect(await contentsOf(log)).toEqual(range(1, 40))
  })

  test('append resolves with the number of its last record, also when calls share a sync', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    const calls = [records(1, 3), [], [record(4)], records(5, 6)].map((some) => log.append(some))
    const ends = await Promise.all(calls)
    expect(ends.map(({ sequence }) => sequence)).toEqual([3, 0, 4, 6])
    const numbers = (await log.peek(1000)).map(({ sequence }) => sequence)
    expect(numbers).toEqual(range(1, 6))
    disk.fail({ code: 'EIO', kinds: ['sync'] })
    await expect(log.append([record(7)])).rejects.toThrow('EIO')
    expect(await log.append([record(8)])).toMatchObject({ sequence: 7 })
  })

  test('append resolves with the end of its last record, also when calls share a sync', async () => {
    const { log } = await open(new FakeDisk())
    await log.append([record(1)])
    const calls = [records(2, 4), [record(5)]].map((some) => log.append(some))
    const ends = [...(await Promise.all(calls)), await log.append([])]
    const found = await log.peek(1000)
    const expected = [3, 4, 4].map((i) => found[i] as StoredRecord)
    expect(ends).toEqual(expected.map(({ sequence, next }) => ({ sequence, next })))
  })

  test('records outlast a restart, and others follow them', async () => {
    const disk = new FakeDisk()
    const first = await open(disk, { segmentBytes: 150 })
    await first.log.append(records(1, 10))
    const second = await open(disk.kill(), { segmentBytes: 150 })
    await second.log.append(records(11, 12))
    expect(await contentsOf(second.log)).toEqual(range(1, 12))
    expect([...first.damage, ...second.damage]).toEqual([])
  })

  test('append of no records writes nothing', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([])
    expect(await log.peek(100)).toEqual([])
    expect(segmentsOn(disk)).toEqual([])
    expect(log).toMatchObject({ bytes: 0, isEmpty: true })
  })

  test('append rejects a query that is too long, and stores nothing', async () => {
    const { log } = await open(new FakeDisk())
    const long = { ...record(1), query: 'q'.repeat(2 ** 24) }
    await expect(log.append([record(2), long])).rejects.toThrow(RangeError)
    await log.append([record(3)])
    expect(await contentsOf(log)).toEqual([3])
  })

  test('peek removes nothing', async () => {
    const { log } = await open(new FakeDisk())
    await log.append(records(1, 3))
    expect(await contentsOf(log)).toEqual([1, 2, 3])
    expect(await contentsOf(log)).toEqual([1, 2, 3])
  })

  test.each([
    [1, [1]],
    [19, [1]],
    [20, [1, 2]],
    [39, [1, 2, 3]],
    [1000, [1, 2, 3, 4, 5]],
  ])('peek(%i) returns records %j of 10 bytes each', async (maxBytes, ids) => {
    const { log } = await open(new FakeDisk(), { segmentBytes: 120 })
    for (const one of records(1, 5)) await log.append([one])
    expect(idsOf(await log.peek(maxBytes))).toEqual(ids)
  })

  test('peek bounds the number of records without a body', async () => {
    const { log } = await open(new FakeDisk())
    const empty = { kind: 0, acceptedAt: 1, query: 'q'.repeat(1000), body: new Uint8Array(0) }
    await log.append(Array.from({ length: 3000 }, () => empty))
    expect((await log.peek(10)).length).toBeLessThan(1100)
  })

  test('peek does not return what is not synced', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    const { release } = hold(disk, 'sync')
    const call = log.append([record(2)])
    await settle()
    expect(await contentsOf(log)).toEqual([1])
    release()
    await call
    expect(await contentsOf(log)).toEqual([1, 2])
  })

  test('peek of a growing log returns consecutive records', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 100 })
    await log.append([record(1)])
    const reading = hold(disk, 'read')
    const peeked = log.peek(1000)
    await settle()
    for (const id of range(2, 9)) await log.append([record(id)])
    reading.release()
    const ids = idsOf(await peeked)
    expect(ids).toEqual(range(1, ids.length))
    expect(await contentsOf(log)).toEqual(range(1, 9))
  })
})

describe('group commit', () => {
  test('syncs once for calls of one turn', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    const before = disk.counts.get('sync') ?? 0
    await Promise.all(range(1, 64).map((id) => log.append([record(id)])))
    expect(disk.counts.get('sync')).toBe(before + 1)
  })

  test('syncs once for all calls that come during a sync', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    const before = disk.counts.get('sync') ?? 0
    const { release } = hold(disk, 'sync')
    const first = log.append([record(2)])
    await settle()
    const rest = range(3, 50).map((id) => log.append([record(id)]))
    await settle()
    release()
    await Promise.all([first, ...rest])
    expect(disk.counts.get('sync')).toBe(before + 2)
    expect(await contentsOf(log)).toEqual(range(1, 50))
  })

  test('resolves no call before the file and its folder are synced', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    for (const kind of ['sync', 'syncFolder'] as const) {
      const { release, waiting } = hold(disk, kind)
      let resolved = false
      const call = log.append([record(1)]).then(() => {
        resolved = true
      })
      await settle()
      expect([waiting.length, resolved]).toEqual([1, false])
      release()
      await call
      await log.dropOldest(async () => {})
    }
  })
})

describe('segments', () => {
  test('are closed when they are full, and removed when they are drained', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 110 })
    for (const id of range(1, 6)) await log.append([record(id)])
    expect(segmentsOn(disk)).toEqual([
      'log/0000000000000001.segment',
      'log/0000000000000003.segment',
      'log/0000000000000005.segment',
    ])
    await log.advance((await log.peek(25))[1] as StoredRecord)
    expect(segmentsOn(disk)).toHaveLength(2)
    await log.advance(lastOf(await log.peek(20)))
    expect(segmentsOn(disk)).toHaveLength(1)
    expect(await contentsOf(log)).toEqual([5, 6])
  })

  test('hold a call that is larger than their size', async () => {
    const { log } = await open(new FakeDisk(), { segmentBytes: 110 })
    await log.append(records(1, 20))
    await log.append([record(21)])
    expect(await drain(log)).toEqual(range(1, 21))
  })

  test('are neither read whole to open the log nor held whole in memory to drain it', async () => {
    const disk = new FakeDisk()
    const mebibyte = 1024 * 1024
    const { log } = await open(disk, { segmentBytes: mebibyte })
    for (const id of range(1, 800)) await log.append([record(id, 64 * 1024)])
    expect(log.bytes).toBeGreaterThan(50 * mebibyte)

    const next = disk.kill()
    const again = await open(next, { segmentBytes: mebibyte })
    expect(next.bytesRead).toBeLessThan(2 * mebibyte)
    expect(again.log.bytes).toBe(log.bytes)
    let largest = 0
    next.before = ({ bytes }) => {
      largest = Math.max(largest, bytes)
    }
    expect(await drain(again.log, 300_000)).toEqual(range(1, 800))
    expect(largest).toBeLessThan(mebibyte)
    expect(next.bytesRead).toBeLessThan(2 * log.bytes)
    expect(again.log.isEmpty).toBe(true)
  })
})

describe('large records', () => {
  test('are read about once, also those that do not fit', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    for (const id of range(1, 60)) await log.append([record(id, 300_000)])
    const { bytesRead } = disk
    expect(await drain(log, 500_000)).toEqual(range(1, 60))
    expect(disk.bytesRead - bytesRead).toBeLessThan(1.2 * 60 * 300_000)
  })

  test('can be removed without being read', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 600_000 })
    const ends = await Promise.all(range(1, 8).map((id) => log.append([record(id, 250_000)])))
    const { bytesRead } = disk
    for (const id of [1, 4, 6]) await log.advance(ends[id - 1] as RecordEnd)
    expect(disk.bytesRead).toBe(bytesRead)
    expect(await contentsOf(log)).toEqual([7, 8])
    await log.advance(ends[7] as RecordEnd)
    expect(log.isEmpty).toBe(true)
    expect(segmentsOn(disk)).toHaveLength(1)
  })

  test('are read into memory that may be given back', async () => {
    const buffers = new PoisoningPool()
    const { log } = await open(new FakeDisk(), { buffers })
    for (const id of range(1, 20)) await log.append([record(id, 100_000)])
    for (const id of [1, 4, 7]) {
      const found = await log.peek(300_000)
      expect(idsOf(found)).toEqual(range(id, id + 2))
      await log.advance(lastOf(found))
      // The next records are read before this memory is given back.
      const next = await log.peek(300_000)
      for (const { body } of found) buffers.give(body)
      expect(idsOf(next)).toEqual(range(id + 3, id + 5))
    }
  })
})

describe('bytes', () => {
  test('is the size of the undelivered records', async () => {
    const { log } = await open(new FakeDisk(), { segmentBytes: 110 })
    await log.append(records(1, 1))
    const one = log.bytes
    await log.append(records(2, 4))
    expect(log.bytes).toBe(4 * one)
    for (const id of [1, 2, 3]) {
      await log.advance((await log.peek(1))[0] as StoredRecord)
      expect(log.bytes).toBe((4 - id) * one)
    }
    await log.advance((await log.peek(1))[0] as StoredRecord)
    expect(log).toMatchObject({ bytes: 0, isEmpty: true })
    await log.append([record(9)])
    expect(log).toMatchObject({ bytes: one, isEmpty: false })
  })

  test('is the same after a restart', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 110 })
    for (const one of records(1, 7)) await log.append([one])
    await log.advance((await log.peek(1000))[3] as StoredRecord)
    const again = await open(disk.kill())
    expect(again.log.bytes).toBe(log.bytes)
    expect(await contentsOf(again.log)).toEqual([5, 6, 7])
  })
})

describe('a kill', () => {
  test('between write and sync leaves a log that a power cut does not damage', async () => {
    for (const seed of range(1, 30)) {
      const disk = new FakeDisk()
      const { log } = await open(disk)
      await log.append([record(1)])
      hold(disk, 'sync')
      void log.append([record(2)])
      await settle()
      const next = disk.kill()
      await (await open(next)).log.append([record(3)])
      const again = await open(next.crash(seededRandom(seed)))
      expect(await contentsOf(again.log)).toEqual([1, 2, 3])
      expect(again.damage).toEqual([])
    }
  })

  test('before a drained segment is removed leaves the removal to the next process', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 110 })
    for (const id of range(1, 4)) await log.append([record(id)])
    hold(disk, 'remove')
    void log.advance((await log.peek(1000))[2] as StoredRecord)
    await settle()
    const next = disk.kill()
    expect(segmentsOn(next)).toHaveLength(2)
    const again = await open(next)
    expect(await contentsOf(again.log)).toEqual([4])
    await again.log.sync()
    expect(segmentsOn(next)).toHaveLength(1)
  })
})

describe('advance', () => {
  test('removes all records up to one, and nothing at a second call', async () => {
    const { log } = await open(new FakeDisk())
    await log.append(records(1, 5))
    const found = await log.peek(1000)
    await log.advance(found[2] as StoredRecord)
    await log.advance(found[2] as StoredRecord)
    await log.advance(found[0] as StoredRecord)
    expect(await contentsOf(log)).toEqual([4, 5])
  })

  test('is not undone by a kill', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append(records(1, 5))
    await log.advance((await log.peek(1000))[2] as StoredRecord)
    expect(await contentsOf((await open(disk.kill())).log)).toEqual([4, 5])
  })

  test('may be undone by a power cut, unless sync was called', async () => {
    const left = new Set<string>()
    for (const seed of range(1, 50)) {
      const disk = new FakeDisk()
      const { log } = await open(disk)
      await log.append(records(1, 5))
      await log.advance((await log.peek(1000))[0] as StoredRecord)
      await log.sync()
      await log.advance((await log.peek(1000))[1] as StoredRecord)
      left.add(String(await contentsOf((await open(disk.crash(seededRandom(seed)))).log)))
    }
    expect([...left].sort()).toEqual(['2,3,4,5', '4,5'])
  })

  test('is not undone, once synced, by a power cut while the log is opened', async () => {
    for (const [nth, seed] of range(1, 12).flatMap((one) =>
      range(1, 30).map((two) => [one, two]),
    )) {
      const random = seededRandom(seed as number)
      const disk = new FakeDisk()
      const { log } = await open(disk)
      await log.append(records(1, 9))
      const synced = 1 + Math.floor(random() * 4)
      for (let round = 0; round < synced; round++) {
        await log.advance((await log.peek(1))[0] as StoredRecord)
        await log.sync()
      }
      await log.advance((await log.peek(1))[0] as StoredRecord)
      const next = disk.kill()
      await Promise.race([next.stopAt(nth as number, random), open(next)])
      const ids = await contentsOf((await open(next.crash(random))).log)
      expect([range(synced + 1, 9), range(synced + 2, 9)]).toContainEqual(ids)
    }
  })

  test('removes records even if the disk refuses the position', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 110 })
    await log.append(records(1, 4))
    await log.append([record(5)])
    disk.fail({ code: 'EIO', kinds: ['write'], path: 'head' })
    const found = await log.peek(1000)
    await expect(log.advance(lastOf(found))).rejects.toThrow('EIO')
    expect(log.isEmpty).toBe(true)
    expect(segmentsOn(disk)).toHaveLength(2)
    await log.append([record(6)])
    await log.advance((await log.peek(1000))[0] as StoredRecord)
    expect(segmentsOn(disk)).toHaveLength(1)
  })
})

describe('isDurablyEmpty', () => {
  test('is true at first, and again after a sync of an empty log', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    expect(log.isDurablyEmpty).toBe(true)
    const call = log.append([record(1)])
    expect(log.isDurablyEmpty).toBe(false)
    await call
    await log.sync()
    expect(log.isDurablyEmpty).toBe(false)
    await drain(log)
    expect(log.isDurablyEmpty).toBe(false)
    await log.sync()
    expect(log.isDurablyEmpty).toBe(true)
    expect(segmentsOn(disk)).toEqual([])
    await log.append([record(2)])
    expect(await drain(log)).toEqual([2])
  })

  test('is true once such a log is opened after a crash', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 110 })
    for (const one of records(1, 7)) await log.append([one])
    await drain(log)
    await log.sync()
    for (const seed of range(1, 20)) {
      const again = await open(disk.crash(seededRandom(seed)))
      expect(again.log.isDurablyEmpty).toBe(true)
      await again.log.append([record(8)])
      expect(await contentsOf(again.log)).toEqual([8])
    }
  })

  test('is false of a drained log that a kill has left, whose head may still be lost', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    await drain(log)
    const next = disk.kill()
    const again = await open(next)
    expect(again.log).toMatchObject({ isEmpty: true, isDurablyEmpty: false })
    await again.log.sync()
    expect(again.log.isDurablyEmpty).toBe(true)
    expect(segmentsOn(next)).toEqual([])
  })

  /** A log that has been drained and is held up in its sync. */
  const openHeldUp = async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    await drain(log)
    const { release } = hold(disk, 'syncFolder')
    const synced = log.sync()
    await settle()
    return { disk, log, synced, release }
  }

  test('stays false if records come during the sync', async () => {
    const { log, synced, release } = await openHeldUp()
    const call = log.append([record(2)])
    await settle()
    release()
    await Promise.all([synced, call])
    expect(log.isDurablyEmpty).toBe(false)
    expect(await contentsOf(log)).toEqual([2])
  })

  test('leaves no file open', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    await drain(log)
    await log.sync()
    expect(disk.openFiles).toBe(0)
  })

  test('stays false if an append fails during the sync', async () => {
    const { disk, log, synced, release } = await openHeldUp()
    disk.fail({ code: 'EIO', kinds: ['write', 'truncate'], times: 2 })
    await expect(log.append([record(2)])).rejects.toThrow('EIO')
    release()
    await synced
    expect(log.isDurablyEmpty).toBe(false)
  })

  test('is true of what a killed sync has left, also after a power cut', async () => {
    for (const seed of range(1, 20)) {
      const disk = new FakeDisk()
      const { log } = await open(disk)
      disk.fail({ code: 'EIO', kinds: ['syncFolder', 'truncate'], times: 2 })
      await expect(log.append([record(1)])).rejects.toThrow('EIO')
      hold(disk, 'syncFolder')
      void log.sync()
      await settle()
      const next = disk.kill()
      expect((await open(next)).log.isDurablyEmpty).toBe(true)
      expect(await contentsOf((await open(next.crash(seededRandom(seed)))).log)).toEqual([])
    }
  })

  test('is false after a failed append until sync has removed what it left', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    // The record is written to the file, and the disk refuses to remove it.
    disk.fail({ code: 'EIO', kinds: ['syncFolder', 'remove', 'truncate'], times: 4 })
    await expect(log.append([record(1)])).rejects.toThrow('EIO')
    expect(log.isDurablyEmpty).toBe(false)
    expect(await contentsOf((await open(FakeDisk.of(disk.files()))).log)).toEqual([1])
    disk.heal()
    await log.sync()
    expect(log.isDurablyEmpty).toBe(true)
    for (const seed of range(1, 20)) {
      const again = await open(disk.crash(seededRandom(seed)))
      expect(await contentsOf(again.log)).toEqual([])
    }
  })
})

describe('dropOldest', () => {
  test('passes on the undelivered records of the oldest segment, then removes it', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 170 })
    for (const id of range(1, 7)) await log.append([record(id)])
    await log.advance((await log.peek(1))[0] as StoredRecord)
    const dropped: number[] = []
    await log.dropOldest(async (found) => {
      expect(segmentsOn(disk)).toHaveLength(3)
      dropped.push(...idsOf(found))
    })
    expect(dropped).toEqual([2, 3])
    expect(segmentsOn(disk)).toHaveLength(2)
    for (const seed of range(1, 20)) {
      expect(await contentsOf((await open(disk.crash(seededRandom(seed)))).log)).toEqual([
        4, 5, 6, 7,
      ])
    }
  })

  test('drops nothing if the callback rejects', async () => {
    const { log } = await open(new FakeDisk())
    await log.append(records(1, 3))
    const refuse = () => Promise.reject(new Error('ledger is full'))
    await expect(log.dropOldest(refuse)).rejects.toThrow('ledger is full')
    expect(await contentsOf(log)).toEqual([1, 2, 3])
  })

  test('drops the segment that is being written, with the records being appended', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([record(1)])
    const { release } = hold(disk, 'sync')
    const call = log.append([record(2)])
    await settle()
    const dropped: number[] = []
    const drop = log.dropOldest(async (found) => {
      dropped.push(...idsOf(found))
    })
    const later = log.append([record(3)])
    await settle()
    release()
    await Promise.all([call, drop, later])
    expect(dropped).toEqual([1, 2])
    expect(await contentsOf(log)).toEqual([3])
  })

  test('lets advance do nothing for records that were peeked before', async () => {
    const { log } = await open(new FakeDisk(), { segmentBytes: 110 })
    for (const id of range(1, 4)) await log.append([record(id)])
    const found = await log.peek(1000)
    await log.dropOldest(async () => {})
    await log.advance(found[0] as StoredRecord)
    expect(await contentsOf(log)).toEqual([3, 4])
    await log.advance(found[2] as StoredRecord)
    expect(await contentsOf(log)).toEqual([4])
  })

  test('passes on a large segment in portions', async () => {
    const { log } = await open(new FakeDisk())
    for (const id of range(1, 5)) await log.append([record(id, 600_000)])
    const portions: number[][] = []
    await log.dropOldest(async (found) => {
      portions.push(idsOf(found))
    })
    expect(portions).toEqual([[1], [2], [3], [4], [5]])
  })

  test('does nothing to an empty log', async () => {
    const { log } = await open(new FakeDisk())
    await log.dropOldest(() => Promise.reject(new Error('there is nothing')))
    expect(log.isEmpty).toBe(true)
  })
})

describe('close', () => {
  test('waits for appends and closes every file', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    const calls = [log.append([record(1)]), log.append([record(2)]), log.peek(10), log.close()]
    await Promise.all(calls)
    await log.close()
    expect(disk.openFiles).toBe(0)
    expect(await contentsOf((await open(disk.kill())).log)).toEqual([1, 2])
  })

  test('makes later calls reject', async () => {
    const { log } = await open(new FakeDisk())
    await log.close()
    for (const call of [() => log.append([record(1)]), () => log.peek(1), () => log.sync()]) {
      await expect(call()).rejects.toThrow('the log in log is closed')
    }
  })
})
