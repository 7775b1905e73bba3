/** Memory for bodies that is used again. */

import type { Buffers } from '../runtime.ts'

/** Smaller buffers are left to the garbage collector. */
const MIN_BYTES = 4 * 1024

/** The most that is kept for later use. */
const MAX_IDLE_BYTES = 16 * 1024 * 1024

type View = (buffer: ArrayBuffer, length: number) => Uint8Array<ArrayBuffer>

/**
 * Garbage collectors run by the number of objects rather than by the memory behind them. At a thousand bodies
 * of half a megabyte a second, or twenty thousand of ten kilobytes, a process would grow to several times of
 * what is in use.
 *
 * A buffer that is not given back is ordinary garbage.
 */
export class BufferPool implements Buffers {
  /** Idle buffers by their size. */
  private readonly idle = new Map<number, ArrayBuffer[]>()
  private readonly taken = new WeakSet<ArrayBufferLike>()
  private readonly adopted = new WeakSet<ArrayBufferLike>()
  private idleBytes = 0
  private readonly view: View

  /** @param view makes the bytes that `take` returns of a buffer that has at least as many */
  constructor(view: View = (buffer, length) => new Uint8Array(buffer, 0, length)) {
    this.view = view
  }

  /** Bytes of any content. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length < MIN_BYTES) return new Uint8Array(length)
    const size = sizeFor(length)
    const idle = this.idle.get(size)?.pop()
    if (idle) this.idleBytes -= size
    const buffer = idle ?? new ArrayBuffer(size)
    this.taken.add(buffer)
    return this.view(buffer, length)
  }

  /**
   * Lets `give` free memory that was allocated elsewhere. Nothing else may refer to a part of it, which is
   * assumed only if `bytes` are most of it.
   */
  adopt<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    if (bytes.length >= MIN_BYTES && fillsItsBuffer(bytes)) this.adopted.add(bytes.buffer)
    return bytes
  }

  /** Takes back memory that nothing will read again. Ignores what was neither taken here nor adopted. */
  give({ buffer }: Uint8Array): void {
    if (this.taken.delete(buffer)) this.keep(buffer as ArrayBuffer)
    else if (this.adopted.delete(buffer)) free(buffer)
  }

  private keep(buffer: ArrayBuffer): void {
    const size = buffer.byteLength
    if (this.idleBytes + size > MAX_IDLE_BYTES) {
      free(buffer)
      return
    }
    const idle = this.idle.get(size) ?? []
    idle.push(buffer)
    this.idle.set(size, idle)
    this.idleBytes += size
  }
}

/** Whether bytes are most of their buffer, so that keeping them keeps little else in memory. */
export function fillsItsBuffer({ length, buffer }: Uint8Array): boolean {
  return length * 2 > buffer.byteLength
}

/** Frees memory at once, where the runtime can: Node.js 20 leaves it to the garbage collector. */
function free(buffer: ArrayBufferLike): void {
  const { transfer } = buffer as { transfer?: (length: number) => unknown }
  transfer?.call(buffer, 0)
}

/** Four sizes between a power of two and the next: few, so that a buffer fits many bodies. */
function sizeFor(length: number): number {
  const step = 2 ** (Math.floor(Math.log2(length)) - 2)
  return Math.ceil(length / step) * step
}
