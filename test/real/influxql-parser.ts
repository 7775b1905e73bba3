/** InfluxDB's own parser of InfluxQL, from Debian's package of its source. */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { cached, run } from './cache.ts'
import { unpackPackages } from './debian.ts'
import { onPath } from './find-influxd.ts'

/** A text to parse. */
export interface ParserInput {
  readonly text: string
  readonly database: string
  readonly parameters?: Readonly<Record<string, unknown>>
  /** The moment of execution, in RFC 3339. */
  readonly now: string
  /** The end of a statement's time range if it names none. */
  readonly latest?: string
}

/** Zero-based line and code point; CR LF, CR and LF end a line. */
export type Position = readonly [line: number, character: number]

export interface ParsedStatement {
  readonly kind: string
  readonly changes: boolean
  readonly readsDatabases: readonly string[]
  readonly changesDatabases: readonly string[]
  readonly start: Position
  /** Where the semicolon or the end of the text is. */
  readonly terminator: Position
  /** What it selects or deletes if it is executed now; for DELETE and SELECT INTO only. */
  readonly ranges?: readonly string[]
}

/** The statements of a text, or why InfluxDB would reject it. */
export interface Parsed {
  readonly error?: string
  readonly statements?: readonly ParsedStatement[]
}

const source = join(import.meta.dirname, 'influxql', 'main.go')

const PACKAGES = ['golang-github-influxdata-influxql-dev', 'golang-github-gogo-protobuf-dev']
const GOPATH = join('usr', 'share', 'gocode')
const PROGRAM = 'influxql'

let found: Promise<string> | undefined

/**
 * Finds or builds the program `influxql/main.go`, which prints what the parser says.
 *
 * The parser's source comes from Debian's packages. Go is the one on PATH, else Debian's, which takes
 * 81 MB to download and is removed once the program is built.
 *
 * @returns the directory in `.cache` with the program and the parser's source
 */
export function findInfluxqlParser(): Promise<string> {
  found ??= locate()
  return found
}

async function locate(): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(source))
    .digest('hex')
    .slice(0, 8)
  return cached(`influxql-${version}`, [PROGRAM], build).catch((cause: Error) => {
    const message = `InfluxDB's parser of InfluxQL could not be built here (${cause.message}).`
    throw new Error(`${message} Install Go, and see that apt-get can download packages.`, { cause })
  })
}

async function build(draft: string): Promise<void> {
  await unpackPackages(draft, PACKAGES)
  const go = (await onPath('go')) ?? (await unpackGo(draft))
  const cache = join(draft, 'build')
  const settings = { GOPATH: join(draft, GOPATH), GOCACHE: cache, GO111MODULE: 'off', GOFLAGS: '' }
  const env = { ...process.env, ...settings, CGO_ENABLED: '0' }
  await run(go, ['build', '-o', join(draft, PROGRAM), source], { env, cwd: draft })
  for (const dir of [cache, join(draft, 'go')]) await rm(dir, { recursive: true, force: true })
}

async function unpackGo(draft: string): Promise<string> {
  const dir = join(draft, 'go')
  await unpackPackages(dir, ['golang-go'], { withMissing: true })
  return join(dir, 'usr', 'lib', 'go', 'bin', 'go')
}

/** What the parser says about each text. */
export async function parseInfluxql(inputs: readonly ParserInput[]): Promise<Parsed[]> {
  const lines = inputs.map((input) => `${JSON.stringify(input)}\n`)
  const output = await runProgram([], lines.join(''))
  const parsed = output.trimEnd().split('\n')
  return parsed.map((line) => JSON.parse(line) as Parsed)
}

/** Every string literal in the parser's own tests. Most are queries. */
export async function parserTestStrings(): Promise<string[]> {
  const dir = join(
    await findInfluxqlParser(),
    GOPATH,
    'src',
    'github.com',
    'influxdata',
    'influxql',
  )
  const files = ['parser_test.go', 'ast_test.go', 'scanner_test.go', 'sanitize_test.go']
  const output = await runProgram(['-strings', ...files.map((file) => join(dir, file))], '')
  return JSON.parse(output) as string[]
}

async function runProgram(args: readonly string[], input: string): Promise<string> {
  const program = join(await findInfluxqlParser(), PROGRAM)
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  child.stdin.end(input)
  const output = await text(child.stdout)
  const [code] = await closed
  if (code !== 0) throw new Error(`${program} ended with code ${code}`)
  return output
}
