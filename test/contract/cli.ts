import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import type { Bench } from './bench.ts'
import { runRelay, temporaryFile } from './run-relay.ts'

const minimal = `
[[http]]
name = "minimal"
bind-addr = "127.0.0.1:9096"
output = [{ name = "local", location = "http://127.0.0.1:8086/write" }]
`

/** Arguments, and what is said about a configuration that is wrong. */
export function cli({ command }: Bench): void {
  const run = (...args: string[]) => runRelay(command, ...args)
  describe('the arguments', () => args(run))
  mistakes(run)
  taken(run)
}

type Run = (...args: string[]) => ReturnType<typeof runRelay>

function args(run: Run): void {
  test.each([
    ['-config FILE', (file: string) => ['-config', file]],
    ['--config FILE', (file: string) => ['--config', file]],
    ['-config=FILE', (file: string) => [`-config=${file}`]],
    ['--config=FILE', (file: string) => [`--config=${file}`]],
  ])('%s and -check say what would run', async (_, config) => {
    const file = await temporaryFile('relay.toml', minimal)
    const said = {
      code: 0,
      stdout:
        'http "minimal" on 127.0.0.1:9096\n' +
        '  to "local": http://127.0.0.1:8086/write, timeout 10s, no buffer\n',
      stderr: '',
    }
    expect(await run(...config(file), '-check')).toEqual(said)
    expect(await run('--check', ...config(file))).toEqual(said)
  })

  test('-check says which consistency no client can lower', async () => {
    const toml = minimal.replace('bind-addr', 'min-consistency = "quorum"\nbind-addr')
    const { stdout } = await run('-config', await temporaryFile('relay.toml', toml), '-check')
    expect(stdout).toContain('on 127.0.0.1:9096, consistency quorum, at least quorum\n')
  })

  test.each(['-version', '--version'])('%s says the version', async (argument) => {
    const { code, stdout, stderr } = await run(argument)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^influxdb-relay \S+ \((Bun|Deno|Node\.js) [\d.]+\)\n$/)
    expect(stdout).toContain(packageJson.version)
  })

  test.each(['-help', '--help', '-h'])('%s explains all others', async (argument) => {
    const { code, stdout, stderr } = await run(argument)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: influxdb-relay -config FILE/)
    for (const other of ['-check', '-version', '-help']) expect(stdout).toContain(`  ${other} `)
  })

  test.each([
    ['no arguments', [], 'missing argument: -config FILE'],
    ['-check alone', ['-check'], 'missing argument: -config FILE'],
    ['-config without a file', ['-config'], '-config needs a file'],
    ['-config with an empty name', ['-config='], '-config= needs a file'],
    ['an unknown argument', ['-config', 'f', '-verbose'], 'unknown argument: -verbose'],
    ['a file without -config', ['relay.toml'], 'unknown argument: relay.toml'],
  ])('%s: a mistake, the usage, and 1', async (_, given, mistake) => {
    const { code, stdout, stderr } = await run(...given)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`influxdb-relay: ${mistake}\n\nUsage: influxdb-relay -config FILE`)
  })
}

const output = 'output = [{ name = "a", location = "http://a/write" }]'
const block = (...lines: string[]) => ['[[http]]', 'bind-addr = "127.0.0.1:0"', ...lines].join('\n')

/** Configuration files, and the message that follows the name of each: test/unit/config/ has every mistake. */
const wrong: [what: string, toml: string, complaint: string | RegExp][] = [
  ['bad TOML', '[[http]]\nname = "a\n', /^:2:\d+: not valid TOML: ./],
  [
    'an unknown key',
    block(
      'output = [',
      '  { location = "http://a" },',
      '  { location = "http://b", tiemout = "1s" },',
      ']',
    ),
    ':5: http[0].output[1].tiemout: unknown key; did you mean "timeout"?',
  ],
  [
    'a value of another type',
    block('max-body-size-mb = "25"', output),
    ':3: http[0].max-body-size-mb: expected a whole number from 1 to 1024, got "25"',
  ],
  [
    'a bad address',
    block(output).replace('127.0.0.1:0', '127.0.0.1'),
    ':2: http[0].bind-addr: expected an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"',
  ],
  ['nothing', '', ':1: expected at least one [[http]] or [[udp]] block'],
  [
    'a PEM file that is missing',
    block('ssl-combined-pem = "/nowhere/relay.pem"', output),
    /^:3: http\[0\]\.ssl-combined-pem: cannot read the file: .*\/nowhere\/relay\.pem/,
  ],
  [
    'a PEM file without a key',
    block('ssl-combined-pem = "test/contract/tls/ca.pem"', output),
    ':3: http[0].ssl-combined-pem: test/contract/tls/ca.pem has no "-----BEGIN PRIVATE KEY-----" block',
  ],
  ...['10.0.0.1:8086', 'http://u:12#s3cret@h/write'].map((location): [string, string, RegExp] => [
    `the location ${location}`,
    block(`output = [{ location = "${location}" }]`),
    /^:3: http\[0\]\.output\[0\]\.location: expected a URL such as "[^"]+": (?!.*s3cret)/,
  ]),
  [
    'control characters in a name',
    block('name = "a\\u001b[31m\\u009b\\u2028"', output),
    ':3: http[0].name: expected a name without control characters, got "a\\u001b[31m\\u009b\\u2028"',
  ],
]

function mistakes(run: Run): void {
  /** Asserts that a run ended with one line, and returns it. */
  const complaint = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^influxdb-relay: [^\n]+\n$/)
    return stderr.slice('influxdb-relay: '.length, -1)
  }

  describe('a configuration', () => {
    test.each(wrong)('with %s is refused with its place and its cause', async (_, toml, cause) => {
      const file = await temporaryFile('relay.toml', toml)
      const said = await complaint('-config', file)
      expect(said.startsWith(file)).toBe(true)
      if (typeof cause === 'string') expect(said.slice(file.length)).toBe(cause)
      else expect(said.slice(file.length)).toMatch(cause)
      expect(await complaint('-check', '-config', file)).toBe(said)
    })

    test('that is no file is refused by name', async () => {
      const missing = '/nowhere/relay.toml'
      expect(await complaint('-config', missing)).toContain(
        `${missing}: cannot read the configuration: `,
      )
      expect(await complaint('-config', '/tmp')).toContain('/tmp: cannot read the configuration: ')
    })
  })
}

/** Ports in use by another process. */
function taken(run: Run): void {
  const expectRefusal = async (kind: string, port: number) => {
    const address = `127.0.0.1:${port}`
    const location = kind === 'http' ? 'http://127.0.0.1:1' : '127.0.0.1:1'
    const file = await temporaryFile(
      'relay.toml',
      `[[${kind}]]\nname = "in"\nbind-addr = "${address}"\noutput = [{ location = "${location}" }]`,
    )
    const { code, stdout, stderr } = await run('-config', file)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.filter((line) => !/ msg=starting /.test(line))).toEqual([
      expect.stringMatching(
        `^influxdb-relay: relay "in": cannot listen on ${address}: .*(in use|EADDRINUSE)`,
      ),
    ])
  }

  test('a TCP port in use is reported in one line', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    await expectRefusal('http', (server.address() as { port: number }).port)
  })

  test('a UDP port in use is reported in one line', async () => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    onTestFinished(() => void socket.close())
    await once(socket, 'listening')
    await expectRefusal('udp', socket.address().port)
  })
}
