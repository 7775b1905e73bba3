import { BufferPool, fillsItsBuffer } from '../../src/limits/buffer-pool.ts'

/** Overwrites memory once it is given back, so that a test notices a later read of it. */
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
