/** The body of a request that is still arriving. */

import { fillsItsBuffer } from '../limits/buffer-pool.ts'
import type { Buffers } from '../runtime.ts'
import type { Framing } from './http-framing.ts'

/** Who waits for bytes of the body. */
interface Taker {
  take(piece: Uint8Array): void
  /** Whether it wants all that is to come, or only what comes next. */
  readonly wantsAll: boolean
  resolve(): void
  reject(error: Error): void
}

/**
 * Nothing of the body is taken off its connection before somebody asks for it: so a client is slowed down
 * by who reads its body, and what is too large is not read at all.
 */
export class IncomingBody {
  private readonly framing: Framing
  private readonly buffers: Buffers
  /** Tells the connection that what it has, and what is to come, is wanted now. */
  private readonly onWanted: () => void
  private taker: Taker | undefined
  private failure: Error | undefined

  constructor(framing: Framing, buffers: Buffers, onWanted: () => void) {
    this.framing = framing
    this.buffers = buffers
    this.onWanted = onWanted
  }

  get isDone(): boolean {
    return this.framing.isDone
  }

  /** The most bytes that may still come. */
  get remaining(): number {
    return this.framing.remaining
  }

  /** Whether somebody waits for bytes. */
  get isWanted(): boolean {
    return this.taker !== undefined
  }

  /** Takes what belongs to the body, and returns how many bytes did. Only if it is wanted. */
  accept(bytes: Uint8Array): number {
    const taker = this.taker as Taker
    let taken = false
    try {
      const used = this.framing.take(bytes, (piece) => {
        taken = true
        taker.take(piece)
      })
      if (this.isDone || (taken && !taker.wantsAll)) this.release()?.resolve()
      return used
    } catch (error) {
      this.fail(error as Error)
      return bytes.length
    }
  }

  /** The rest of the body will not come. */
  fail(error: Error): void {
    this.failure ??= error
    this.release()?.reject(error)
  }

  /** All of the body. Takes memory for it at once: its length must be known, and within bounds. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const whole = new Collector(this.remaining, this.buffers)
    await this.pour((piece) => whole.add(piece), true)
    return whole.bytes
  }

  /** The body piece by piece, no faster than it is read. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          await this.pour((piece) => controller.enqueue(piece), false)
          if (this.isDone) controller.close()
        },
        cancel: () => void this.release(),
      },
      { highWaterMark: 0 },
    )
  }

  /** Lets the rest of the body run to nowhere. */
  discard(): Promise<void> {
    return this.pour(() => {}, true).catch(() => {})
  }

  private pour(take: Taker['take'], wantsAll: boolean): Promise<void> {
    if (this.failure) return Promise.reject(this.failure)
    if (this.isDone) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.taker = { take, wantsAll, resolve, reject }
      this.onWanted()
    })
  }

  private release(): Taker | undefined {
    const { taker } = this
    this.taker = undefined
    return taker
  }
}

/** Puts pieces of a body together whose length is known. */
class Collector {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  private readonly length: number
  private readonly buffers: Buffers
  private filled = 0

  constructor(length: number, buffers: Buffers) {
    this.length = length
    this.buffers = buffers
  }

  add(piece: Uint8Array): void {
    if (this.filled === 0) {
      if (piece.length === this.length && fillsItsBuffer(piece)) {
        this.bytes = this.claim(piece as Uint8Array<ArrayBuffer>)
        return
      }
      this.bytes = this.buffers.take(this.length)
    }
    this.bytes.set(piece, this.filled)
    this.filled += piece.length
    this.buffers.give(this.claim(piece))
  }

  /** The socket has no more use for what it has given out, unless the client's next request is behind it. */
  private claim<Bytes extends Uint8Array>(piece: Bytes): Bytes {
    return endsItsBuffer(piece) ? this.buffers.adopt(piece) : piece
  }
}

function endsItsBuffer({ byteOffset, length, buffer }: Uint8Array): boolean {
  return byteOffset + length === buffer.byteLength
}
