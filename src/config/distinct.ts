/** Values that no two tables of the configuration may share. */

import * as v from 'valibot'
import type { KeyPath } from './toml-line.ts'

/** A value and where it is in the file. */
export type Placed = readonly [value: string | undefined, path: KeyPath]

/**
 * A check that no two values are the same. It ignores undefined ones. For a value that is repeated it raises
 * an issue at each of its places, the last place first, with the same message.
 *
 * @param what the kind of value, and so the beginning of the message: `relay name`
 */
export function distinct<Input>(what: string, valuesOf: (input: Input) => readonly Placed[]) {
  return v.rawCheck<Input>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const places = new Map<string, KeyPath[]>()
    for (const [value, path] of valuesOf(dataset.value)) {
      if (value !== undefined) places.set(value, [path, ...(places.get(value) ?? [])])
    }
    for (const [value, paths] of places) {
      if (paths.length < 2) continue
      const message = `duplicate ${what} "${value}"`
      for (const path of paths) addIssue({ message, path: issuePath(path) })
    }
  })
}

/** Keys in the form in which valibot names the place of an issue. */
function issuePath(path: KeyPath): [v.IssuePathItem, ...v.IssuePathItem[]] {
  const items = path.map(
    (key): v.IssuePathItem => ({
      type: 'unknown',
      origin: 'value',
      input: undefined,
      key,
      value: undefined,
    }),
  )
  return items as [v.IssuePathItem, ...v.IssuePathItem[]]
}
