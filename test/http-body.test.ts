/** The body of a request, between the connection that brings it and the app that reads it. */

import { describe, expect, test, vi } from 'vitest'
import { IncomingBody } from '../src/platform/http-body.ts'
import { framingOf } from '../src/platform/http-framing.ts'
import { PoisoningPool } from './support/poisoning-pool.ts'

function incoming(length: number | 'chunked') {
  const onWanted = vi.fn()
  return { body: new IncomingBody(framingOf(length), new PoisoningPool(), onWanted), onWanted }
}

const bytes = (text: string) => new TextEncoder().encode(text)

describe('a body', () => {
  test('is wanted only once somebody asks for it', async () => {
    const { body, onWanted } = incoming(4)
    expect(body.isWanted).toBe(false)
    const read = body.bytes()
    expect(onWanted).toHaveBeenCalledTimes(1)
    expect(body.accept(bytes('bo'))).toBe(2)
    expect(body.isWanted).toBe(true)
    expect(body.accept(bytes('dyrest'))).toBe(2)
    expect(body.isWanted).toBe(false)
    expect(await read).toEqual(bytes('body'))
  })

  test('of no bytes is there at once', async () => {
    const { body, onWanted } = incoming(0)
    expect(await body.bytes()).toEqual(bytes(''))
    expect((await body.stream().getReader().read()).done).toBe(true)
    expect(onWanted).not.toHaveBeenCalled()
  })

  test('is not copied if it came alone, and does not keep a large buffer alive if it did not', async () => {
    for (const [around, isSame] of [
      [0, true],
      [1000, false],
    ] as const) {
      const { body } = incoming(4)
      const read = body.bytes()
      const buffer = new Uint8Array(4 + around)
      body.accept(buffer)
      expect((await read).buffer === buffer.buffer).toBe(isSame)
    }
  })

  test('as a stream is asked for piece by piece', async () => {
    const { body, onWanted } = incoming('chunked')
    const reader = body.stream().getReader()
    const first = reader.read()
    await vi.waitFor(() => expect(onWanted).toHaveBeenCalledTimes(1))
    body.accept(bytes('3\r\n'))
    expect(body.isWanted).toBe(true)
    body.accept(bytes('one\r\n'))
    expect(body.isWanted).toBe(false)
    expect((await first).value).toEqual(bytes('one'))
    const last = reader.read()
    await vi.waitFor(() => expect(onWanted).toHaveBeenCalledTimes(2))
    expect(body.accept(bytes('0\r\n\r\nrest'))).toBe(5)
    expect((await last).done).toBe(true)
    expect(body.isDone).toBe(true)
  })

  test('as a stream that is cancelled is wanted no more, and its rest can be thrown away', async () => {
    const { body } = incoming(4)
    const reader = body.stream().getReader()
    const reading = reader.read()
    await vi.waitFor(() => expect(body.isWanted).toBe(true))
    await reader.cancel()
    expect((await reading).done).toBe(true)
    expect(body.isWanted).toBe(false)
    const discarded = body.discard()
    expect(body.accept(bytes('body'))).toBe(4)
    await discarded
    expect(body.isDone).toBe(true)
  })

  test('that fails breaks off who reads it, and who begins to', async () => {
    const { body } = incoming(4)
    const error = new Error('gone')
    const read = body.bytes()
    body.fail(error)
    body.fail(new Error('again'))
    await expect(read).rejects.toBe(error)
    await expect(body.bytes()).rejects.toBe(error)
    await expect(body.stream().getReader().read()).rejects.toBe(error)
    await body.discard()
    expect(body.isDone).toBe(false)
  })

  test('with broken framing fails, and takes all that came with it', async () => {
    const { body } = incoming('chunked')
    const read = body.stream().getReader().read()
    await vi.waitFor(() => expect(body.isWanted).toBe(true))
    expect(body.accept(bytes('x\r\nGET / HTTP/1.1'))).toBe(17)
    await expect(read).rejects.toThrow('malformed chunk')
    expect(body.isDone).toBe(false)
  })

  test('of unknown length is not read at once', async () => {
    const { body } = incoming('chunked')
    const read = body.bytes()
    body.accept(bytes('1\r\nx\r\n'))
    await expect(read).rejects.toThrow(RangeError)
  })
})
