/** The folders of buffers in the data directory. */

import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'

const load = (text: string) => loadConfig('relay.toml', async () => text)

const output = (name: string, keys = '') =>
  `{ name = ${JSON.stringify(name)}, location = "http://h:8086/write", buffer-size-mb = 1${keys} }`

const block = (kind: string, name: string | undefined, ...outputs: string[]) =>
  [
    `[[${kind}]]`,
    name === undefined ? '' : `name = ${JSON.stringify(name)}`,
    `bind-addr = ":9096"${kind === 'udp' ? '\ndatabase = "d"' : ''}`,
    `output = [${outputs.join(', ')}]`,
  ].join('\n')

async function foldersOf(...blocks: string[]) {
  const { http, udp } = await load(`data-dir = "data"\n${blocks.join('\n')}`)
  return [...http, ...udp].flatMap(({ backends }) =>
    backends.map(({ folder, formerFolder }) => [folder, formerFolder]),
  )
}

test.each([
  ['relay', 'a', 'data/buffers/relay/a', undefined],
  [undefined, 'a', 'data/buffers/http/a', 'data/buffers/http%3A%2F%2F%3A9096/a'],
  ['a/../b', 'x yé', 'data/buffers/a%2F..%2Fb/x%20y%C3%A9', undefined],
  ['.hidden', 'a%2Fb', 'data/buffers/.hidden/a%252Fb', undefined],
])('block %j and output %j have the folder %s', async (name, named, folder, former) => {
  expect(await foldersOf(block('http', name, output(named)))).toEqual([[folder, former]])
})

test('an output keeps the folder of its buffer-path, and one without a buffer has none', async () => {
  const outputs = [output('a', ', buffer-path = "/mnt/b"'), output('b').replace('= 1', '= 0')]
  expect(await foldersOf(block('udp', undefined, ...outputs))).toEqual([
    ['/mnt/b', undefined],
    [undefined, undefined],
  ])
})

test.each([
  ['two outputs of one block', block('http', 'r', output('a'), output('a'))],
  [
    'two blocks without a name',
    [block('http', undefined, output('a')), block('http', undefined, output('a'))].join('\n'),
  ],
  [
    'a block without a name and one with its name',
    [block('http', 'http', output('a')), block('http', undefined, output('a'))].join('\n'),
  ],
  [
    'two outputs with one buffer-path',
    block('http', 'r', output('a', ', buffer-path = "/b"'), output('b', ', buffer-path = "/b"')),
  ],
])('%s cannot share a folder', async (_, blocks) => {
  const second = blocks.replace(/(\[\[http]][\s\S]*\[\[http]][\s\S]*):9096/, '$1:9097')
  await expect(load(`data-dir = "data"\n${second}`)).rejects.toThrow(
    /duplicate (buffer-path|output name) /,
  )
})
