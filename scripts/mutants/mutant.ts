/** A deliberate bug, made by changing the text of one file. */

export interface Mutant {
  readonly name: string
  /** What no longer holds. */
  readonly breaks: string
  /** In `src`. */
  readonly file: string
  /** What is replaced: text that the file has exactly once. */
  readonly find: string
  readonly replace: string
}

/** @throws if the text to replace is not there exactly once: the mutant is stale */
export function applyMutant({ name, file, find, replace }: Mutant, source: string): string {
  const found = source.split(find).length - 1
  if (found !== 1) {
    throw new Error(
      `stale mutant ${name}: src/${file} has its text ${found} times, not once: ${find}`,
    )
  }
  return source.replace(find, () => replace)
}
