/** Memory for large bodies that is used again and again. */

/** Smaller buffers are left to the garbage collector, which is quick about them. */
const MIN_BYTES = 64 * 1024

/** What is kept at most for later use. */
const MAX_IDLE_BYTES = 32 * 1024 * 1024

/**
 * Collectors of garbage run by the number of objects more than by the memory behind them: at a thousand
 * bodies of half a megabyte a second, a process grows to several times of what it holds.
 *
 * Who takes a buffer need not give it back; then it is garbage like any other.
 */
export class BufferPool {
  /** Idle buffers by their size. */
  private readonly idle = new Map<number, ArrayBuffer[]>()
  private readonly taken = new WeakSet<ArrayBuffer>()
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

  /** Takes back what nobody will ever look at again. Ignores what was not taken here. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength
    if (!this.taken.delete(buffer as ArrayBuffer) || this.idleBytes + size > MAX_IDLE_BYTES) return
    const idle = this.idle.get(size) ?? []
    idle.push(buffer as ArrayBuffer)
    this.idle.set(size, idle)
    this.idleBytes += size
  }
}

/** Four sizes between a power of two and the next: few, so that a buffer fits many bodies. */
function sizeFor(length: number): number {
  const step = 2 ** (Math.floor(Math.log2(length)) - 2)
  return Math.ceil(length / step) * step
}
