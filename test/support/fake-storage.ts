/** Files and folders of a fake disk, each as it is and as it would be after a power cut. */

/** Returns a number in [0, 1), as a seeded generator does. */
export type Random = () => number

export type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }

/** A file, independent of its names. */
export class Inode {
  readonly content: Content
  private readonly durable: Content
  private unsynced: Change[] = []

  constructor(bytes: Uint8Array) {
    this.content = new Content(bytes)
    this.durable = new Content(bytes)
  }

  change(change: Change): void {
    this.content.apply(change)
    this.unsynced.push(change)
  }

  sync(): void {
    for (const change of this.unsynced) this.durable.apply(change)
    this.unsynced = []
  }

  /** After a failed sync: unsynced bytes can still be read, but no later sync writes them. */
  forget(): void {
    this.unsynced = []
  }

  syncedBytes(): Uint8Array {
    return this.durable.bytes()
  }

  afterCrash(random: Random): Inode {
    const content = new Content(this.durable.bytes())
    for (const change of this.unsynced) {
      const fate = Math.floor(random() * 4)
      if (fate === 1) content.apply(change)
      else if (fate > 1 && change.kind === 'write') content.apply(torn(change, fate === 2, random))
    }
    return new Inode(content.bytes())
  }
}

/** A part of a write, or zeros of its length with a part of it in them. */
function torn(
  { offset, bytes }: Change & { kind: 'write' },
  zeros: boolean,
  random: Random,
): Change {
  // In most cases only the end is missing.
  const [from, to] = [random() < 0.5 ? 0 : random(), random()]
    .map((share) => Math.floor(share * (bytes.length + 1)))
    .sort((a, b) => a - b) as [number, number]
  if (!zeros) return { kind: 'write', offset: offset + from, bytes: bytes.subarray(from, to) }
  const rest = new Uint8Array(bytes.length)
  rest.set(bytes.subarray(from, to), from)
  return { kind: 'write', offset, bytes: rest }
}

/** Bytes that can grow. */
class Content {
  size: number
  private buffer: Uint8Array

  constructor(bytes: Uint8Array) {
    this.buffer = bytes.slice()
    this.size = bytes.length
  }

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.size)
  }

  read(offset: number, length: number): Uint8Array {
    return this.buffer.slice(Math.min(offset, this.size), Math.min(offset + length, this.size))
  }

  apply(change: Change): void {
    if (change.kind === 'truncate') {
      this.grow(change.size)
      this.buffer.fill(0, change.size, this.size)
      this.size = change.size
    } else if (change.bytes.length > 0) {
      const end = change.offset + change.bytes.length
      this.grow(end)
      this.buffer.set(change.bytes, change.offset)
      this.size = Math.max(this.size, end)
    }
  }

  private grow(size: number): void {
    if (size <= this.buffer.length) return
    const buffer = new Uint8Array(Math.max(size, this.buffer.length * 2))
    buffer.set(this.bytes())
    this.buffer = buffer
  }
}

interface NameChange {
  readonly remove?: string
  readonly add?: readonly [name: string, node: Inode | Folder]
  /** The rename that it is one half of. */
  readonly move?: Move
}

/** A rename from one folder to another: a power cut undoes both halves or none. */
interface Move {
  readonly halves: (readonly [folder: Folder, change: NameChange])[]
  isKept?: boolean
}

export class Folder {
  readonly entries: Map<string, Inode | Folder>
  readonly durable: Map<string, Inode | Folder>
  private unsynced: NameChange[] = []

  constructor(entries: Iterable<readonly [string, Inode | Folder]> = []) {
    this.entries = new Map(entries)
    this.durable = new Map(this.entries)
  }

  change(change: NameChange): void {
    applyTo(this.entries, change)
    this.unsynced.push(change)
  }

  sync(): void {
    for (const change of this.unsynced) {
      applyTo(this.durable, change)
      if (!change.move || change.move.isKept) continue
      change.move.isKept = true
      for (const [folder, half] of change.move.halves) applyTo(folder.durable, half)
    }
    this.unsynced = []
  }

  /** Renames an entry of this folder to one of another. */
  moveTo(target: Folder, from: string, [to, node]: readonly [string, Inode | Folder]): void {
    const move: Move = { halves: [] }
    const added: NameChange = { add: [to, node], move }
    const removed: NameChange = { remove: from, move }
    move.halves.push([target, added], [this, removed])
    target.change(added)
    this.change(removed)
  }

  /** @param seen the result for each node: a file may have two names */
  afterCrash(random: Random, seen: Map<Inode | Folder, Inode | Folder>): Folder {
    const entries = new Map(this.durable)
    for (const change of this.unsynced) {
      const { move } = change
      if (move) move.isKept ??= random() < 0.5
      if (move ? move.isKept : random() < 0.5) applyTo(entries, change)
    }
    for (const [name, node] of entries) {
      const left = seen.get(node) ?? node.afterCrash(random, seen)
      seen.set(node, left)
      entries.set(name, left)
    }
    return new Folder(entries)
  }

  *files(path: string): Generator<[path: string, bytes: Uint8Array]> {
    for (const [name, node] of this.entries) {
      const own = path === '' ? name : `${path}/${name}`
      if (node instanceof Folder) yield* node.files(own)
      else yield [own, node.content.bytes()]
    }
  }

  *folders(path: string): Generator<string> {
    for (const [name, node] of this.entries) {
      const own = path === '' ? name : `${path}/${name}`
      if (!(node instanceof Folder)) continue
      yield own
      yield* node.folders(own)
    }
  }

  *syncedFiles(path: string): Generator<[path: string, bytes: Uint8Array]> {
    for (const [name, node] of this.durable) {
      const own = path === '' ? name : `${path}/${name}`
      if (node instanceof Folder) yield* node.syncedFiles(own)
      else yield [own, node.syncedBytes()]
    }
  }

  /** The folder at a path. With `make` it is created and synced. */
  folder(path: string, make = false): Folder {
    let folder: Folder = this
    for (const name of namesIn(path)) {
      let next = folder.entries.get(name)
      if (!next && make) {
        next = new Folder()
        folder.entries.set(name, next)
        folder.durable.set(name, next)
        // Its name is synced: the removal of an earlier folder with the same name cannot come after it.
        folder.unsynced = folder.unsynced.filter(({ remove }) => remove !== name)
      }
      if (!next) throw diskError('ENOENT', path)
      if (!(next instanceof Folder)) throw diskError('ENOTDIR', path)
      folder = next
    }
    return folder
  }

  /** The folder of a path's last name, and that name. */
  place(path: string, make = false): { folder: Folder; name: string } {
    const names = namesIn(path)
    const name = names.pop()
    if (name === undefined) throw diskError('EISDIR', path)
    return { folder: this.folder(names.join('/'), make), name }
  }

  node(path: string): Inode | Folder {
    const { folder, name } = this.place(path)
    const node = folder.entries.get(name)
    if (!node) throw diskError('ENOENT', path)
    return node
  }

  file(path: string): Inode {
    const node = this.node(path)
    if (node instanceof Folder) throw diskError('EISDIR', path)
    return node
  }
}

function applyTo(entries: Map<string, Inode | Folder>, { remove, add }: NameChange): void {
  if (remove !== undefined) entries.delete(remove)
  if (add) entries.set(add[0], add[1])
}

function namesIn(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

export function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
