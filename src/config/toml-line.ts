/** Finds the line of a TOML file on which a key stands, for error messages. */

import { parse } from 'smol-toml'

/** Keys and array positions that lead to a value: `['http', 0, 'output', 1, 'timeout']`. */
export type KeyPath = readonly (string | number)[]

/**
 * The line, from 1, of the value at `path` or, if there is none, of the innermost table around it.
 *
 * @param source valid TOML
 */
export function lineOf(source: string, path: KeyPath): number {
  let depth = 0
  let line = 1
  for (const found of keyPositions(source)) {
    const common = commonLength(found.path, path)
    if (common <= depth) continue
    depth = common
    line = source.slice(0, found.position).split('\n').length
  }
  return line
}

function commonLength(a: KeyPath, b: KeyPath): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

export interface KeyPosition {
  readonly path: KeyPath
  /** Characters before the key, the table's bracket, or the array's element. */
  readonly position: number
}

/**
 * All tables, keys and array elements, in order.
 *
 * @param source valid TOML
 */
export function keyPositions(source: string): KeyPosition[] {
  return new TomlScanner(source).scan()
}

const BLANK = /(?:\s|#.*)+/y
const HEADER = /\[\[?/y
const HEADER_END = /\s*\]\]?/y
const KEY = /(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*'|[ \t]|\.)+/y
const EQUALS = /=\s*/y
const MULTILINE_STRING = /"""(?:[^"\\]|\\[\s\S]|""?(?!"))*"{3,5}|'''(?:[^']|''?(?!'))*'{3,5}/y
const STRING = /"(?:[^"\\]|\\.)*"|'[^']*'/y
/** At least one character, so that a scan ends even if the source is not valid. */
const SCALAR = /[^,\]}#\n]+|[\s\S]/y

class TomlScanner {
  private readonly source: string
  private readonly found: KeyPosition[] = []
  /** How many tables each array of tables has, by its path as JSON. */
  private readonly lengths = new Map<string, number>()
  private position = 0

  constructor(source: string) {
    this.source = source
  }

  scan(): KeyPosition[] {
    let table: KeyPath = []
    while (this.hasMore()) {
      const { position } = this
      const brackets = this.take(HEADER)
      if (brackets === '') {
        this.keyAndValue(table)
      } else {
        table = this.resolve(this.key(), brackets === '[[')
        this.found.push({ path: table, position })
        this.take(HEADER_END)
      }
    }
    return this.found
  }

  /** Moves past white space and comments, and says whether anything follows. */
  private hasMore(): boolean {
    this.take(BLANK)
    return this.position < this.source.length
  }

  /** Moves past a match of a sticky expression. Returns the match, empty if there is none. */
  private take(expression: RegExp): string {
    expression.lastIndex = this.position
    const [match] = expression.exec(this.source) ?? ['']
    this.position += match.length
    return match
  }

  private key(): string[] {
    const keys: string[] = []
    let value: unknown = parse(`${this.take(KEY)} = 0`)
    while (typeof value === 'object' && value !== null) {
      const [entry] = Object.entries(value)
      if (!entry) break
      keys.push(entry[0])
      value = entry[1]
    }
    return keys
  }

  /** The path of a table from the keys in its header, which name no position in an array. */
  private resolve(keys: readonly string[], isArray: boolean): KeyPath {
    let path: KeyPath = []
    for (const [i, key] of keys.entries()) {
      path = [...path, key]
      const id = JSON.stringify(path)
      const before = this.lengths.get(id)
      const length = isArray && i === keys.length - 1 ? (before ?? 0) + 1 : before
      if (length === undefined) continue
      this.lengths.set(id, length)
      path = [...path, length - 1]
    }
    return path
  }

  private keyAndValue(table: KeyPath): void {
    const { position } = this
    const path = [...table, ...this.key()]
    this.found.push({ path, position })
    this.take(EQUALS)
    this.value(path)
  }

  private value(path: KeyPath): void {
    if (this.take(/\[/y)) this.elements(path)
    else if (this.take(/\{/y)) this.inlineTable(path)
    else if (!this.take(MULTILINE_STRING) && !this.take(STRING)) this.take(SCALAR)
  }

  private elements(array: KeyPath): void {
    for (let i = 0; this.hasMore() && !this.take(/\]/y); i++) {
      const path = [...array, i]
      this.found.push({ path, position: this.position })
      this.value(path)
      this.take(BLANK)
      this.take(/,/y)
    }
  }

  private inlineTable(table: KeyPath): void {
    while (this.hasMore() && !this.take(/\}/y)) {
      this.keyAndValue(table)
      this.take(BLANK)
      this.take(/,/y)
    }
  }
}
