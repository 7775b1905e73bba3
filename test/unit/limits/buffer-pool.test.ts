import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../../src/limits/buffer-pool.ts'

const KB = 1024

describe('taken memory', () => {
  test('has the requested length and starts at the start of its buffer', () => {
    const pool = new BufferPool()
    for (const length of [0, 1, 100 * KB, 512 * KB, 512 * KB + 1]) {
      expect(pool.take(length)).toMatchObject({ length, byteOffset: 0 })
    }
  })

  test('is used again for a body of about its size once it is given back', () => {
    const pool = new BufferPool()
    const first = pool.take(500 * KB)
    pool.give(first)
    expect(pool.take(900 * KB).buffer).not.toBe(first.buffer)
    expect(pool.take(510 * KB).buffer).toBe(first.buffer)
    expect(pool.take(510 * KB).buffer).not.toBe(first.buffer)
  })

  test('is new each time if it is small', () => {
    const pool = new BufferPool()
    const first = pool.take(2 * KB)
    pool.give(first)
    expect(pool.take(2 * KB).buffer).not.toBe(first.buffer)
  })

  test('cannot be given back twice', () => {
    const pool = new BufferPool()
    const bytes = pool.take(500 * KB)
    pool.give(bytes)
    pool.give(bytes)
    expect(pool.take(500 * KB).buffer).not.toBe(pool.take(500 * KB).buffer)
  })

  test('is kept up to 16 MB', () => {
    const pool = new BufferPool()
    const all = Array.from({ length: 5 }, () => pool.take(8 * 1024 * KB))
    for (const bytes of all) pool.give(bytes)
    const again = Array.from({ length: 5 }, () => pool.take(8 * 1024 * KB))
    const known = new Set(all.map(({ buffer }) => buffer))
    expect(again.filter(({ buffer }) => known.has(buffer))).toHaveLength(2)
  })
})

describe('adopted memory', () => {
  test('is freed when it is given back, unlike memory that was not adopted', () => {
    const pool = new BufferPool()
    const bytes = new Uint8Array(64 * KB)
    pool.give(bytes)
    expect(bytes).toHaveLength(64 * KB)
    expect(pool.adopt(bytes)).toBe(bytes)
    expect(bytes).toHaveLength(64 * KB)
    pool.give(bytes)
    expect(bytes).toHaveLength(0)
  })

  test('is left alone if it is shared or small', () => {
    const pool = new BufferPool()
    const shared = new Uint8Array(64 * KB)
    const half = shared.subarray(0, 32 * KB)
    const small = new Uint8Array(2 * KB)
    for (const bytes of [half, small]) pool.give(pool.adopt(bytes))
    expect([shared.length, small.length]).toEqual([64 * KB, 2 * KB])
  })

  test('is not used again', () => {
    const pool = new BufferPool()
    const { buffer } = pool.adopt(new Uint8Array(512 * KB))
    pool.give(new Uint8Array(buffer))
    expect(pool.take(512 * KB).buffer).not.toBe(buffer)
  })
})
