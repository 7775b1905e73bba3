/** A deliberate bug: a piece of src, wherever it stands, and what replaces it. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findPattern, type Token, tokensOf } from './pattern.ts'

export interface Mutant {
  readonly name: string
  /** The promise that no longer holds. */
  readonly breaks: string
  /** Decides between several files of src that have the code, in each of them once. */
  readonly file?: string
  /**
   * The code to replace, which src has exactly once. White space does not matter. `$a` stands for
   * any name or member chain, the same one wherever it occurs in this mutant.
   */
  readonly find: string
  readonly replace: string
}

/** A file of src. */
export interface Source {
  /** In `src`. */
  readonly file: string
  readonly text: string
  readonly tokens: readonly Token[]
}

const src = join(import.meta.dirname, '..', '..', 'src')

export async function readSources(): Promise<Source[]> {
  const files = (await readdir(src, { recursive: true })).filter((file) => file.endsWith('.ts'))
  return Promise.all(
    files.sort().map(async (file) => sourceOf(file, await readFile(join(src, file), 'utf8'))),
  )
}

export function sourceOf(file: string, text: string): Source {
  return { file, text, tokens: tokensOf(text) }
}

/**
 * Returns the file that the mutant changes, with its text changed.
 *
 * @throws if src has the mutant's code not at all, or more than once
 */
export function applyMutant(
  mutant: Mutant,
  sources: readonly Source[],
): Pick<Source, 'file' | 'text'> {
  const places = sources.flatMap((source) =>
    findPattern(mutant.find, source.tokens).map((match) => ({ source, match })),
  )
  const hinted = places.filter(({ source }) => source.file === mutant.file)
  const [place, ...others] = places.length > 1 ? hinted : places
  if (!place)
    throw new Error(places.length > 1 ? ambiguous(mutant, places) : stale(mutant, sources))
  if (others.length > 0) throw new Error(ambiguous(mutant, hinted))
  const { source, match } = place
  const { start, end, names } = match
  const replacement = mutant.replace.replace(/\$[a-z]\w*/g, (name) => names.get(name) ?? name)
  const text = source.text.slice(0, start) + replacement + source.text.slice(end)
  return { file: source.file, text }
}

type Place = { readonly source: Source; readonly match: { readonly start: number } }

function ambiguous({ name, find }: Mutant, places: readonly Place[]): string {
  const lines = places.map(({ source, match }) => `  ${at(source, match.start)}`)
  return `ambiguous mutant "${name}": src has this code ${places.length} times: ${find}\n${lines.join('\n')}`
}

function stale({ name, find }: Mutant, sources: readonly Source[]): string {
  const lines = nearest(find, sources).map((line) => `  ${line}`)
  return `stale mutant "${name}": src does not have this code: ${find}\nmost like it:\n${lines.join('\n')}`
}

function at({ file, text }: Source, offset: number): string {
  return `src/${file}:${text.slice(0, offset).split('\n').length}`
}

const CANDIDATES = 3

/** The lines of src that share most words with some code; a word counts more the rarer it is. */
function nearest(code: string, sources: readonly Source[]): string[] {
  const wordsOf = (text: string) => new Set(tokensOf(text).map((token) => token.text))
  const lines = sources.flatMap((source) => {
    const texts = source.text.split('\n')
    return texts.map((text, i) => ({
      file: source.file,
      number: i + 1,
      text,
      words: wordsOf(text),
    }))
  })
  const wanted = [...wordsOf(code)].filter((word) => /\w{2}/.test(word))
  const weights = wanted.map((word) => {
    const count = lines.filter(({ words }) => words.has(word)).length
    return [word, 1 / (1 + count)] as const
  })
  const scored = lines.map((line) => {
    const score = weights.reduce((sum, [word, w]) => sum + (line.words.has(word) ? w : 0), 0)
    return { ...line, score }
  })
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, CANDIDATES)
    .map(({ file, number, text }) => `src/${file}:${number}  ${text.trim()}`)
}
