/** A log whose files have changed, or cannot be written or read. */

import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Damage } from '../../../src/segments/damage.ts'
import type { StoredRecord } from '../../../src/segments/reader.ts'
import { encode, prepare } from '../../../src/segments/record.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import {
  contentsOf,
  drain,
  FOLDER,
  idsOf,
  lastOf,
  open,
  range,
  record,
  records,
} from '../../support/log-fixture.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const TIMEOUT_MS = 60_000

type Files = ReadonlyMap<string, Uint8Array>

const RECORD_BYTES = prepare(record(1)).bytes
/** Where the kind of a record is in its header. */
const KIND_AT = 11
const HEAD = 'log/head'
const SEGMENTS = [1, 4, 7].map((first) => `log/${String(first).padStart(16, '0')}.segment`)
const [FIRST, SECOND, THIRD] = SEGMENTS as [string, string, string]

/** Records 1 to 9 in three segments; the head is at the start. */
let whole: Files

beforeAll(async () => {
  const disk = new FakeDisk()
  const { log } = await open(disk, { segmentBytes: 3 * RECORD_BYTES })
  for (const one of records(1, 9)) await log.append([one])
  whole = disk.files()
  expect([...whole.keys()]).toEqual([...SEGMENTS, HEAD].sort())
})

/** The files with one of them changed, or left out if `bytes` is undefined. */
function withFile(path: string, bytes: Uint8Array | undefined): FakeDisk {
  const files = new Map(whole)
  if (bytes) files.set(path, bytes)
  else files.delete(path)
  return FakeDisk.of(files)
}

function bytesOf(path: string): Uint8Array {
  return (whole.get(path) as Uint8Array).slice()
}

function flip(path: string, bit: number): FakeDisk {
  const bytes = bytesOf(path)
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
  return withFile(path, bytes)
}

/** Opens and drains a log. Afterwards it must be empty and take another record. */
async function openAndDrain(disk: FakeDisk): Promise<{ ids: number[]; damage: Damage[] }> {
  const { log, damage } = await open(disk)
  const ids = await drain(log)
  expect(log.isEmpty).toBe(true)
  await log.append([record(100)])
  expect(await contentsOf(log)).toEqual([100])
  return { ids, damage }
}

const except = (...lost: number[]) => range(1, 9).filter((id) => !lost.includes(id))

describe('a flipped bit', { timeout: TIMEOUT_MS }, () => {
  test.each(SEGMENTS.flatMap((path) => [0, 1, 2].map((nth) => [path, nth] as const)))(
    'in %s, record %i, loses that record alone',
    async (path, nth) => {
      const id = SEGMENTS.indexOf(path) * 3 + nth + 1
      const from = nth * RECORD_BYTES
      for (let bit = from * 8; bit < (from + RECORD_BYTES) * 8; bit++) {
        const disk = flip(path, bit)
        const broken = disk.files().get(path) as Uint8Array
        const { ids, damage } = await openAndDrain(disk)
        expect(ids, `bit ${bit}`).toEqual(except(id))
        const [{ copy, ...report }] = damage as [Damage]
        expect(damage).toHaveLength(1)
        expect(report).toMatchObject({ file: path, offset: from, bytes: RECORD_BYTES })
        expect(report.records).toBe(id === 9 ? undefined : 1)
        expect(disk.files().get(copy as string)).toEqual(broken.slice(from, from + RECORD_BYTES))
      }
    },
  )

  test('or any other change of the kind loses that record alone', async () => {
    for (const [nth, path] of SEGMENTS.entries()) {
      const at = nth * RECORD_BYTES + KIND_AT
      for (let kind = 0; kind < 256; kind++) {
        const bytes = bytesOf(path)
        if (bytes[at] === kind) continue
        bytes[at] = kind
        const { ids } = await openAndDrain(withFile(path, bytes))
        expect(ids, `kind ${kind}`).toEqual(except(nth * 4 + 1))
      }
    }
  })

  test('in the head file loses nothing', async () => {
    for (let bit = 0; bit < 3 * 4096 * 8; bit += (bit >> 3) % 4096 < 48 ? 1 : 999) {
      const { ids } = await openAndDrain(flip(HEAD, bit))
      expect(ids, `bit ${bit}`).toEqual(range(1, 9))
    }
  })
})

describe('onLoss', () => {
  /** Drains a log whose listener rejects at first. Returns what it was called with. */
  async function losses(disk: FakeDisk, refusals = 0) {
    const lost: (number | undefined)[] = []
    let refused = 0
    const onLoss = async (records: number | undefined) => {
      if (refused++ < refusals) throw Object.assign(new Error('full'), { code: 'EIO' })
      lost.push(records)
    }
    const { log } = await open(disk, { onLoss })
    for (let tries = 0; tries < refusals; tries++) {
      const { message, code } = await drain(log).catch((error) => error)
      expect([message, code]).toEqual(['cannot record a loss: full', undefined])
    }
    await drain(log)
    expect(log.isEmpty).toBe(true)
    return lost
  }

  test.each([
    ['a flipped bit', () => flip(FIRST, 400), [1]],
    ['a flipped bit in the newest record', () => flip(THIRD, 1000), [undefined]],
    ['a segment of garbage', () => withFile(SECOND, new Uint8Array(3 * RECORD_BYTES).fill(1)), [3]],
    ['a missing file', () => withFile(SECOND, undefined), [3]],
    ['a missing first file', () => withFile(FIRST, undefined), [3]],
    ['a truncated file', () => withFile(FIRST, bytesOf(FIRST).subarray(0, RECORD_BYTES)), [2]],
    ['a torn end', () => withFile(THIRD, bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20)), []],
    ['an end of zeros', () => withFile(THIRD, bytesOf(THIRD).fill(0, 2 * RECORD_BYTES + 40)), []],
    ['no head file', () => withFile(HEAD, undefined), []],
  ] as [string, () => FakeDisk, (number | undefined)[]][])(
    'is called after %s',
    async (_, damage, lost) => {
      expect(await losses(damage())).toEqual(lost)
    },
  )

  test('is called until it resolves, and the records stay until then', async () => {
    expect(await losses(flip(SECOND, 400), 2)).toEqual([1])
  })

  test('is called once for a loss, over any crash', async () => {
    for (let nth = 1; nth < 12; nth++) {
      let calls = 0
      const onLoss = async () => {
        calls++
      }
      let disk = flip(SECOND, 400)
      const { log } = await open(disk, { onLoss })
      await log.advance(lastOf(await log.peek(1000)))
      expect(calls).toBe(0)
      expect(idsOf(await log.peek(1000))).toEqual([5, 6, 7, 8, 9])
      disk = nth % 2 === 0 ? disk.kill() : disk.crash(seededRandom(nth))
      const again = await open(disk, { onLoss })
      expect(await contentsOf(again.log)).toEqual([5, 6, 7, 8, 9])
      expect(calls).toBe(1)
    }
  })
})

describe('a truncated file', { timeout: TIMEOUT_MS }, () => {
  test.each(SEGMENTS)('%s keeps the records before its end', async (path) => {
    const size = bytesOf(path).length
    for (let length = 0; length < size; length++) {
      const { ids, damage } = await openAndDrain(withFile(path, bytesOf(path).subarray(0, length)))
      const first = SEGMENTS.indexOf(path) * 3 + 1
      const lost = range(first + Math.floor(length / RECORD_BYTES), first + 2)
      expect(ids, `${length} bytes`).toEqual(except(...lost))
      const isClean = length % RECORD_BYTES === 0
      if (path === THIRD) {
        // Nothing shows that whole records are missing at the end of the log.
        expect(damage.map(({ reason }) => reason)).toEqual(isClean ? [] : ['torn'])
      } else {
        expect(damage).toHaveLength(1)
        expect(damage[0]).toMatchObject({ file: path, records: lost.length })
        const bytes = length % RECORD_BYTES
        expect(damage[0]).toMatchObject({ reason: isClean ? 'missing' : 'torn', bytes })
      }
    }
  })

  test('that ends before the head has lost the undelivered records alone', async () => {
    for (const path of [FIRST, THIRD]) {
      const disk = FakeDisk.of(path === FIRST ? whole : [[THIRD, bytesOf(THIRD)]])
      const { log } = await open(disk)
      await log.advance((await log.peek(1000))[1] as StoredRecord)
      const files = disk.files()
      files.set(path, bytesOf(path).subarray(0, 10))
      const { ids, damage } = await openAndDrain(FakeDisk.of(files))
      expect(ids).toEqual(path === FIRST ? range(4, 9) : [])
      expect(damage).toMatchObject(
        path === FIRST ? [{ reason: 'missing', records: 1, bytes: 0 }] : [],
      )
    }
  })

  test('head makes the log start at the first segment, and is reported', async () => {
    for (const length of [0, 20]) {
      const { ids, damage } = await openAndDrain(withFile(HEAD, bytesOf(HEAD).subarray(0, length)))
      expect(ids).toEqual(range(1, 9))
      expect(damage).toMatchObject([{ file: HEAD, reason: 'head' }])
    }
  })
})

describe('a head file', () => {
  const anew = [{ file: HEAD, reason: 'head' }]

  test.each([
    ['open', 1, range(3, 9), []],
    ['open', 2, range(1, 9), anew],
    ['read', 1, range(3, 9), []],
    ['read', 2, range(1, 9), anew],
    ['write', 1, range(3, 9), []],
    ['sync', 1, range(3, 9), []],
  ] as const)(
    'that the disk fails to %s %i times gives the position, or else the first segment',
    async (kind, times, ids, reported) => {
      const disk = FakeDisk.of(whole)
      const { log } = await open(disk)
      for (let i = 0; i < 2; i++) await log.advance(lastOf(await log.peek(1)))
      const next = disk.kill()
      next.fail({ code: 'EIO', kinds: [kind], path: HEAD, times })
      const { ids: found, damage } = await openAndDrain(next)
      expect(found).toEqual(ids)
      expect(damage).toMatchObject(reported)
      const { log: last, damage: later } = await open(next.kill())
      expect([await contentsOf(last), later]).toEqual([[100], []])
    },
  )

  test.each(['remove', 'write', 'sync'] as const)(
    'that the disk fails to %s keeps the log from opening',
    async (kind) => {
      const disk = FakeDisk.of(whole)
      if (kind === 'remove') disk.fail({ code: 'EIO', kinds: ['read'], path: HEAD, times: 2 })
      disk.fail({ code: 'EIO', kinds: [kind], path: HEAD, times: 2 })
      await expect(open(disk)).rejects.toThrow(HEAD)
    },
  )
})

describe('a missing file', () => {
  test('head makes the log start at the first segment', async () => {
    expect((await openAndDrain(withFile(HEAD, undefined))).ids).toEqual(range(1, 9))
  })

  test.each([
    [FIRST, [1, 2, 3]],
    [SECOND, [4, 5, 6]],
  ])('%s is reported with its records', async (path, lost) => {
    const { ids, damage } = await openAndDrain(withFile(path, undefined))
    expect(ids).toEqual(except(...lost))
    expect(damage).toHaveLength(1)
    expect(damage[0]).toMatchObject({ reason: 'missing', records: 3, bytes: 0 })
  })

  test('is reported, too, if it is removed while the log is open', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    await disk.remove(SECOND)
    expect(await drain(log)).toEqual(except(4, 5, 6))
    expect(damage).toMatchObject([{ reason: 'missing', records: 3, file: SECOND }])
  })

  test('is reported, too, if only a torn record follows', async () => {
    const disk = FakeDisk.of([
      [HEAD, bytesOf(HEAD)],
      [SECOND, bytesOf(SECOND).subarray(0, 20)],
    ])
    const { ids, damage } = await openAndDrain(disk)
    expect(ids).toEqual([])
    expect(damage).toMatchObject([{ reason: 'torn' }, { reason: 'missing', records: 3 }])
  })
})

describe('other damage', () => {
  test('records beside overwritten bytes come back in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SEGMENTS),
        fc.nat(3 * RECORD_BYTES - 1),
        fc.uint8Array({ minLength: 1, maxLength: 2 * RECORD_BYTES }),
        async (path, at, garbage) => {
          const bytes = bytesOf(path)
          const end = Math.min(at + garbage.length, bytes.length)
          const before = bytes.slice(at, end)
          bytes.set(garbage.subarray(0, end - at), at)
          fc.pre(!before.every((byte, i) => byte === garbage[i]))
          const { ids } = await openAndDrain(withFile(path, bytes))
          const first = SEGMENTS.indexOf(path) * 3 + 1
          const hit = (nth: number) =>
            at < (nth + 1) * RECORD_BYTES && end > nth * RECORD_BYTES ? [first + nth] : []
          const touched = [0, 1, 2].flatMap(hit)
          expect(ids.filter((id) => !touched.includes(id))).toEqual(except(...touched))
          expect(ids).toEqual([...ids].sort((a, b) => a - b))
        },
      ),
    )
  })

  test('records are found after megabytes of zeros', async () => {
    const bytes = new Uint8Array(3_000_000 + 3 * RECORD_BYTES)
    bytes.set(bytesOf(SECOND), 3_000_000)
    const disk = withFile(SECOND, bytes)
    const { ids, damage } = await openAndDrain(disk)
    expect(ids).toEqual(range(1, 9))
    expect(damage).toMatchObject([{ reason: 'header', bytes: 3_000_000, records: 0 }])
    expect(disk.files().get(damage[0]?.copy as string)).toHaveLength(3_000_000)
  })

  test('a copy of a record in a body does not count, even if the record around it is damaged', async () => {
    const around = { ...record(1), body: encode(records(2, 3).map(prepare), 2) }
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([around])
    await log.append([record(4)])
    const bytes = (disk.files().get(FIRST) as Uint8Array).slice()
    bytes[37] = 0
    const broken = await openAndDrain(FakeDisk.of([[FIRST, bytes]]))
    expect(broken.ids).toEqual([4])
    expect(broken.damage).toMatchObject([{ reason: 'checksum', records: 1 }])
  })

  test('a copy of a header in a body does not make the search skip records', async () => {
    const long = encode([prepare(record(50, 500))], 50).subarray(0, 60)
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([{ ...record(1), body: long }])
    await log.append([record(2)])
    await log.append([record(3, 1000)])
    const bytes = (disk.files().get(FIRST) as Uint8Array).slice()
    bytes[0] = 0
    expect((await openAndDrain(FakeDisk.of([[FIRST, bytes]]))).ids).toEqual([2, 3])
  })

  test('records appended while damage at the tail is copied are not skipped', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 4 * RECORD_BYTES })
    for (const one of records(1, 2)) await log.append([one])
    await (await disk.open(FIRST)).write(RECORD_BYTES, new Uint8Array(10))
    let appended = false
    disk.before = async ({ kind }) => {
      if (kind !== 'makeFolder' || appended) return
      appended = true
      for (const one of records(3, 7)) await log.append([one])
    }
    const found = idsOf(await log.peek(1000))
    expect(found).toEqual([1])
    await log.advance(lastOf(await log.peek(1000)))
    expect(idsOf(await log.peek(1))).toEqual([3])
    expect(await contentsOf(log)).toEqual([3, 4, 5, 6, 7])
  })

  test('the copy outlasts a power cut that comes after the segment is removed', async () => {
    for (const seed of range(1, 40)) {
      const disk = flip(FIRST, 400)
      const broken = (disk.files().get(FIRST) as Uint8Array).slice(0, RECORD_BYTES)
      const { damage } = await openAndDrain(disk)
      const left = disk.crash(seededRandom(seed)).files()
      expect(left.get(damage[0]?.copy as string)).toEqual(broken)
    }
  })

  test('damage at the head is reported once', async () => {
    const { log, damage } = await open(flip(FIRST, 400))
    for (let times = 0; times < 3; times++) expect(await contentsOf(log)).toEqual(except(1))
    expect(damage).toHaveLength(1)
  })

  test('a torn tail is reported once, also over restarts', async () => {
    const disk = withFile(THIRD, bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20))
    expect((await open(disk)).damage).toMatchObject([{ reason: 'torn', bytes: 20 }])
    const again = await open(disk.kill())
    expect(again.damage).toEqual([])
    expect(await contentsOf(again.log)).toEqual(except(9))
  })

  test('a log of damage alone is empty once peek has skipped it', async () => {
    const disk = FakeDisk.of([
      [FIRST, new Uint8Array(500)],
      [SECOND, new Uint8Array(0)],
    ])
    const { log, damage } = await open(disk)
    expect(log).toMatchObject({ isEmpty: false, isDurablyEmpty: false })
    expect(await log.peek(100)).toEqual([])
    expect(log.isEmpty).toBe(true)
    expect(damage).toMatchObject([{ reason: 'header', bytes: 500, records: 3 }])
    await log.sync()
    expect(log.isDurablyEmpty).toBe(true)
  })

  test('a segment that is truncated while it is open is reported with its lost records', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    await (await disk.open(FIRST)).truncate(RECORD_BYTES + 10)
    expect(await drain(log)).toEqual(except(2, 3))
    expect(damage).toMatchObject([{ file: FIRST, records: 2 }])
  })

  test('foreign files are reported and left alone', async () => {
    const names = ['notes.txt', '1.segment', 'x000000000000001.segment', '0000000000000000.segment']
    const disk = FakeDisk.of([
      ...whole,
      ...names.map((name) => [`log/${name}`, new Uint8Array(7)] as const),
      ['log/folder/file', new Uint8Array(1)],
      ['log/lock', new Uint8Array(1)],
    ])
    const { ids, damage } = await openAndDrain(disk)
    expect(ids).toEqual(range(1, 9))
    expect(damage.map(({ file, reason }) => `${reason} ${file}`).sort()).toEqual(
      [...names, 'folder'].map((name) => `foreign log/${name}`).sort(),
    )
    for (const name of names) expect(disk.files().has(`log/${name}`)).toBe(true)
  })

  test('a copy replaces an earlier one', async () => {
    const disk = flip(FIRST, 400)
    disk.put('log/damaged/0000000000000001.segment-0', new Uint8Array(9999))
    const { damage } = await openAndDrain(disk)
    expect(disk.files().get(damage[0]?.copy as string)).toHaveLength(RECORD_BYTES)
  })

  test('a segment is kept whole if there is no room for a copy', async () => {
    const disk = flip(FIRST, 400)
    const broken = disk.files().get(FIRST)
    disk.fail({ code: 'ENOSPC', kinds: ['create'] })
    const { ids, damage } = await openAndDrain(disk)
    expect(ids).toEqual(except(1))
    expect(damage).toMatchObject([{ copy: undefined, records: 1 }])
    expect(disk.files().get('log/damaged/0000000000000001.segment')).toEqual(broken)
  })
})

test('a segment is kept whole if there is no room for a copy of its torn tail', async () => {
  const torn = bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20)
  const disk = withFile(THIRD, torn)
  disk.fail({ code: 'ENOSPC', kinds: ['create'] })
  const { ids, damage } = await openAndDrain(disk)
  expect(ids).toEqual(except(9))
  expect(damage).toMatchObject([{ reason: 'torn', copy: undefined }])
  expect(disk.files().get('log/damaged/0000000000000007.segment')).toEqual(torn)
})

describe('a disk that fails', () => {
  test.each([
    ['EIO', 'write'],
    ['EIO', 'sync'],
    ['ENOSPC', 'write'],
    ['ENOSPC', 'create'],
    ['EIO', 'syncFolder'],
  ] as const)('with %s at %s makes append reject until it works again', async (code, kind) => {
    for (const already of [0, 2]) {
      const disk = new FakeDisk()
      const { log, damage } = await open(disk, { segmentBytes: 5000 })
      for (const one of records(1, already)) await log.append([one])
      // A segment that has room is neither created nor is its name synced.
      if (already > 0 && ['create', 'syncFolder'].includes(kind)) continue
      disk.fail({ code, kinds: [kind], path: 'log' })
      await expect(log.append(records(11, 13))).rejects.toThrow(code)
      expect(await contentsOf(log)).toEqual(range(1, already))
      await log.append(records(21, 22))
      const expected = [...range(1, already), 21, 22]
      expect(await contentsOf(log)).toEqual(expected)
      for (const seed of range(1, 20)) {
        const again = await open(disk.crash(seededRandom(seed)))
        expect(await contentsOf(again.log)).toEqual(expected)
        expect([...damage, ...again.damage]).toEqual([])
      }
    }
  })

  test('does not keep a drained segment in which it failed from being removed', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append(records(1, 2))
    disk.fail({ code: 'EIO', kinds: ['sync'] })
    await expect(log.append([record(3)])).rejects.toThrow('EIO')
    expect(await drain(log)).toEqual([1, 2])
    expect([...disk.files().keys()]).toEqual([HEAD])
  })

  test('and refuses to truncate leaves bytes that are skipped', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append(records(1, 2))
    disk.fail({ code: 'EIO', kinds: ['sync', 'truncate'], times: 2 })
    await expect(log.append(records(11, 12))).rejects.toThrow('EIO')
    await log.append(records(21, 22))
    expect(await contentsOf(log)).toEqual([1, 2, 21, 22])
    const again = await open(disk.kill())
    expect(await contentsOf(again.log)).toEqual([1, 2, 21, 22])
    expect(again.damage).toMatchObject([{ reason: 'sequence', records: 0 }])
  })

  test('to create the head file creates it durably later', async () => {
    for (const seed of range(1, 20)) {
      const disk = new FakeDisk()
      disk.fail({ code: 'ENOSPC', kinds: ['create'], path: 'head' })
      const { log } = await open(disk)
      await log.append(records(1, 2))
      await log.dropOldest(async () => {})
      const again = await open(disk.crash(seededRandom(seed)))
      expect(await contentsOf(again.log), `seed ${seed}`).toEqual([])
    }
  })

  test('by being full rejects what does not fit, and the log drains', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 3 * RECORD_BYTES })
    disk.capacity = 3 * 4096 + 5 * RECORD_BYTES + 20
    for (const one of records(1, 5)) await log.append([one])
    await expect(log.append([record(6)])).rejects.toThrow('ENOSPC')
    expect(await contentsOf(log)).toEqual(range(1, 5))
    await log.advance((await log.peek(1000))[3] as StoredRecord)
    for (const one of records(7, 8)) await log.append([one])
    expect(await contentsOf(log)).toEqual([5, 7, 8])
  })

  test('at a read gives the records before it, and the rest when it works again', async () => {
    const disk = FakeDisk.of(whole)
    const { log } = await open(disk)
    disk.fail({ code: 'EIO', kinds: ['read'], path: SECOND })
    const found = await log.peek(1000)
    expect(idsOf(found)).toEqual([1, 2, 3])
    await log.advance(found[2] as StoredRecord)
    expect(await contentsOf(log)).toEqual(range(4, 9))
  })

  test('at every read lets dropOldest drop the segment, whose file is kept', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    disk.fail({ code: 'EIO', kinds: ['read'], path: FIRST, times: 1000 })
    await expect(log.peek(1000)).rejects.toThrow('EIO')
    await log.dropOldest(async () => {})
    expect(damage).toMatchObject([{ file: FIRST, reason: 'unreadable', records: 3 }])
    expect(disk.files().get(`${FOLDER}/damaged/0000000000000001.segment`)).toEqual(bytesOf(FIRST))
    expect(await contentsOf(log)).toEqual(range(4, 9))
  })

  test('at every read lets dropUnreadable drop the rest of the segment and nothing else', async () => {
    const disk = FakeDisk.of(whole)
    const lost: (number | undefined)[] = []
    const { log, damage } = await open(disk, { onLoss: async (records) => void lost.push(records) })
    await log.dropUnreadable()
    expect(damage).toEqual([])
    await log.advance((await log.peek(1000))[0] as StoredRecord)
    disk.fail({ code: 'EIO', kinds: ['read'], path: FIRST, times: 1000 })
    await expect(log.peek(1000)).rejects.toThrow('EIO')
    await log.dropUnreadable()
    expect(damage).toMatchObject([{ file: FIRST, reason: 'unreadable', records: 2 }])
    expect(lost).toEqual([2])
    expect(disk.files().get(`${FOLDER}/damaged/0000000000000001.segment`)).toEqual(bytesOf(FIRST))
    expect(await contentsOf(log)).toEqual(range(4, 9))
    const again = await open(disk.crash(seededRandom(1)))
    expect(await contentsOf(again.log)).toEqual(range(4, 9))
  })

  test('to read the newest segment at start does not stop the log, and the file is kept', async () => {
    for (const path of [THIRD, FIRST]) {
      const disk = path === THIRD ? FakeDisk.of(whole) : FakeDisk.of([[FIRST, bytesOf(FIRST)]])
      disk.fail({ code: 'EIO', kinds: ['read'], path, times: 1000 })
      const lost: (number | undefined)[] = []
      const onLoss = async (records: number | undefined) => void lost.push(records)
      const { log, damage } = await open(disk, { onLoss })
      expect(damage).toMatchObject([{ file: path, reason: 'unreadable' }])
      expect(lost).toEqual([undefined])
      disk.heal()
      await log.append([record(100)])
      const again = await open(disk.crash(seededRandom(1)))
      expect(await drain(again.log)).toEqual(path === THIRD ? [...range(1, 6), 100] : [100])
      expect(again.damage).toEqual([])
      const kept = disk.files().get(path.replace('log/', 'log/damaged/'))
      expect(kept).toEqual(bytesOf(path))
    }
  })

  test('while the log opens makes open reject without an open file, and open can be called again', async () => {
    for (const nth of range(1, 12)) {
      const disk = FakeDisk.of(whole)
      disk.fail({ code: 'EIO', nth })
      const result = await open(disk).catch((error) => error)
      if (result instanceof Error) expect(disk.openFiles).toBe(0)
      disk.heal()
      expect((await openAndDrain(FakeDisk.of(disk.files()))).ids).toEqual(range(1, 9))
    }
  })
})
