/** Reads and checks a configuration file. */

import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { escaped, shortened } from '../observe/escape.ts'
import type { Config } from './config.ts'
import { configSchema } from './schema.ts'
import { type KeyPath, lineOf } from './toml-line.ts'
import type { ReadFile } from './values.ts'

const MAX_MESSAGE_CHARS = 2000

/** A mistake that the operator can correct. The message is one line: file, line, key, and what to do. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(escaped(shortened(message, MAX_MESSAGE_CHARS)))
  }
}

/**
 * @param path of the TOML file; files named in it are relative to the working directory
 * @throws ConfigError
 */
export async function loadConfig(path: string, readFile: ReadFile): Promise<Config> {
  const source = await readSource(path, readFile)
  const result = await v.safeParseAsync(
    configSchema(readFile),
    withoutUnset(parseToml(path, source)),
  )
  if (result.success) return result.output
  throw new ConfigError(explain(path, source, result.issues))
}

async function readSource(path: string, readFile: ReadFile): Promise<string> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new ConfigError(`${path}: cannot read the configuration: ${(error as Error).message}`)
  }
}

function parseToml(path: string, source: string): unknown {
  try {
    return parse(source)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [reason] = error.message.replace('Invalid TOML document: ', '').split('\n')
    throw new ConfigError(`${path}:${error.line}:${error.column}: not valid TOML: ${reason}`)
  }
}

/** No key of the configuration is in more tables and arrays: `http[0].output[0].endpoints.write`. */
const MAX_DEPTH = 8

/** Leaves out keys with an empty string: the Go relay takes them for missing. */
function withoutUnset(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH || value instanceof Date) return value
  if (Array.isArray(value)) return value.map((inner) => withoutUnset(inner, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  const set = Object.entries(value).filter(([, inner]) => inner !== '')
  return Object.fromEntries(set.map(([key, inner]) => [key, withoutUnset(inner, depth + 1)]))
}

type Issue = v.BaseIssue<unknown>

/** Explains the first issue; for a value that is repeated, with the lines of all its places. */
function explain(path: string, source: string, issues: readonly [Issue, ...Issue[]]): string {
  const [{ type, message }] = issues
  const [first, ...others] = issues
    .filter((issue) => issue.message === message && issue.type === type)
    .map(keysOf) as [KeyPath, ...KeyPath[]]
  const place = first.length > 0 ? `${formatPath(first)}: ` : ''
  const also =
    type === 'raw_check' ? others.map((keys) => `, also on line ${lineOf(source, keys)}`) : []
  return `${path}:${lineOf(source, first)}: ${place}${message}${also.join('')}`
}

function keysOf({ path }: Issue): KeyPath {
  return (path ?? []).map(({ key }) => key as string | number)
}

/** `http[0].output[1].timeout` */
function formatPath(keys: KeyPath): string {
  return keys
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${formatKey(key)}`))
    .join('')
    .slice(1)
}

/** No key of the relay is longer. */
const MAX_KEY_CHARS = 100

function formatKey(key: string): string {
  const short = shortened(key, MAX_KEY_CHARS)
  return /^[\w-]+$/.test(short) ? short : JSON.stringify(short)
}
