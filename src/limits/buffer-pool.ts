/** Memory for bodies that is used again and again. */

import type { Buffers } from '../runtime.ts'

/** Smaller buffers are left to the garbage collector: they are neither used again nor freed. */
const MIN_BYTES = 4 * 1024

/** What is kept at most for later use. */
const MAX_IDLE_BYTES = 16 * 1024 * 1024

/**
 * Collectors of garbage run by the number of objects more than by the memory behind them: at a thousand
 * bodies of half a megabyte a second, or twenty thousand of ten kilobytes, a process grows to several times
 * of what it holds.
 *
 * Who takes a buffer need not give it back; then it is garbage like any other.
 */
export class BufferPool implements Buffers {
  /** Idle buffers by their size. */
  private readonly idle = new Map<number, ArrayBuffer[]>()
  private readonly taken = new WeakSet<ArrayBufferLike>()
  private readonly adopted = new WeakSet<ArrayBufferLike>()
  private idleBytes = 0

  /** Bytes of any content. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length < MIN_BYTES) return new Uint8Array(length)
    const size = sizeFor(length)
    const idle = this.idle.get(size)?.pop()
    if (idle) this.idleBytes -= size
    const buffer = idle ?? new ArrayBuffer(size)
    this.taken.add(buffer)
    return new Uint8Array(buffer, 0, length)
  }

  /**
   * Has memory that came from elsewhere freed once it is given. Nobody else may have a part of it, which
   * is taken to be so only if `bytes` are most of it.
   */
  adopt<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    if (bytes.length >= MIN_BYTES && fillsItsBuffer(bytes)) this.adopted.add(bytes.buffer)
    return bytes
  }

  /** Takes back what nobody will ever look at again. Ignores what is not from here, nor adopted. */
  give({ buffer }: Uint8Array): void {
    if (this.taken.delete(buffer)) this.keep(buffer as ArrayBuffer)
    else if (this.adopted.delete(buffer)) free(buffer)
  }

  private keep(buffer: ArrayBuffer): void {
    const size = buffer.byteLength
    if (this.idleBytes + size > MAX_IDLE_BYTES) return
    const idle = this.idle.get(size) ?? []
    idle.push(buffer)
    this.idle.set(size, idle)
    this.idleBytes += size
  }
}

/** Whether bytes are most of what is in memory for them: to keep them keeps little else. */
export function fillsItsBuffer({ length, buffer }: Uint8Array): boolean {
  return length * 2 > buffer.byteLength
}

/** Frees memory now rather than when its garbage is collected, where the runtime can: not in Node.js 20. */
function free(buffer: ArrayBufferLike): void {
  const { transfer } = buffer as { transfer?: (length: number) => unknown }
  transfer?.call(buffer, 0)
}

/** Four sizes between a power of two and the next: few, so that a buffer fits many bodies. */
function sizeFor(length: number): number {
  const step = 2 ** (Math.floor(Math.log2(length)) - 2)
  return Math.ceil(length / step) * step
}
