/** Documents that name something of the relay name something that exists. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rowsOfCases } from '../../scripts/attack/cases.ts'
import { loadConfig } from '../../src/config/load.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const filesIn = (folder: string, ending: string) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))

const documents = [...filesIn('.', '.md'), ...filesIn('docs', '.md'), join('bench', 'README.md')]
const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(join('src', name)))
  .join('\n')

const PEM = '-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n'

const HTTP_OUTPUT = 'output = [{ location = "http://a"'
const UDP_OUTPUT = 'output = [{ location = "a:1"'

/** An unknown key in each table. The message about it lists the known ones. */
const UNKNOWN_KEYS: Record<string, string> = {
  'the top level': 'zzzzzzzzzz = 1',
  '[[http]]': `[[http]]\nbind-addr = ":0"\nzzzzzzzzzz = 1\n${HTTP_OUTPUT} }]`,
  '[[http.output]]': `[[http]]\nbind-addr = ":0"\n${HTTP_OUTPUT}, zzzzzzzzzz = 1 }]`,
  '[[udp]]': `[[udp]]\nbind-addr = ":0"\nzzzzzzzzzz = 1\n${UDP_OUTPUT} }]`,
  '[[udp.output]]': `[[udp]]\nbind-addr = ":0"\n${UDP_OUTPUT}, zzzzzzzzzz = 1 }]`,
}

describe.each(Object.entries(UNKNOWN_KEYS))('the keys of %s', async (_table, toml) => {
  const { message } = await loadConfig('x', async () => toml).then(
    () => new Error('the configuration was accepted'),
    (error: Error) => error,
  )
  const [, list] = /known \w+: (.+)$/.exec(message) ?? []
  const keys = (list ?? '').split(', ')

  test('stand in the message about an unknown key', () => {
    expect(list, message).toBeDefined()
  })

  test.each(keys)('%s is in docs/configuration.md', (key) => {
    expect(read('docs/configuration.md')).toMatch(new RegExp(`[\`[.]${key}[\`\\]]`))
  })

  test.each(keys)('%s is in sample.toml', (key) => {
    expect(read('sample.toml')).toMatch(new RegExp(`(^|[^a-z-])${key}([^a-z-]|$)`))
  })
})

test.each([...filesIn('examples', '.toml'), 'sample.toml'])('%s loads', async (file) => {
  const readFile = async (path: string) => (path === file ? read(file) : PEM)
  await expect(loadConfig(file, readFile)).resolves.toBeDefined()
})

test.each(documents)('%s links only to what exists', (document) => {
  const missing = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].filter(
    ([, path, anchor]) => {
      const target = path === '' ? document : normalize(join(dirname(document), path as string))
      if (!existsSync(join(ROOT, target))) return true
      return anchor !== undefined && !anchorsOf(target).includes(anchor)
    },
  )
  expect(missing.map(([link]) => link)).toEqual([])
})

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

const PATH = /[`'](?:\.\/)?((?:bench|docs|examples|scripts|src|test)\/[\w./-]*)[`']/g

test.each(documents)('%s names only files that exist', (document) => {
  const paths = [...read(document).matchAll(PATH)].map(([, path]) => path as string)
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test.each(documents)('%s names only npm scripts that exist', (document) => {
  const { scripts } = JSON.parse(read('package.json'))
  const named = [...read(document).matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name as string)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})

test('log messages in the documents are those of the relay', () => {
  const quoted = documents.flatMap((file) => [...read(file).matchAll(/ msg="([^"]+)"/g)])
  const listed = [...read('docs/operating.md').matchAll(/^\| (`[^|]+`) \| .*\|$/gm)].flatMap(
    ([, cell]) => [...(cell as string).matchAll(/`([a-z][^`=-]*)`/g)],
  )
  const messages = [...quoted, ...listed].map(([, message]) => message as string)
  expect(messages.length).toBeGreaterThan(20)
  expect(messages.filter((message) => !source.includes(`'${message}'`))).toEqual([])
})

test('every warning and error of the log is in docs/operating.md', () => {
  const logged = [
    ...source.matchAll(/log\.(?:warn|error)\('([^']+)'/gi),
    ...source.matchAll(/new RepeatedWarning\([^']*?'([^']+)'/g),
  ].map(([, message]) => message as string)
  expect(logged.length).toBeGreaterThan(10)
  expect(logged.filter((message) => !read('docs/operating.md').includes(message))).toEqual([])
})

test('the README fits on 200 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200)
})

test('SECURITY.md lists the attacks of `npm run attack` with their bounds', () => {
  const rows = read('SECURITY.md').match(/^\| `.*$/gm)
  expect(rows).toEqual(rowsOfCases)
})
