/** Places in a body, in order: cheaper by the thousand than an array of numbers, if it is used again. */

const FIRST_ROOM = 1024

/** More room than for so many is given back when the list is emptied. */
const MAX_ROOM = 64 * 1024

export class Places {
  length = 0
  private list = new Int32Array(FIRST_ROOM)

  clear(): void {
    this.length = 0
    if (this.list.length > MAX_ROOM) this.list = new Int32Array(FIRST_ROOM)
  }

  add(place: number): void {
    this.makeRoom(1)
    this.list[this.length++] = place
  }

  addAll(places: Int32Array): void {
    this.makeRoom(places.length)
    this.list.set(places, this.length)
    this.length += places.length
  }

  at(index: number): number {
    return this.list[index] as number
  }

  /** As many as there are, up to `limit`, from the one at `index` on. */
  slice(index: number, limit: number): Int32Array {
    return this.list.subarray(index, Math.min(index + limit, this.length))
  }

  private makeRoom(count: number): void {
    const { list } = this
    if (this.length + count <= list.length) return
    this.list = new Int32Array(Math.max(this.length + count, list.length * 2))
    this.list.set(list)
  }
}
