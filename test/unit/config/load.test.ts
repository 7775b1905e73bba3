import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'

const PEM = '-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n'

/** Reads a configuration from text; the files it may name are `good.pem` and `empty.pem`. */
function load(source: string) {
  return loadConfig('relay.toml', async (path) => {
    if (path === 'relay.toml') return source
    if (path === 'good.pem') return PEM
    if (path === 'empty.pem') return ''
    throw new Error(`ENOENT: no such file or directory, open '${path}'`)
  })
}

const http = (keys: string, output = '') =>
  load(`[[http]]\nbind-addr = ":9096"\n${keys}
[[http.output]]\nlocation = "http://h:8086/write"\n${output}`)

describe('a configuration', () => {
  test('of the Go relay loads unchanged', async () => {
    const config = await load(`
      [[http]]
      name = "example-http"
      bind-addr = "127.0.0.1:9096"
      ssl-combined-pem = "good.pem"
      default-retention-policy = "weekly"
      output = [
        { name="local1", location="http://127.0.0.1:8086/write", timeout="5s" },
        { name="local2", location="https://127.0.0.1:7086/write", buffer-size-mb=100,
          max-batch-kb=50, max-delay-interval="1m30s", skip-tls-verification=true },
      ]
      [[udp]]
      name = "example-udp"
      bind-addr = "127.0.0.1:9096"
      read-buffer = 0
      precision = "s"
      output = [
        { name="local1", location="127.0.0.1:8089", mtu=512 },
        { name="local2", location="[::1]:7089" },
      ]`)
    expect(config.http[0]).toMatchObject({
      name: 'example-http',
      bind: { host: '127.0.0.1', port: 9096 },
      pem: PEM,
      defaultRetentionPolicy: 'weekly',
      backends: [
        {
          name: 'local1',
          writeUrl: 'http://127.0.0.1:8086/write',
          timeoutMs: 5000,
          bufferBytes: 0,
        },
        {
          name: 'local2',
          bufferBytes: 100 * 2 ** 20,
          maxBatchBytes: 50 * 1024,
          maxDelayMs: 90_000,
          skipTlsVerification: true,
        },
      ],
    })
    expect(config.udp[0]).toMatchObject({
      precision: 's',
      outputs: [
        { name: 'local1', address: { host: '127.0.0.1', port: 8089 }, mtu: 512 },
        { name: 'local2', address: { host: '::1', port: 7089 }, mtu: 1024 },
      ],
    })
  })

  test("has the Go relay's defaults", async () => {
    const config = await http('')
    expect(config).toMatchObject({
      shutdownTimeoutMs: 30_000,
      http: [
        {
          name: 'http://:9096',
          pem: undefined,
          defaultRetentionPolicy: '',
          pingStatus: 204,
          maxBodyBytes: 25 * 2 ** 20,
          ignored: [],
        },
      ],
    })
    expect(config.http[0]?.backends[0]).toMatchObject({
      name: 'h:8086',
      authorization: undefined,
      timeoutMs: 10_000,
      bufferBytes: 0,
      maxBatchBytes: 512 * 1024,
      maxDelayMs: 10_000,
      maxInFlight: 1,
      replayRate: 0,
      gzip: false,
      skipTlsVerification: false,
    })
  })

  test('of the fork of the Go relay loads unchanged', async () => {
    const config = await load(`
      verbose = true
      [[http]]
      name = "example-http"
      bind-addr = "127.0.0.1:9096"
      health-timeout-ms = 10000
      rate-limit = 5
      burst-limit = 10
      default-ping-response = 200
      [[http.output]]
      name = "local-influxdb01"
      type = "influxdb"
      location = "http://127.0.0.1:8086/"
      endpoints = {write="/write", write_prom="/api/v1/prom/write", ping="/ping", query="/query"}
      timeout = "10s"
      [[http.output]]
      name = "local-influxdb02"
      location = "http://127.0.0.1:7086/influx/"
      endpoints = {write="/write"}`)
    expect(config.ignored).toEqual(['verbose'])
    expect(config.http[0]).toMatchObject({
      pingStatus: 200,
      ignored: ['health-timeout-ms', 'rate-limit', 'burst-limit'],
      backends: [
        { writeUrl: 'http://127.0.0.1:8086/write' },
        { writeUrl: 'http://127.0.0.1:7086/influx/write' },
      ],
    })
  })

  test.each([
    ['http://h:8086', 'http://h:8086/write'],
    ['http://h:8086/', 'http://h:8086/write'],
    ['http://h/write?db=x', 'http://h/write'],
    ['https://u:p@h:1/a/b/', 'https://h:1/a/b/'],
    ['http://u:%25@h/wr%20ite', 'http://h/wr%20ite'],
  ])('with the location %s writes to %s', async (location, writeUrl) => {
    const config = await load(`[[http]]\nbind-addr=":1"\noutput=[{location="${location}"}]`)
    expect(config.http[0]?.backends[0]?.writeUrl).toBe(writeUrl)
  })

  test.each([
    ['http://h:8086', 'http://h:8086/api/v2/write'],
    ['http://h:8086/', 'http://h:8086/api/v2/write'],
    ['http://h/influx/', 'http://h/influx/api/v2/write'],
    ['http://h/api/v2/write', 'http://h/api/v2/write'],
    ['http://h/write', 'http://h/api/v2/write'],
  ])(
    'with the location %s and api = "v2" writes to %s, and answers no queries',
    async (location, writeUrl) => {
      const config = await load(
        `[[http]]\nbind-addr=":1"\noutput=[{location="${location}", api="v2", org="o", token="t", buckets={"d/rp"="b"}}]`,
      )
      expect(config.http[0]?.backends[0]).toMatchObject({
        ...{ writeUrl, isRead: false, remoteWriteUrl: undefined, authorization: 'Token t' },
        v2: { org: 'o', buckets: new Map([['d/rp', 'b']]) },
      })
    },
  )

  test.each([
    ['username = "u"\npassword = "p"', 'Basic dTpw'],
    ['http-user = "u"\nhttp-pass = "p"', 'Basic dTpw'],
    ['token = "u:p"', 'Token u:p'],
    ['username = "a:b"\npassword = "p&q"', 'Query u=a%3Ab&p=p%26q'],
  ])('with the credentials %j sends %j', async (keys, authorization) => {
    expect((await http('', keys)).http[0]?.backends[0]?.authorization).toBe(authorization)
  })

  test('with an empty string or 0 has the default, as in the Go relay', async () => {
    const config = await load(`
      [[http]]
      name = ""
      bind-addr = "127.0.0.1:9096"
      ssl-combined-pem = ""
      output = [{ name = "", location = "http://h/write", timeout = "", max-batch-kb = 0,
                  http-user = "", endpoints = { write = "" } }]
      [[udp]]
      bind-addr = "127.0.0.1:9096"
      output = [{ location = ":8089", mtu = 0 }]`)
    expect(config).toMatchObject({
      http: [{ name: 'http://127.0.0.1:9096', pem: undefined }],
      udp: [
        {
          name: 'udp://127.0.0.1:9096',
          outputs: [{ address: { host: 'localhost', port: 8089 }, mtu: 1024 }],
        },
      ],
    })
    expect(config.http[0]?.backends[0]).toMatchObject({
      name: 'h',
      timeoutMs: 10_000,
      maxBatchBytes: 512 * 1024,
      authorization: undefined,
    })
  })

  test('can have outputs with a URL in a [[udp]] block', async () => {
    const config = await load(`[[udp]]
      bind-addr = ":1"
      database = "d"
      retention-policy = "r"
      output = [{ location = "http://h/write", buffer-size-mb = 1 }, { location = "h:1" }]`)
    expect(config.udp[0]).toMatchObject({
      database: 'd',
      retentionPolicy: 'r',
      backends: [{ writeUrl: 'http://h/write', bufferBytes: 2 ** 20 }],
      outputs: [{ address: { host: 'h', port: 1 } }],
    })
  })
})

describe('a mistake is reported with its file, line and key', () => {
  test.each([
    ['nothing at all', '', 'relay.toml:1: expected at least one [[http]] or [[udp]] block'],
    ['bad TOML', '[[http]]\nname = ', 'relay.toml:2:8: not valid TOML: invalid value'],
    ['an unknown table', '\n[[htp]]', 'relay.toml:2: htp: unknown key; did you mean "http"?'],
    [
      'a table where an array of tables belongs',
      '[http]\nbind-addr=":1"',
      'relay.toml:1: http: expected an array of tables, [[http]], got a table',
    ],
    [
      'no output',
      '[[http]]\nbind-addr=":1"\noutput=[]',
      'relay.toml:3: http[0].output: expected at least one output: { name = "…", location = "…" }',
    ],
    [
      'no outputs at all',
      '[[http]]\nbind-addr=":1"',
      'relay.toml:1: http[0].output: this key is missing',
    ],
    [
      'no address',
      '[[http]]\noutput=[{location="http://h"}]',
      'relay.toml:1: http[0].bind-addr: this key is missing',
    ],
    [
      'two relays of one name',
      `[[http]]\nname="x"\nbind-addr=":1"\noutput=[{location="http://h"}]
[[udp]]\nname="x"\nbind-addr=":1"\noutput=[{location="h:1"}]`,
      'relay.toml:6: udp[0].name: duplicate relay name "x", also on line 2',
    ],
    [
      'two outputs of one name',
      `[[http]]\nbind-addr=":1"\n[[http.output]]\nname="x"\nlocation="http://a"
[[http.output]]\nlocation="http://b"\nname="x"`,
      'relay.toml:8: http[0].output[1].name: duplicate output name "x", also on line 4',
    ],
    [
      'three outputs of one default name',
      `[[http]]\nbind-addr=":1"\noutput=[{location="http://h/a"},\n{location="http://h/b"},
{location="http://h/c"}]`,
      'relay.toml:5: http[0].output[2].name: duplicate output name "h", also on line 4, also on line 3',
    ],
    [
      'two datagram outputs of one name',
      '[[udp]]\nbind-addr=":1"\noutput=[{location="h:1"},\n{location="h:1"}]',
      'relay.toml:4: udp[0].output[1].name: duplicate output name "h:1", also on line 3',
    ],
    [
      'two outputs with one buffer',
      `data-dir="d"\n[[http]]\nbind-addr=":1"\n[[http.output]]\nlocation="http://a"\nbuffer-size-mb=1
buffer-path="p"\n[[http]]\nbind-addr=":2"\n[[http.output]]\nlocation="http://a"\nbuffer-path="p"
buffer-size-mb=1`,
      'relay.toml:12: http[1].output[0].buffer-path: duplicate buffer-path "p", also on line 7',
    ],
    ...['./p', 'p/', './/p/.'].map((other) => [
      `two outputs with one buffer, once written ${other}`,
      `data-dir="d"\n[[http]]\nbind-addr=":1"\n[[http.output]]\nlocation="http://a"\nbuffer-size-mb=1
buffer-path="p"\n[[http]]\nbind-addr=":2"\n[[http.output]]\nlocation="http://a"\nbuffer-path="${other}"
buffer-size-mb=1`,
      'relay.toml:12: http[1].output[0].buffer-path: duplicate buffer-path "p", also on line 7',
    ]),
    [
      'an output of a [[udp]] block with a URL, and no database',
      '[[udp]]\nbind-addr=":1"\noutput=[{location="http://h/write"}]',
      'relay.toml:1: udp[0]: expected the key "database": an output with a URL needs one to write to',
    ],
    [
      'an mtu that no datagram can have',
      '[[udp]]\nbind-addr=":1"\noutput=[{location="h:1", mtu=65508}]',
      'relay.toml:3: udp[0].output[0].mtu: expected a whole number from 0 to 65507, got 65508',
    ],
  ])('%s', async (_, source, message) => {
    await expect(load(source)).rejects.toThrow(message)
  })

  test.each([
    ['timout = "1s"', '6: http[0].output[0].timout: unknown key; did you mean "timeout"?'],
    [
      'buffer_size_mb = 1',
      '6: http[0].output[0].buffer_size_mb: unknown key; did you mean "buffer-size-mb"?',
    ],
    [
      'timeout = 10',
      '6: http[0].output[0].timeout: expected a duration such as "10s" or "1m30s", got 10',
    ],
    [
      'timeout = "10"',
      '6: http[0].output[0].timeout: expected a duration such as "10s" or "1m30s"',
    ],
    [
      'type = "prometheus"',
      '6: http[0].output[0].type: expected the type "influxdb": every output of this relay takes line protocol, got "prometheus"',
    ],
    [
      'token = "a\\nb"',
      '6: http[0].output[0].token: expected ASCII characters without spaces and line breaks; for a name',
    ],
    [
      'username = "u"\npassword = "a\\nb"',
      '7: http[0].output[0].password: expected a string without line breaks and other control characters',
    ],
    [
      'username = "u"\npassword = "a\\u0000b"',
      '7: http[0].output[0].password: expected a string without line breaks and other control characters',
    ],
    ['username = "a:b"', '4: http[0].output[0]: a user name with a colon needs a password'],
    [
      'endpoints = { write = "/write?db=x" }',
      '6: http[0].output[0].endpoints.write: expected the path of a URL, without spaces, "?", "#" and backslashes, got "/write?db=x"',
    ],
    ['name = ".."', '6: http[0].output[0].name: expected a name that is not "." or "..", got ".."'],
    [
      'name = "a\\u001bb"',
      '6: http[0].output[0].name: expected a name without control characters, got "a\\u001bb"',
    ],
    ['timeout = "0s"', '6: http[0].output[0].timeout: expected a duration of at least 1ms'],
    [
      'max-in-flight = 0',
      '6: http[0].output[0].max-in-flight: expected a whole number from 1 to 64, got 0',
    ],
    ['gzip = "yes"', '6: http[0].output[0].gzip: expected true or false, got "yes"'],
    [
      'endpoints = { writ = "/w" }',
      '6: http[0].output[0].endpoints.writ: unknown key; did you mean "write"?',
    ],
    [
      'ca-pem = "no.pem"',
      "6: http[0].output[0].ca-pem: cannot read the file: ENOENT: no such file or directory, open 'no.pem'",
    ],
    [
      'ca-pem = "empty.pem"',
      '6: http[0].output[0].ca-pem: empty.pem has no "-----BEGIN CERTIFICATE-----" block',
    ],
    [
      'replay-rate-limit = -1',
      'http[0].output[0].replay-rate-limit: expected a whole number from 0 to 1000000000000, got -1',
    ],
    [
      'replay-rate-limit = 1000',
      'http[0].output[0]: a replay-rate-limit needs a buffer on disk: set buffer-size-mb',
    ],
    [
      'buffer-size-mb = 1\nreplay-rate-limit = 1000',
      'expected the key "data-dir": an output has a replay-rate-limit, which is for buffers on disk',
    ],
    [
      'buffer-size-mb = 1\nbuffer-path = "/mnt/b"',
      'expected the key "data-dir": an output has a buffer-path',
    ],
    ['password = "p"', 'http[0].output[0]: a password needs a username beside it'],
    ['api = "v3"', 'output[0].api: expected one of v1, v2, got "v3"'],
    ['api = "v2"\norg = "o"', 'api = "v2" needs the keys org and token'],
    ['api = "v2"\ntoken = "t"', 'api = "v2" needs the keys org and token'],
    ['api = "v2"\norg = "o"\nusername = "u"\npassword = "p"', 'needs the keys org and token'],
    ['org = "o"', 'the keys org and buckets need api = "v2" beside them'],
    ['buckets = { "d/rp" = "b" }', 'the keys org and buckets need api = "v2" beside them'],
    [
      'api = "v2"\norg = "o"\ntoken = "t"\nbuckets = ["b"]',
      'buckets: expected a table such as { "db/policy" = "bucket" }, got an array',
    ],
    ['api = "v2"\norg = "o"\ntoken = "t"\nread = true', 'answers no queries: remove read = true'],
    ['api = "v2"\norg = "o"\ntoken = "t"\nendpoints = { write = "/w" }', 'has no endpoints'],
    ['api = "v2"\norg = "o"\ntoken = "t u"', 'output[0].token: expected ASCII characters'],
    ['username = "u"\ntoken = "t"', 'http[0].output[0]: give one kind of credentials, not two'],
  ])('%s', async (keys, message) => {
    await expect(http('', keys)).rejects.toThrow(message)
  })

  test.each([
    ['name = 5', '3: http[0].name: expected a string, got 5'],
    [
      'default-ping-response = 201',
      '3: http[0].default-ping-response: expected one of 200, 204, got 201',
    ],
    ['ssl-combined-pem = "no.pem"', '3: http[0].ssl-combined-pem: cannot read the file'],
    [
      'max-body-size-mb = 1.5',
      '3: http[0].max-body-size-mb: expected a whole number from 1 to 1024, got 1.5',
    ],
  ])('%s', async (keys, message) => {
    await expect(http(keys)).rejects.toThrow(message)
  })

  test.each(['9096', 'h', 'h:99999', '::1:9096', 'h:'])('%s as an address', async (address) => {
    await expect(load(`[[http]]\nbind-addr = "${address}"`)).rejects.toThrow(
      'relay.toml:2: http[0].bind-addr: expected an address such as',
    )
  })

  test('a secret of the wrong type, which is not shown', async () => {
    await expect(http('', 'password = 12345')).rejects.toThrow(
      /http\[0\]\.output\[0\]\.password: expected a string$/,
    )
  })

  test('a file that cannot be read', async () => {
    const failing = async () => Promise.reject(new Error('EACCES: permission denied'))
    await expect(loadConfig('relay.toml', failing)).rejects.toThrow(
      'relay.toml: cannot read the configuration: EACCES: permission denied',
    )
  })
})
