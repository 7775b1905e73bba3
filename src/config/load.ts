/** Reads and checks a configuration file. */

import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import type { Config } from './config.ts'
import { configSchema } from './schema.ts'
import { type KeyPath, lineOf } from './toml-line.ts'
import type { ReadFile } from './values.ts'

/** A mistake that the operator can correct. The message is one line: file, line, key, and what to do. */
export class ConfigError extends Error {}

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
  const [issue] = result.issues
  throw new ConfigError(explain(path, source, issue))
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

function explain(path: string, source: string, issue: Issue): string {
  const keys = (issue.path ?? []).map((item) => item.key as string | number)
  const place = keys.length > 0 ? `${formatPath(keys)}: ` : ''
  return `${path}:${lineOf(source, keys)}: ${place}${issue.message}`
}

/** `http[0].output[1].timeout` */
function formatPath(keys: KeyPath): string {
  return keys
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${formatKey(key)}`))
    .join('')
    .slice(1)
}

function formatKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key)
}
