/**
 * Reports files, lines, and the lengths of functions of TypeScript code:
 *
 *     npm run structure               src
 *     npm run structure -- DIR ...    these folders
 *
 * A function is anything with a body and a name: functions, methods, accessors, constructors, and
 * arrow functions that a variable or a property is named for. A callback counts as lines of the
 * function that it is in.
 */

import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseAst } from 'vitest/node'

interface Named {
  readonly name: string
  readonly lines: number
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const LONGEST = 5

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value

/** Calls back for every function that has a name, with the node that has both. */
function eachFunction(node: Node, found: (name: string, whole: Node) => void): void {
  const named = namedFunction(node)
  if (named !== undefined) found(named, node)
  for (const value of Object.values(node)) {
    const children = Array.isArray(value) ? value : [value]
    for (const child of children) if (isNode(child)) eachFunction(child, found)
  }
}

function namedFunction({ type, id, key, init, value, body }: Node): string | undefined {
  if (type === 'FunctionDeclaration') return body ? textOf(id) : undefined
  if (type === 'VariableDeclarator') return isFunction(init) ? textOf(id) : undefined
  if (!/^(MethodDefinition|PropertyDefinition|Property)$/.test(type)) return undefined
  return isFunction(value) ? textOf(key) : undefined
}

const isFunction = (value: unknown) =>
  isNode(value) &&
  /^(ArrowFunctionExpression|FunctionExpression)$/.test(value.type) &&
  isNode(value.body)

const textOf = (name: unknown) => (isNode(name) ? String(name.name ?? name.value) : '')

function functionsOf(code: string, file: string): Named[] {
  const functions: Named[] = []
  const program = parseAst(code, { lang: 'ts' }) as unknown as Node
  eachFunction(program, (name, { start, end }) => {
    const lines = code.slice(start, end).split('\n').length
    functions.push({ name: `${file}: ${name}`, lines })
  })
  return functions
}

/** The value that this share of all is at most. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const [median, p90] = [quantile(sorted, 0.5), quantile(sorted, 0.9)]
  return `median ${median}, p90 ${p90}, max ${sorted.at(-1) ?? 0}`
}

async function report(folder: string): Promise<void> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const files = await Promise.all(
    names.sort().map(async (name) => ({ name, code: await readFile(join(folder, name), 'utf8') })),
  )
  const lines = files.map(({ code }) => code.trimEnd().split('\n').length)
  const functions = files.flatMap(({ name, code }) => functionsOf(code, name))
  const longest = functions.sort((a, b) => b.lines - a.lines).slice(0, LONGEST)
  const folders = new Set(names.map((name) => dirname(name))).size
  const total = lines.reduce((sum, count) => sum + count, 0)
  console.log(`${folder}: ${files.length} files in ${folders} folders, ${total} lines`)
  console.log(`  lines of a file: ${spread(lines)}`)
  console.log(
    `  lines of a function, of ${functions.length}: ${spread(functions.map((one) => one.lines))}`,
  )
  for (const { name, lines } of longest) console.log(`  ${String(lines).padStart(6)}  ${name}`)
}

const folders = process.argv.slice(2)
for (const folder of folders.length > 0 ? folders : ['src']) await report(folder)
