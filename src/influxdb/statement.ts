/** What the statements of a query do: which kind each is, and which databases it reads or changes. */

import { InfluxqlReader, type MeasurementPath, type PathName } from './influxql-reader.ts'
import type { InfluxqlScanner, TokenType } from './influxql-scanner.ts'

/**
 * Which databases a statement is about:
 * - `sources`: the databases that FROM and ON name, else the request's;
 * - `on`: the database that ON names, else the whole server;
 * - `name`: the database named after the first words;
 * - `server`: the whole server.
 */
type Scope = 'sources' | 'on' | 'name' | 'server'

/** Every kind of statement by its first words, as InfluxDB's parser has them. */
const KINDS = {
  'ALTER RETENTION POLICY': ['change', 'on'],
  'CREATE CONTINUOUS QUERY': ['change', 'on'],
  'CREATE DATABASE': ['change', 'name'],
  'CREATE RETENTION POLICY': ['change', 'on'],
  'CREATE SUBSCRIPTION': ['change', 'on'],
  'CREATE USER': ['change', 'server'],
  DELETE: ['change', 'sources'],
  'DROP CONTINUOUS QUERY': ['change', 'on'],
  'DROP DATABASE': ['change', 'name'],
  'DROP MEASUREMENT': ['change', 'sources'],
  'DROP RETENTION POLICY': ['change', 'on'],
  'DROP SERIES': ['change', 'sources'],
  'DROP SHARD': ['change', 'server'],
  'DROP SUBSCRIPTION': ['change', 'on'],
  'DROP USER': ['change', 'server'],
  'EXPLAIN SELECT': ['read', 'sources'],
  'EXPLAIN ANALYZE SELECT': ['read', 'sources'],
  GRANT: ['change', 'on'],
  'KILL QUERY': ['change', 'server'],
  REVOKE: ['change', 'on'],
  SELECT: ['read', 'sources'],
  'SET PASSWORD FOR': ['change', 'server'],
  'SHOW CONTINUOUS QUERIES': ['read', 'server'],
  'SHOW DATABASES': ['read', 'server'],
  'SHOW DIAGNOSTICS': ['read', 'server'],
  'SHOW FIELD KEY': ['read', 'sources'],
  'SHOW FIELD KEYS': ['read', 'sources'],
  'SHOW GRANTS FOR': ['read', 'server'],
  'SHOW MEASUREMENT': ['read', 'sources'],
  'SHOW MEASUREMENTS': ['read', 'sources'],
  'SHOW QUERIES': ['read', 'server'],
  'SHOW RETENTION POLICIES': ['read', 'sources'],
  'SHOW SERIES': ['read', 'sources'],
  'SHOW SHARD GROUPS': ['read', 'server'],
  'SHOW SHARDS': ['read', 'server'],
  'SHOW STATS': ['read', 'server'],
  'SHOW SUBSCRIPTIONS': ['read', 'server'],
  'SHOW TAG KEY': ['read', 'sources'],
  'SHOW TAG KEYS': ['read', 'sources'],
  'SHOW TAG VALUES': ['read', 'sources'],
  'SHOW USERS': ['read', 'server'],
} as const satisfies Readonly<Record<string, readonly ['read' | 'change', Scope]>>

type Head = keyof typeof KINDS

/** The word that stands before the name of the user that a statement changes. */
const WORD_BEFORE_USER: Readonly<Partial<Record<StatementKind, TokenType>>> = {
  'CREATE USER': 'USER',
  'DROP USER': 'USER',
  GRANT: 'TO',
  REVOKE: 'FROM',
  'SET PASSWORD FOR': 'FOR',
}

/**
 * The first words of a statement, or `SELECT INTO`. `unknown` is a statement that InfluxDB 1.x would
 * reject, or that only a newer one has.
 *
 * `SHOW QUERIES`, `KILL QUERY` and `DROP SHARD` are about what each server numbers for itself.
 */
export type StatementKind = Head | 'SELECT INTO' | 'unknown'

export interface Statement {
  readonly kind: StatementKind
  /** What cannot be classified is a change. */
  readonly effect: 'read' | 'change'
  /** The databases that it reads. A database that it only changes is not among them. */
  readonly reads: readonly string[]
  /** The databases that it changes. */
  readonly changes: readonly string[]
  /** The users that it changes. */
  readonly users: readonly string[]
  /** Whether it says which retention policy is a database's default. */
  readonly setsDefault: boolean
  /** Whether it reads or changes something of the whole server, or of databases it does not name. */
  readonly isServerWide: boolean
  /** Where its first token begins in the text, and where its last one ends. */
  readonly start: number
  readonly end: number
}

/** What a request says besides its statements. */
export interface QueryContext {
  /** The parameter `db`; empty if there is none. */
  readonly database: string
  readonly parameters?: Parameters
}

/** A request's `params`, parsed: the values of `$name` in its statements. */
export type Parameters = Readonly<Record<string, unknown>>

/**
 * The statements of a query's text, in order.
 *
 * A text that InfluxDB 1.x cannot scan ends with a statement of kind `unknown` that reaches from the
 * statement with the fault to the end. The time it takes grows with the length of the text.
 */
export function statementsOf(text: string, context: QueryContext): Statement[] {
  const reader = new InfluxqlReader(text)
  const statements: Statement[] = []
  for (let type = reader.next(); type !== 'end'; type = reader.next()) {
    if (type === ';') continue
    const [statement, last] = readStatement(reader, context, type)
    statements.push(statement)
    if (last !== ';') break
  }
  return statements
}

/**
 * A request's `q` as InfluxDB parses it: without the white space around it, which is all of Unicode's;
 * within the text, only spaces, tabs and line ends are white space.
 */
export function trimmedQuery(q: string): string {
  let [start, end] = [0, q.length]
  while (start < end && isUnicodeSpace(q.charCodeAt(start))) start++
  while (end > start && isUnicodeSpace(q.charCodeAt(end - 1))) end--
  return q.slice(start, end)
}

const OTHER_SPACES = [0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]

function isUnicodeSpace(code: number): boolean {
  const isAscii = code === 0x20 || (code >= 0x09 && code <= 0x0d)
  return isAscii || (code >= 0x2000 && code <= 0x200a) || OTHER_SPACES.includes(code)
}

/** Reads the statement whose first token has been read, and the token behind it. */
function readStatement(
  reader: InfluxqlReader,
  context: QueryContext,
  first: TokenType,
): [statement: Statement, last: TokenType] {
  const { scanner } = reader
  const { start } = scanner
  const databases = new Databases(context)
  let words: Words | undefined = HEADS
  let kind: StatementKind = 'unknown'
  let isName = false
  let end = start
  let previous: TokenType = ''
  for (let type = first; ; type = reader.next()) {
    if (reader.endedPath) databases.addMeasurement(reader.endedPath)
    if (type === ';' || type === 'end') return [databases.statement(kind, start, end), type]
    end = scanner.end
    if (type === 'fault') return [databases.statement('unknown', start, end), type]
    if (isName || previous === 'ON') databases.addName(scanner)
    if (previous === WORD_BEFORE_USER[kind]) databases.addUser(scanner)
    if (type === 'DEFAULT') databases.setsDefault = true
    isName = false
    const next: Words | Head | undefined = words?.get(type)
    if (typeof next === 'string') {
      kind = next
      isName = KINDS[next][1] === 'name'
    } else if (kind === 'SELECT' && type === 'INTO' && reader.depth === 0) {
      kind = 'SELECT INTO'
    }
    words = typeof next === 'object' ? next : undefined
    previous = type
  }
}

/** The words that can follow others at the beginning of a statement; a head if they are complete. */
type Words = Map<TokenType, Words | Head>

const HEADS: Words = new Map()
for (const head of Object.keys(KINDS) as Head[]) {
  const words = head.split(' ')
  const last = words.pop() as string
  let node = HEADS
  for (const word of words) {
    const next = node.get(word) ?? new Map()
    node.set(word, next)
    node = next as Words
  }
  node.set(last, head)
}

/** The databases that a statement names, and what follows from its kind. */
class Databases {
  private readonly context: QueryContext
  private readonly sources = new Set<string>()
  private readonly targets = new Set<string>()
  /** The name behind ON, or behind the first words. */
  private name: string | undefined
  setsDefault = false
  private readonly users = new Set<string>()
  private hasSource = false
  private hasBareSource = false
  /** Whether a name is a wildcard, or a parameter without a value. */
  private isAny = false

  constructor(context: QueryContext) {
    this.context = context
  }

  addMeasurement({ clause, depth, database }: MeasurementPath): void {
    if (clause === 'into' && depth > 0) return // a subquery writes nothing
    const name = database && this.valueOf(database)
    if (clause === 'into') {
      this.targets.add(name || this.context.database)
    } else {
      this.hasSource = true
      if (name) this.sources.add(name)
      else this.hasBareSource = true
    }
  }

  addName(scanner: InfluxqlScanner): void {
    const isParameter = scanner.type === 'parameter'
    if (!isParameter && scanner.type !== 'identifier') this.isAny = true
    else this.name ??= this.valueOf({ name: scanner.name, isParameter })
  }

  addUser({ type, name }: InfluxqlScanner): void {
    if (type === 'identifier') this.users.add(name)
  }

  statement(kind: StatementKind, start: number, end: number): Statement {
    const { setsDefault } = this
    const rest = { users: [...this.users], setsDefault, start, end }
    const [effect, scope] = kind in KINDS ? KINDS[kind as Head] : (['change', 'server'] as const)
    if (kind === 'SELECT INTO') {
      const [reads, changes] = [this.read(), known(this.targets)]
      return { kind, effect, reads, changes, isServerWide: this.isAny, ...rest }
    }
    const names = scope === 'sources' ? this.read() : this.named(scope)
    const isServerWide = this.isAny || scope === 'server' || (scope !== 'sources' && !names.length)
    const [reads, changes] = effect === 'read' ? [names, []] : [[], names]
    return { kind, effect, reads, changes, isServerWide, ...rest }
  }

  /** The databases that FROM and ON name; the request's for a source without one, unless ON names one. */
  private read(): string[] {
    const names = new Set(this.sources)
    if (this.name !== undefined) names.add(this.name)
    else if (this.hasBareSource || !this.hasSource) names.add(this.context.database)
    return known(names)
  }

  private named(scope: Scope): string[] {
    return scope === 'server' ? [] : known(new Set([this.name ?? '']))
  }

  /** Undefined, and any database, if it is a parameter that has no identifier as its value. */
  private valueOf({ name, isParameter }: PathName): string | undefined {
    const value = isParameter ? identifierOf(this.context.parameters, name) : name
    if (value === undefined) this.isAny = true
    return value
  }
}

/** Without the empty name, which a request without a database leaves. */
const known = (names: ReadonlySet<string>) => [...names].filter((name) => name !== '')

/** A parameter's value if it is `{"identifier": name}` or `{"ident": name}`, as InfluxDB binds it. */
export function identifierOf(parameters: Parameters | undefined, name: string): string | undefined {
  const value = parameters && Object.hasOwn(parameters, name) ? parameters[name] : undefined
  if (typeof value !== 'object' || value === null) return undefined
  const [[key, identifier] = [], ...others] = Object.entries(value)
  const isIdentifier = (key === 'ident' || key === 'identifier') && others.length === 0
  return isIdentifier && typeof identifier === 'string' ? identifier : undefined
}
