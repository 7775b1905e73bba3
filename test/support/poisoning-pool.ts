import { BufferPool, fillsItsBuffer } from '../../src/limits/buffer-pool.ts'

/** Spoils what it is given back at once: so whoever still looks at it is found out. */
export class PoisoningPool extends BufferPool {
  readonly #taken = new WeakSet<ArrayBufferLike>()

  override take(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    this.#taken.add(bytes.buffer)
    return bytes
  }

  override adopt<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    if (fillsItsBuffer(bytes)) this.#taken.add(bytes.buffer)
    return bytes
  }

  override give(bytes: Uint8Array): void {
    if (this.#taken.delete(bytes.buffer)) bytes.fill('!'.charCodeAt(0))
  }
}
