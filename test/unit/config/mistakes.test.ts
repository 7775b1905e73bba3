/** Every key of the configuration, misspelt and with a value of every type. */

import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/config/load.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { seeds } from '../../support/seeds.ts'

const VALUES = [
  ...['"x"', '""', '1', '-1', '1.5', 'nan', 'inf', '1e300', '9007199254740993', 'true'],
  ...['[]', '[1]', '["a"]', '[[]]', '[{}]', '{}', '{ a = 1 }', '1979-05-27', '07:32:00'],
]

/** A table's keys, and a document in which its line of a key stands alone on the given line. */
interface Table {
  readonly keys: readonly string[]
  readonly line: number
  document(line: string, key: string): string
}

const TABLES: Record<string, Table> = {
  file: {
    keys: ['shutdown-timeout', 'data-dir', 'verbose', 'http', 'udp'],
    line: 1,
    document: (line, key) =>
      key === 'http' ? line : `${line}\n[[http]]\nbind-addr=":1"\noutput=[{location="http://h"}]`,
  },
  http: {
    keys: [
      ...['name', 'bind-addr', 'ssl-combined-pem', 'default-retention-policy', 'consistency'],
      ...[
        'min-consistency',
        'default-ping-response',
        'max-body-size-mb',
        'max-pending-mb',
        'max-connections',
      ],
      ...['read-timeout', 'idle-timeout', 'health-timeout-ms', 'rate-limit', 'burst-limit'],
      'output',
    ],
    line: 2,
    document: (line, key) =>
      `[[http]]\n${line}\n${key === 'bind-addr' ? '' : 'bind-addr=":1"'}
${key === 'output' ? '' : '[[http.output]]\nlocation="http://h"'}`,
  },
  output: {
    keys: [
      ...[
        'name',
        'type',
        'location',
        'endpoints',
        'username',
        'password',
        'http-user',
        'http-pass',
      ],
      ...['token', 'ca-pem', 'skip-tls-verification', 'timeout', 'buffer-size-mb', 'buffer-path'],
      ...['buffer-max-age', 'buffer-full', 'replay-rate-limit', 'max-batch-kb'],
      ...['max-delay-interval', 'max-in-flight', 'gzip'],
    ],
    line: 4,
    document: (line, key) =>
      `[[http]]\nbind-addr=":1"\n[[http.output]]\n${line}
${key === 'location' ? '' : 'location="http://h"'}`,
  },
  endpoints: {
    keys: ['write', 'write_prom', 'ping', 'query'],
    line: 5,
    document: (line) =>
      `[[http]]\nbind-addr=":1"\n[[http.output]]\nlocation="http://h"\nendpoints = { ${line} }`,
  },
  udp: {
    keys: [
      ...['name', 'bind-addr', 'precision', 'read-buffer', 'max-queued-datagrams', 'database'],
      ...['retention-policy', 'output'],
    ],
    line: 2,
    document: (line, key) =>
      `[[udp]]\n${line}\n${key === 'bind-addr' ? '' : 'bind-addr=":1"'}
${key === 'output' ? '' : '[[udp.output]]\nlocation="h:1"'}`,
  },
  'output of udp': {
    keys: ['name', 'location', 'mtu'],
    line: 4,
    document: (line, key) =>
      `[[udp]]\nbind-addr=":1"\n[[udp.output]]\n${line}
${key === 'location' ? '' : 'location="h:1"'}`,
  },
}

const SECRET = 's3cret'

/** The keys whose value no message may show. */
const SECRET_KEYS = new Set([
  ...['location', 'username', 'password', 'http-user', 'http-pass', 'token'],
])

/** Values to mutate: what each kind of key takes. */
const TEMPLATES = [
  ...[':9096', '127.0.0.1:9096', '[::1]:9096', '10s', '1m30s', '204', 'quorum', 'influxdb', 'a'],
  ...['/var/lib/relay', '/write', 'http://h:8086/write'],
]
const SECRET_TEMPLATES = [
  ...[`http://user:${SECRET}@h:8086/write`, `https://${SECRET}:a@h`, `user:${SECRET}@h:8086`],
  ...[`${SECRET}`, `user:${SECRET}`],
]

const ODD_CHARACTERS = [
  ...'/?#@%\\:[]. \t\n\r\0\u001b\u007f\u0085\u009b\u2028\u202e\ufeff"\'=,;&+-0a',
  ...['é', '😀', '%0a', '%zz', '://', '..', '\u{e0001}', '__proto__', 'a'.repeat(5000)],
]

/** A TOML value: a mutated string, or anything that is not one. */
function strangeValue(key: string, random: () => number): string {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  if (random() < 0.2) {
    const number = (random() - 0.3) * 10 ** Math.floor(random() * 20)
    const array = Array.from({ length: Math.floor(random() * 4) }, () => pick(VALUES))
    return pick([...VALUES, String(Math.trunc(number)), number.toFixed(3), `[${array.join(', ')}]`])
  }
  const text = pick(SECRET_KEYS.has(key) ? SECRET_TEMPLATES : TEMPLATES)
  const at = Math.floor(random() * (text.length + 1))
  const mutated = pick([
    text.slice(0, at) + pick(ODD_CHARACTERS) + text.slice(at),
    text.slice(0, at) + pick(ODD_CHARACTERS) + text.slice(at + 1),
    text.slice(0, at) + text.slice(at + 1),
    text.slice(0, at),
    text.slice(at),
    text + text,
  ])
  return JSON.stringify(mutated).replaceAll('\u007f', '\\u007f')
}

/** The message about a configuration, or undefined if it loads. */
async function messageOf(source: string): Promise<string | undefined> {
  const load = loadConfig('relay.toml', async (path) => {
    if (path === 'relay.toml') return source
    throw new Error(`ENOENT: no such file or directory, open '${path}'`)
  })
  return load.then(
    () => undefined,
    (error) => {
      expect(error, source).toBeInstanceOf(ConfigError)
      return (error as Error).message
    },
  )
}

describe.each(Object.entries(TABLES))('%s', (_, { keys, line, document }) => {
  test.each(keys)('a wrong %s is reported with its line, or loads', async (key) => {
    let reported = 0
    for (const value of VALUES) {
      const source = document(`${key} = ${value}`, key)
      const message = await messageOf(source)
      if (message === undefined) continue
      reported++
      expect(message, source).toMatch(/^relay\.toml:\d+:(\d+:)? ([\w\d.[\]-]+: )?[^\n]{10,300}$/)
      if (message.includes(`${key}: `)) expect(message).toMatch(`relay.toml:${line}: `)
    }
    expect(reported).toBeGreaterThan(VALUES.length / 2)
  })

  test.each(keys)('no value of %s, however strange, does more than stop the start', async (key) => {
    for (const seed of seeds(250)) {
      const value = strangeValue(key, seededRandom(seed))
      const source = document(`${key} = ${value}`, key)
      const message = await messageOf(source)
      if (message === undefined) continue
      expect(message, source).toMatch(/^relay\.toml:\d+:(\d+:)? (\S+: )?.{10,400}$/)
      expect(message, source).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
      expect(message, source).not.toMatch(/\.[jt]s:\d/)
      if (SECRET_KEYS.has(key)) expect(message, source).not.toContain(SECRET)
    }
  })

  test.each(keys)('a misspelt %s is reported with the right spelling', async (key) => {
    for (const typo of [`${key}x`, key.slice(0, -1), `x${key}`, key.toUpperCase()]) {
      const source = document(`${typo} = 1`, '')
      const message = await messageOf(source)
      expect(message, source).toContain(`relay.toml:${line}: `)
      expect(message, source).toContain(`${typo}: unknown key; `)
      expect(message?.split('unknown key; ')[1], source).toContain(key)
    }
  })
})

test.each([
  ['http', 'htp://user:secret@h'],
  ['http', 'user:secret@h:8086'],
  ['http', 'http://user:secret@'],
  ['udp', 'user:secret@h:8086'],
])('no message shows the password in a wrong location of [[%s]]: %s', async (block, location) => {
  const source = `[[${block}]]\nbind-addr=":1"\noutput=[{location="${location}"}]`
  const message = await messageOf(source)
  expect(message).toMatch(`relay.toml:3: ${block}[0].output[0].location: expected `)
  expect(message).not.toContain('secret')
})

test.each([
  ['constructor = 1', 'constructor: unknown key; known keys: shutdown-timeout,'],
  ['__proto__.http = 5', '__proto__: unknown key; known keys: shutdown-timeout,'],
  ['"a\\nb" = 1', '"a\\nb": unknown key; known keys: shutdown-timeout,'],
  [`${'a.'.repeat(50_000)}b = 1`, 'a: unknown key; known keys: shutdown-timeout,'],
  [`a = ${'['.repeat(50_000)}`, 'not valid TOML: '],
  [`a = ${'{a='.repeat(50_000)}`, 'not valid TOML: '],
  ['\0', 'not valid TOML: '],
])('a strange document is reported in one line: %.20s', async (source, expected) => {
  const message = await messageOf(source)
  expect(message).toMatch(/^relay\.toml:1:.+$/)
  expect(message).toContain(expected)
})

test.each(['timeout', 'max-delay-interval'])('%s is no longer than a timer can be', async (key) => {
  const document = (value: string) =>
    TABLES.output?.document(`${key} = "${value}"`, '') ?? expect.unreachable()
  expect(await messageOf(document('500h'))).toBeUndefined()
  expect(await messageOf(document('500h1ms'))).toContain(
    `${key}: expected a duration of at most 500h`,
  )
})
