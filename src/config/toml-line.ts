/** Finds the line of a TOML file on which a key stands, for error messages. */

import { type AST, parseTOML } from 'toml-eslint-parser'

/** Keys and array positions that lead to a value: `['http', 0, 'output', 1, 'timeout']`. */
export type KeyPath = readonly (string | number)[]

/**
 * The line, from 1, of the value at `path` or, if there is none, of the innermost table around it.
 *
 * @param source valid TOML
 */
export function lineOf(source: string, path: KeyPath): number {
  let best = { depth: 0, line: 1 }
  const visit = (at: KeyPath, node: AST.TOMLNode) => {
    const depth = Math.min(at.length, path.length)
    if (!at.slice(0, depth).every((part, i) => part === path[i])) return
    if (depth > best.depth) best = { depth, line: node.loc.start.line }
    if (at.length > path.length) return
    for (const [below, child] of childrenOf(node)) visit([...at, ...below], child)
  }
  visit([], parseTOML(source).body[0])
  return best.line
}

/** The parts of a node that hold values, with the keys that lead to them. */
function childrenOf(node: AST.TOMLNode): [KeyPath, AST.TOMLNode][] {
  switch (node.type) {
    case 'TOMLTopLevelTable':
    case 'TOMLInlineTable':
      return node.body.map(withKey)
    case 'TOMLTable':
      return node.body.map(withKey)
    case 'TOMLKeyValue':
      return [[[], node.value]]
    case 'TOMLArray':
      return node.elements.map((element, i) => [[i], element])
    default:
      return []
  }
}

function withKey(node: AST.TOMLKeyValue | AST.TOMLTable): [KeyPath, AST.TOMLNode] {
  if (node.type === 'TOMLTable') return [node.resolvedKey, node]
  return [node.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value)), node]
}
