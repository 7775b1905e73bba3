/** The tokens of InfluxQL, as the scanner of InfluxDB 1.x reads them. */

const KEYWORDS = new Set(
  `ALL ALTER ANALYZE AND ANY AS ASC BEGIN BY CARDINALITY CONTINUOUS CREATE DATABASE DATABASES DEFAULT
  DELETE DESC DESTINATIONS DIAGNOSTICS DISTINCT DROP DURATION END EVERY EXACT EXPLAIN FALSE FIELD FOR
  FROM GRANT GRANTS GROUP GROUPS IN INF INSERT INTO KEY KEYS KILL LIMIT MEASUREMENT MEASUREMENTS NAME
  OFFSET ON OR ORDER PASSWORD POLICIES POLICY PRIVILEGES QUERIES QUERY READ REPLICATION RESAMPLE
  RETENTION REVOKE SELECT SERIES SET SHARD SHARDS SHOW SLIMIT SOFFSET STATS SUBSCRIPTION SUBSCRIPTIONS
  TAG TO TRUE USER USERS VALUES WHERE WITH WRITE`.split(/\s+/),
)
const MAX_KEYWORD_LENGTH = Math.max(...[...KEYWORDS].map(({ length }) => length))

/**
 * A keyword in upper case, an operator or punctuation as it is written, or one of these:
 * `identifier`, `parameter` (`$name`), `string`, `number`, `duration`, `regex`, `end`, and `fault`,
 * which stands for the rest of a text that no InfluxDB 1.x can read.
 */
export type TokenType = string

/** What a slash is: the beginning of a regular expression, an operator, or an error. */
export type Slash = 'regex' | 'division' | 'fault'

const WHITESPACE = /[ \t\r\n]*/y
const LINE = /[^\r\n]*/y
const BARE = /[A-Za-z0-9_]*/y
const DIGITS = /[0-9]*/y
const UNITS = /[A-Za-zµ0-9]*/y
const SYMBOL = /=~|!=|!~|<=|<>|>=|::|[-+*/%&|^=<>(),;:.]/y

/**
 * Reads the tokens of a text one by one, in time that grows with its length, without recursion.
 *
 * Positions are offsets in the text. White space and comments are between tokens.
 */
export class InfluxqlScanner {
  readonly text: string
  type: TokenType = ''
  start = 0
  /** Where the token ends. */
  end = 0
  /** Where the token before it ended. */
  previousEnd = 0
  /** Where the quoted part of an identifier begins: `a"b"` is the identifier `b`, as in InfluxDB. */
  private nameStart = 0

  constructor(text: string) {
    this.text = text
    // InfluxDB takes a NUL for the end of the text in some places and skips it in others.
    if (text.includes('\0')) this.fail(0)
  }

  /**
   * Reads the next token. After `end` and `fault` it stays there.
   *
   * @param slash what a slash is that begins no comment; only the grammar tells
   */
  next(slash: Slash): TokenType {
    if (this.type === 'fault') return this.type
    this.previousEnd = this.end
    const first = matchEnd(WHITESPACE, this.text, this.end)
    if (slash === 'regex' && this.text[first] === '/') return this.regex(first)
    const start = this.skipComments(first)
    if (start < 0) return this.fail(first)
    // InfluxDB finds no regular expression behind a comment, and nothing else may stand there.
    if (slash !== 'division' && this.text[start] === '/') return this.fail(start)
    return this.token(start)
  }

  /** The name that an identifier or a parameter stands for. */
  get name(): string {
    const { text, type, nameStart, end } = this
    if (text[nameStart] !== '"')
      return text.slice(type === 'parameter' ? nameStart + 1 : nameStart, end)
    const quoted = text.slice(nameStart + 1, end - 1)
    return quoted.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
  }

  /** Whether nothing, not even white space, is between the token and the one before it. */
  get isAdjacent(): boolean {
    return this.start === this.previousEnd
  }

  private token(start: number): TokenType {
    const { text } = this
    const first = text[start]
    if (first === undefined) return this.found('end', start, start)
    if (first === "'") return this.found('string', start, quoteEnd(text, start))
    if (first === '$') return this.identifier('parameter', start, start + 1)
    if (first === '"' || first === '_' || isLetter(first)) {
      return this.identifier('identifier', start, start)
    }
    if (isDigit(first) || (first === '.' && isDigit(text[start + 1]))) return this.number(start)
    const end = matchEnd(SYMBOL, text, start)
    return end < 0 ? this.fail(start) : this.found(text.slice(start, end), start, end)
  }

  private identifier(type: TokenType, start: number, nameStart: number): TokenType {
    const { text } = this
    const bareEnd = matchEnd(BARE, text, nameStart)
    if (text[bareEnd] === '"') {
      this.nameStart = bareEnd
      return this.found(type, start, quoteEnd(text, bareEnd))
    }
    this.nameStart = start
    const word = text.slice(start, Math.min(bareEnd, start + MAX_KEYWORD_LENGTH + 1)).toUpperCase()
    return this.found(type === 'identifier' && KEYWORDS.has(word) ? word : type, start, bareEnd)
  }

  private number(start: number): TokenType {
    const { text } = this
    const end = matchEnd(DIGITS, text, start)
    if (text[end] === '.') return this.found('number', start, matchEnd(DIGITS, text, end + 1))
    const isDuration = isLetter(text[end] ?? '') || text[end] === 'µ'
    if (!isDuration) return this.found('number', start, end)
    return this.found('duration', start, matchEnd(UNITS, text, end))
  }

  /** A slash ends it, unless a backslash is before it, even the second of two. */
  private regex(start: number): TokenType {
    const { text } = this
    let end = start + 1
    while (text[end] !== '/' || (text[end - 1] === '\\' && end - 1 > start)) {
      if (end >= text.length || text[end] === '\n' || text[end] === '\r') return this.fail(start)
      end++
    }
    // In "SELECT /* why */ a" InfluxDB reads a regular expression, and rejects what it repeats.
    return text[start + 1] === '*' ? this.fail(start) : this.found('regex', start, end + 1)
  }

  /** Where the next token begins; -1 if a comment has no end. */
  private skipComments(from: number): number {
    const { text } = this
    let i = from
    for (;;) {
      if (text.startsWith('--', i)) {
        i = matchEnd(LINE, text, i)
      } else if (text.startsWith('/*', i)) {
        const end = text.indexOf('*/', i + 2)
        if (end < 0) return -1
        i = end + 2
      } else {
        return i
      }
      i = matchEnd(WHITESPACE, text, i)
    }
  }

  private found(type: TokenType, start: number, end: number): TokenType {
    if (end < 0) return this.fail(start)
    this.type = type
    this.start = start
    this.end = end
    return type
  }

  /** Takes the rest of the text, or the text from a position on, for a fault. */
  fail(start = this.start): TokenType {
    return this.found('fault', start, this.text.length)
  }
}

/** Where the match of a sticky expression at a position ends; -1 if there is none. */
function matchEnd(expression: RegExp, text: string, from: number): number {
  expression.lastIndex = from
  return expression.test(text) ? expression.lastIndex : -1
}

/** Where the string or quoted identifier ends whose quote is at `start`; -1 if it never does. */
function quoteEnd(text: string, start: number): number {
  const quote = text[start]
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i] as string
    if (character === quote) return i + 1
    if (character === '\n' || character === '\r') return -1
    if (character === '\\' && !'n\\"\''.includes(text[++i] ?? 'none')) return -1
  }
  return -1
}

function isLetter(character: string): boolean {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z')
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}
