/**
 * Finds code by its tokens, so that neither line breaks nor names that a pattern leaves open
 * matter.
 */

export interface Match {
  readonly start: number
  readonly end: number
  /** What each metavariable stands for. */
  readonly names: ReadonlyMap<string, string>
}

/** A word or a single character. */
export interface Token {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** Finds every place at which some code, as tokens, has the pattern. */
export function findPattern(pattern: string, tokens: readonly Token[]): Match[] {
  const wanted = tokensOf(pattern).map(({ text }) => text)
  const matches: Match[] = []
  const beginsOpen = isMetavariable(wanted[0] ?? '')
  for (let i = 0; i < tokens.length; i++) {
    if (beginsOpen && tokens[i - 1]?.text === '.') continue // a match began with the whole chain
    const match = matchAt(wanted, tokens, i)
    if (match) matches.push(match)
  }
  return matches
}

/** Without comments that have a line of their own, and without trailing commas. */
export function tokensOf(code: string): Token[] {
  const bare = code.replace(/^\s*(\/\/|\/\*|\*[ /]|\*$).*$/gm, (comment) =>
    ' '.repeat(comment.length),
  )
  const tokens = [...bare.matchAll(/\$[a-z]\w*|#?\w+|\S/g)].map(({ 0: text, index }) => ({
    ...{ text, start: index, end: index + text.length },
  }))
  return tokens.filter(({ text }, i) => text !== ',' || !/^[)\]}]$/.test(tokens[i + 1]?.text ?? ''))
}

function matchAt(wanted: readonly string[], tokens: readonly Token[], first: number) {
  const names = new Map<string, string>()
  const last = matchFrom(0, first)
  const [start, end] = [tokens[first]?.start, tokens[last - 1]?.end]
  if (last <= first || start === undefined || end === undefined) return undefined
  return { start, end, names }

  /** Matches the pattern from its nth token on; returns the index behind the match, or -1. */
  function matchFrom(nth: number, at: number): number {
    const token = wanted[nth]
    if (token === undefined) return at
    if (!isMetavariable(token)) return tokens[at]?.text === token ? matchFrom(nth + 1, at + 1) : -1
    const bound = names.get(token)
    for (let end = chainEnd(at); end !== undefined; end = longerChain(end)) {
      const text = tokens
        .slice(at, end)
        .map((one) => one.text)
        .join('')
      if (bound !== undefined && bound !== text) continue
      names.set(token, text)
      const behind = matchFrom(nth + 1, end)
      if (behind !== -1) return behind
      if (bound === undefined) names.delete(token)
    }
    return -1
  }

  function chainEnd(at: number): number | undefined {
    return /^#?[A-Za-z_]\w*$/.test(tokens[at]?.text ?? '') ? at + 1 : undefined
  }

  /** One more member, behind `.` or `?.`. */
  function longerChain(end: number): number | undefined {
    const dot = tokens[end]?.text === '?' ? end + 1 : end
    return tokens[dot]?.text === '.' ? chainEnd(dot + 1) : undefined
  }
}

const isMetavariable = (token: string) => /^\$./.test(token)
