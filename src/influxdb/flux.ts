/**
 * What the relay must know of a Flux script: which buckets it reads, and whether it may write.
 *
 * The script is read as tokens. Flux has strings with interpolated code (`"${...}"`), line comments, and regular
 * expressions, which begin where a value may stand.
 */

export interface FluxScript {
  /** The databases of its buckets; `all` if it may read others. */
  readonly databases: ReadonlySet<string> | 'all'
  /** The name of a function that writes; undefined if there is none. */
  readonly writer: string | undefined
}

/** Functions that write, in whatever package. */
const WRITERS = new Set(['to', 'wideTo'])

/** Functions that read from every database. */
const SERVER_WIDE = new Set(['buckets', 'databases'])

/** Words after which a value stands. */
const BEFORE_VALUE = new Set(['and', 'or', 'not', 'if', 'then', 'else', 'return', 'exists'])

interface Token {
  readonly type: 'word' | 'string' | 'other'
  /** The word, the content of the string, or the character. */
  readonly text: string
}

/** A number or a regular expression. */
const VALUE: Token = { type: 'other', text: '0' }

export function readFlux(script: string): FluxScript {
  const databases = new Set<string>()
  let isServerWide = false
  let writer: string | undefined
  /** The tokens before the current one, the last one first. */
  let before: readonly Token[] = []
  for (const token of tokensOf(script)) {
    const [first, second, third] = before
    if (first?.type === 'word') {
      if (WRITERS.has(first.text) && token.text !== ':') writer ??= first.text
      if (SERVER_WIDE.has(first.text)) isServerWide = true
    }
    if (third?.type === 'word' && third.text === 'bucket' && second?.text === ':') {
      const [database = ''] = first?.type === 'string' ? first.text.split('/') : []
      const isWhole =
        database !== '' && !/[\\$]/.test(first?.text ?? '') && /^[,)}]$/.test(token.text)
      if (isWhole) databases.add(database)
      else isServerWide = true
    }
    before = [token, ...before.slice(0, 2)]
  }
  return { databases: isServerWide || databases.size === 0 ? 'all' : databases, writer }
}

const SPACE = /(?:\s|\/\/[^\n]*)+/y
const WORD = /[\p{L}_][\p{L}\p{N}_]*/uy
const REGEX = /\/(?:[^/\\]|\\[\s\S])*\//y
const NUMBER = /\d\w*/y
const STRING_PART = /(?:[^"\\$]|\\[\s\S]|\$(?!\{))*/y

/** The tokens in order, and one at the end without a text. Those of code in a string come after its beginning. */
function* tokensOf(script: string): Generator<Token> {
  let last: Token | undefined
  /** How many braces are open in each piece of code inside a string. */
  const braces: number[] = []
  let at = 0
  const take = (expression: RegExp) => {
    expression.lastIndex = at
    const [match] = expression.exec(script) ?? ['']
    at += match.length
    return match
  }
  /** Takes the rest of a string, up to its end or to code in it. */
  const takeString = (): Token => {
    const text = take(STRING_PART)
    const isCode = script[at] === '$'
    at += isCode ? 2 : 1
    if (isCode) braces.push(0)
    return { type: 'string', text: isCode ? `${text}$` : text }
  }
  const next = (): Token => {
    const word = take(WORD)
    if (word !== '') return { type: 'word', text: word }
    if (take(NUMBER) !== '') return VALUE
    const character = script[at] as string
    if (character === '/' && mayBeValue(last)) {
      // Without an end, Flux reads no script in it.
      if (take(REGEX) === '') at = script.length
      return VALUE
    }
    at++
    if (character === '"') return takeString()
    const depth = braces.at(-1)
    if (depth === undefined) return { type: 'other', text: character }
    if (character === '}' && depth === 0) {
      braces.pop()
      return takeString()
    }
    if (character === '{') braces[braces.length - 1] = depth + 1
    if (character === '}') braces[braces.length - 1] = depth - 1
    return { type: 'other', text: character }
  }
  for (;;) {
    take(SPACE)
    if (at >= script.length) break
    last = next()
    yield last
  }
  yield { type: 'other', text: '' }
}

/** Whether a value may stand behind a token. */
function mayBeValue(last: Token | undefined): boolean {
  if (!last) return true
  if (last.type === 'word') return BEFORE_VALUE.has(last.text)
  return last.type === 'other' && !/[0)\]}]/.test(last.text)
}
