/** The clauses of InfluxQL statements: enough grammar to tell a slash from a regular expression. */

import { InfluxqlScanner, type Slash, type TokenType } from './influxql-scanner.ts'

/** The clause of a statement, or of a subquery, that a token belongs to. */
export type Clause = 'fields' | 'into' | 'sources' | 'where' | 'group' | 'other'

/** A measurement as FROM, INTO or WITH MEASUREMENT names it. */
export interface MeasurementPath {
  readonly clause: Clause
  /** How many subqueries it is in. */
  readonly depth: number
  /** Undefined if the path names none. The name may be empty, which means none, too. */
  readonly database: PathName | undefined
}

/** A name in a path: of an identifier, or of a parameter that stands for one. */
export interface PathName {
  readonly name: string
  readonly isParameter: boolean
}

/** `database.policy.measurement` has three segments; only then the first is a database. */
const SEGMENTS_WITH_DATABASE = 3

interface Path {
  readonly first: PathName | undefined
  segments: number
}

/** Where a token is in a list of measurements: before one, in one, behind a dot in one, behind one. */
type Place = 'start' | 'path' | 'dot' | 'end' | 'none'

/** A statement or a subquery. */
interface Level {
  clause: Clause
  place: Place
  path: Path | undefined
  /** The open parentheses that are not those of a subquery: whether each is that of a call. */
  readonly calls: boolean[]
}

const CLAUSES: Readonly<Record<string, Clause>> = {
  ...{ SELECT: 'fields', INTO: 'into', WHERE: 'where', GROUP: 'group' },
  ...{ ORDER: 'other', LIMIT: 'other', OFFSET: 'other', SLIMIT: 'other', SOFFSET: 'other' },
  ...{ END: 'other' },
}

/** Tokens that can end an operand. Behind one, a slash divides, and a name begins `fill()` or `tz()`. */
const ENDS_OPERAND = new Set([
  ...['identifier', 'parameter', 'string', 'number', 'duration', 'regex'],
  ...['TRUE', 'FALSE', 'FIELD', 'TAG', ')', '*'],
])

/** Reads tokens, and keeps track of the clause and the measurement that they belong to. */
export class InfluxqlReader {
  readonly scanner: InfluxqlScanner
  /** The measurement that ended with or before this token. */
  endedPath: MeasurementPath | undefined
  private levels: Level[] = [newLevel()]
  private previous: TokenType = ';'
  private isRevoke = false
  private slash: Slash = 'fault'

  constructor(text: string) {
    this.scanner = new InfluxqlScanner(text)
  }

  /** How many subqueries a token is in. */
  get depth(): number {
    return this.levels.length - 1
  }

  /** Open parentheses in this statement or subquery. */
  get parentheses(): number {
    return this.level.calls.length
  }

  get clause(): Clause {
    return this.level.clause
  }

  private get level(): Level {
    return this.levels[this.levels.length - 1] as Level
  }

  /** Reads the next token. Between statements it is `;`, behind the last one `end` or `fault`. */
  next(): TokenType {
    const { scanner, previous } = this
    this.endedPath = undefined
    const type = scanner.next(this.slash)
    this.follow(type)
    if (type === '(') this.open()
    else if (type === ')' && !this.close()) return this.fail()
    else if (type === ';' || type === 'end') {
      if (this.depth > 0 || this.parentheses > 0) return this.fail()
      this.levels = [newLevel()]
    }
    if (previous === ';') this.isRevoke = type === 'REVOKE'
    this.enterClause(type)
    this.slash = this.slashBehind(type)
    this.previous = type
    return type
  }

  /** What a slash behind a token is: InfluxDB's parser looks for regular expressions in few places. */
  private slashBehind(type: TokenType): Slash {
    const { level, scanner } = this
    const isInCall = level.calls.at(-1)
    const isRegex =
      type === 'SELECT' ||
      type === '=~' ||
      type === '!~' ||
      (type === '(' && isInCall) ||
      (type === 'BY' && this.previous === 'GROUP') ||
      (type === ',' && (isInCall ?? ['fields', 'group'].includes(level.clause))) ||
      (level.clause === 'sources' && level.place === 'start') ||
      (level.clause === 'sources' && level.place === 'dot' && scanner.text[scanner.end] === '/')
    if (isRegex) return 'regex'
    // InfluxDB reads "a./b" as a division, where it is not a measurement.
    return type === '.' || ENDS_OPERAND.has(type) ? 'division' : 'fault'
  }

  /** Moves along a list of measurements. */
  private follow(type: TokenType): void {
    const { level, scanner } = this
    if (level.place === 'start') {
      if (isName(type)) {
        const first = { name: scanner.name, isParameter: type === 'parameter' }
        level.path = { first, segments: 1 }
        level.place = 'path'
      } else {
        if (type === 'regex') this.endPath({ first: undefined, segments: 1 })
        level.place = type === 'regex' || type === '(' ? 'end' : 'none'
      }
    } else if (level.path) {
      this.followPath(level, level.path, type)
    } else if (level.place === 'end') {
      level.place = type === ',' ? 'start' : 'none'
    }
  }

  private followPath(level: Level, path: Path, type: TokenType): void {
    const { isAdjacent } = this.scanner
    if (level.place === 'path' && type === '.' && isAdjacent) {
      level.place = 'dot'
    } else if (level.place === 'dot' && (isName(type) || (type === '.' && isAdjacent))) {
      path.segments++
      if (isName(type)) level.place = 'path'
    } else {
      // db.rp./x/ and, in INTO, db.rp.:MEASUREMENT
      const isLastSegment = level.place === 'dot' && (type === 'regex' || type === ':')
      if (isLastSegment) path.segments++
      this.endPath(path)
      level.path = undefined
      if (isLastSegment) level.place = 'end'
      else level.place = type === ',' && level.clause === 'sources' ? 'start' : 'none'
    }
  }

  private endPath({ first, segments }: Path): void {
    const database = segments === SEGMENTS_WITH_DATABASE ? first : undefined
    this.endedPath = { clause: this.level.clause, depth: this.depth, database }
  }

  private open(): void {
    // follow() has taken a parenthesis that begins a subquery for the end of a measurement.
    if (this.level.place === 'end') {
      this.levels.push(newLevel())
    } else {
      const isCall = this.previous === 'DISTINCT' || isName(this.previous)
      this.level.calls.push(isCall && this.scanner.isAdjacent)
    }
  }

  /** @returns false if nothing is open */
  private close(): boolean {
    if (this.level.calls.pop() !== undefined) return true
    return this.depth > 0 && this.levels.pop() !== undefined
  }

  private enterClause(type: TokenType): void {
    const { level, previous } = this
    const isMeasurement = previous === 'MEASUREMENT' && (type === '=' || type === '=~')
    const isSources = isMeasurement || (type === 'FROM' && !this.isRevoke)
    if (isSources || type === 'INTO') level.place = 'start'
    if (isSources) level.clause = 'sources'
    else if (this.isTail(type)) level.clause = 'other'
    else level.clause = CLAUSES[type] ?? level.clause
  }

  /** Whether a token begins `fill()` or `tz()`, the only names that stand directly behind an operand. */
  private isTail(type: TokenType): boolean {
    const { clause, calls } = this.level
    const hasTail = clause === 'sources' || clause === 'where' || clause === 'group'
    return hasTail && calls.length === 0 && type === 'identifier' && ENDS_OPERAND.has(this.previous)
  }

  /** What follows cannot be read, though its tokens can. */
  private fail(): TokenType {
    this.scanner.fail()
    return 'fault'
  }
}

const isName = (type: TokenType) => type === 'identifier' || type === 'parameter'

const newLevel = (): Level => ({ clause: 'other', place: 'none', path: undefined, calls: [] })
