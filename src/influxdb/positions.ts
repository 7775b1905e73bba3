/** A list of positions in a body: for thousands of them cheaper than an array, if it is used again. */

const INITIAL_CAPACITY = 1024

/** `clear` frees a larger list: one huge body must not hold memory for ever. */
const MAX_IDLE_CAPACITY = 64 * 1024

export class Positions {
  length = 0
  private list = new Int32Array(INITIAL_CAPACITY)

  clear(): void {
    this.length = 0
    if (this.list.length > MAX_IDLE_CAPACITY) this.list = new Int32Array(INITIAL_CAPACITY)
  }

  add(position: number): void {
    if (this.length === this.list.length) {
      const larger = new Int32Array(this.length * 2)
      larger.set(this.list)
      this.list = larger
    }
    this.list[this.length++] = position
  }

  at(index: number): number {
    return this.list[index] as number
  }
}
