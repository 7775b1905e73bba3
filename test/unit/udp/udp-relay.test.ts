import { describe, expect, test } from 'vitest'
import type { UdpConfig } from '../../../src/config/config.ts'
import { createLog } from '../../../src/observe/log.ts'
import type { Address } from '../../../src/runtime.ts'
import { openRelay } from '../../../src/start.ts'
import { UdpRelay } from '../../../src/udp/udp-relay.ts'
import {
  createFakeRuntime,
  type Handler,
  refused,
  settle,
  stored,
} from '../../support/fake-runtime.ts'
import { DEFAULTS, urlsOf } from '../../support/relay-fixture.ts'

const CONFIG: UdpConfig = {
  name: 'udp',
  bind: { host: '', port: 0 },
  precision: '',
  readBufferBytes: 0,
  maxQueuedDatagrams: 100,
  database: 'd',
  retentionPolicy: '',
  outputs: [],
  backends: [],
}

interface Sent {
  readonly to: Address
  readonly text: string
}

async function createFixture(config: Partial<UdpConfig>, handlers: Record<string, Handler> = {}) {
  const runtime = createFakeRuntime(handlers)
  const sent: Sent[] = []
  const network = {
    addresses: new Map([['db.example', '10.0.0.1']]),
    lookups: 0,
    /** Whether sends end at once. */
    open: true,
    fault: undefined as Error | undefined,
  }
  const held: (() => void)[] = []
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const options: typeof DEFAULTS = {
    ...DEFAULTS,
    bufferBytes: 100_000,
  }
  const backends = Object.keys(handlers).map((name) => {
    return { ...options, name, ...urlsOf(name) }
  })
  const relay = await openRelay(backends, runtime, log)
  const udpRuntime = {
    clock: runtime.clock,
    createUdpSender: () => ({
      async send(datagram: Uint8Array, to: Address) {
        if (network.fault) throw network.fault
        sent.push({ to, text: new TextDecoder().decode(datagram) })
        if (!network.open) await new Promise<void>((resolve) => held.push(resolve))
      },
      close() {},
    }),
    async resolve(host: string) {
      network.lookups++
      const address = network.addresses.get(host)
      if (!address) throw new Error(`getaddrinfo ENOTFOUND ${host}`)
      return address
    },
  }
  const udp = new UdpRelay({ ...CONFIG, ...config }, relay, udpRuntime, log)
  return {
    runtime,
    sent,
    network,
    udp,
    accept: async (text: string) => {
      udp.accept(new TextEncoder().encode(text))
      await settle()
    },
    /** Ends the sends so far. */
    release: async () => {
      for (const resolve of held.splice(0)) resolve()
      await settle()
    },
    texts: () => sent.map(({ text }) => text),
    logged: (text: string) => runtime.log.filter((line) => line.includes(text)),
  }
}

const output = (mtu = 1024) => ({
  name: 'o',
  address: { host: 'db.example', port: 8089 },
  mtu,
})

describe('an output for datagrams', () => {
  test('gets each point with a timestamp', async () => {
    const { accept, sent } = await createFixture({ outputs: [output()], precision: 's' })
    await accept('m v=1\nm v=2 5\n')
    expect(sent).toEqual([
      { to: { host: '10.0.0.1', port: 8089 }, text: 'm v=1 1700000000\nm v=2 5\n' },
    ])
  })

  test('gets nothing for an empty datagram or comments', async () => {
    const { accept, sent } = await createFixture({ outputs: [output()] })
    for (const text of ['', '\n\n', '# x\n', '\0\0']) await accept(text)
    expect(sent).toEqual([])
  })

  test('gets pieces of up to its mtu, cut between points', async () => {
    const { accept, texts } = await createFixture({ outputs: [output(20)] })
    await accept('m v=1 1\nm v=2 2\nm v="a\nb" 3\nm v=4 4')
    expect(texts()).toEqual(['m v=1 1\nm v=2 2\n', 'm v="a\nb" 3\nm v=4 4'])
  })

  test('does not get a line larger than its mtu, which is counted and logged', async () => {
    const { accept, texts, logged } = await createFixture({ outputs: [output(10)] })
    await accept(`m v=1 1\nm v="${'x'.repeat(20)}" 2\nm v=3 3\n`)
    expect(texts()).toEqual(['m v=1 1\n', 'm v=3 3\n'])
    expect(logged('larger than the mtu')[0]).toContain('mtu=10 bytes=29')
  })

  test('does not get datagrams past the bound, which are counted and logged', async () => {
    const { accept, network, sent, logged, runtime } = await createFixture({
      outputs: [output()],
      maxQueuedDatagrams: 2,
    })
    network.open = false
    for (let i = 0; i < 5; i++) await accept(`m v=${i} ${i}`)
    expect(sent).toHaveLength(1)
    await runtime.clock.advance(10_000)
    expect(logged('too many are queued')).toHaveLength(2)
    expect(logged('too many are queued')[1]).toContain('times=2')
  })

  test('gets datagrams that waited together, in order, as many as its mtu allows', async () => {
    const { accept, network, release, texts } = await createFixture({ outputs: [output(25)] })
    network.open = false
    const lines = ['m v=1 1', 'm v=2 2', 'm v=3 3\n', 'm v=4 4', 'm v=5 5', 'm v=6 6', 'm v=7 7']
    for (const line of lines) await accept(line)
    expect(texts()).toEqual(['m v=1 1'])
    await release()
    expect(texts().slice(1)).toEqual(['m v=2 2\nm v=3 3\nm v=4 4\n', 'm v=5 5\nm v=6 6\nm v=7 7\n'])
    await accept('m v=8 8')
    await release()
    expect(texts().slice(3)).toEqual(['m v=8 8'])
  })

  test('gets points that a server may reject in datagrams of their own', async () => {
    const { accept, network, release, texts } = await createFixture({ outputs: [output()] })
    network.open = false
    const lines = ['m v=0 1', 'm v=1 1', 'm v=2 2', 'm v=bad 3', 'm v=4 4', 'm v=5 5', 'm v="open']
    for (const line of lines) await accept(line)
    await release()
    expect(texts().slice(1)).toEqual([
      'm v=1 1\nm v=2 2\n',
      'm v=bad 3',
      'm v=4 4\nm v=5 5\n',
      'm v="open',
    ])
  })

  test('fails for each point of a shared datagram, which is counted and logged', async () => {
    const { accept, network, release, logged, runtime } = await createFixture({
      outputs: [output()],
    })
    network.open = false
    for (let i = 0; i < 4; i++) await accept(`m v=${i} ${i}`)
    network.fault = new Error('unreachable')
    await release()
    await runtime.clock.advance(10_000)
    const [first, rest] = logged('could not be sent')
    expect(first).toContain('reason=unreachable bytes=7')
    expect(rest).toContain('bytes=14 times=2')
  })

  test('is drained once everything that waited has been sent', async () => {
    const { accept, network, release, udp, texts } = await createFixture({ outputs: [output()] })
    network.open = false
    await accept('m v=1 1')
    await accept('m v=2 2')
    let drained = false
    void udp.drained().then(() => {
      drained = true
    })
    await release()
    expect([drained, texts().length]).toEqual([false, 2])
    await release()
    expect(drained).toBe(true)
  })

  test('is looked up once, and again later in the background', async () => {
    const { accept, network, sent, runtime } = await createFixture({ outputs: [output()] })
    await accept('m v=1 1')
    await accept('m v=2 2')
    expect(network.lookups).toBe(1)
    network.addresses.set('db.example', '10.0.0.2')
    await runtime.clock.advance(30_000)
    await accept('m v=3 3')
    await accept('m v=4 4')
    expect(network.lookups).toBe(2)
    expect(sent.map(({ to }) => to.host)).toEqual(['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2'])
  })

  test('keeps its last address when the name server fails', async () => {
    const { accept, network, sent, runtime } = await createFixture({ outputs: [output()] })
    await accept('m v=1 1')
    network.addresses.clear()
    await runtime.clock.advance(30_000)
    await accept('m v=2 2')
    await accept('m v=3 3')
    expect(sent).toHaveLength(3)
  })

  test('is looked up once a second while the name server fails', async () => {
    const { accept, network, logged, runtime } = await createFixture({ outputs: [output()] })
    network.addresses.clear()
    for (let i = 0; i < 5; i++) await accept(`m v=${i} ${i}`)
    expect(network.lookups).toBe(1)
    expect(logged('could not be sent')[0]).toContain('ENOTFOUND')
    network.addresses.set('db.example', '10.0.0.1')
    await runtime.clock.advance(1000)
    await accept('m v=6 6')
    expect(network.lookups).toBe(2)
  })

  test('gets the next datagram after a fault of the network', async () => {
    const { accept, network, texts, logged } = await createFixture({ outputs: [output()] })
    network.fault = new Error('send ENETUNREACH')
    await accept('m v=1 1')
    network.fault = undefined
    await accept('m v=2 2')
    expect(texts()).toEqual(['m v=2 2'])
    expect(logged('could not be sent')[0]).toContain('to=db.example:8089')
  })
})

describe('an output for writes', () => {
  test('gets datagrams as writes to the configured database', async () => {
    const { accept, runtime } = await createFixture(
      { database: 'my db', retentionPolicy: 'r', precision: 'ms' },
      { a: stored },
    )
    await accept('m v=1')
    expect(runtime.received.get('a')?.[0]).toMatchObject({
      url: 'http://a/write?db=my%20db&precision=ms&rp=r',
      body: 'm v=1 1700000000000',
    })
  })

  test('gets them in one batch once it is back', async () => {
    let up = false
    const { accept, runtime } = await createFixture({}, { a: () => (up ? stored() : refused()) })
    for (let i = 0; i < 3; i++) await accept(`m v=${i} ${i}`)
    up = true
    await runtime.clock.advance(500)
    expect(runtime.received.get('a')?.at(-1)?.body).toBe('m v=0 0\nm v=1 1\nm v=2 2\n')
  })
})
