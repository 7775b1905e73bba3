import { describe, expect, test } from 'vitest'
import { createLog } from '../../../src/observe/log.ts'
import { Peers } from '../../../src/peers/peers.ts'
import { formatReport } from '../../../src/peers/report.ts'
import {
  createFakeRuntime,
  type Handler,
  later,
  refused,
  settle,
  silence,
  stored,
} from '../../support/fake-runtime.ts'

const report = (isComplete: boolean, relay = 'p', output = 'a') =>
  Response.json(
    formatReport({
      relay,
      outputs: [{ output, isComplete, hasGap: false, bytes: 5, points: 0, since: 1000 }],
    }),
  )

function fixture(handler: Handler) {
  const runtime = createFakeRuntime({ p: handler })
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const peers = new Peers([{ url: 'http://p', ca: undefined }], runtime, log)
  const paths = () =>
    runtime.received.get('p')?.map(({ url }) => new URL(url).pathname + new URL(url).search) ?? []
  const read = async () => {
    const [peer] = peers.read(new Set(['d']), ['a'], runtime.clock.now() + 50)
    await runtime.clock.advance(300)
    await peer?.answered
    return peer?.of('a')
  }
  return { runtime, peers, paths, read }
}

describe('what a server lacks by the word of a peer', () => {
  test('is what the peer answers, in its words', async () => {
    const { read, paths } = fixture(() => report(false))
    expect((await read())?.behind).toEqual({
      bytes: 5,
      points: 0,
      since: 1000,
      unheard: [],
      output: 'a',
      isComplete: false,
      hasGap: false,
    })
    expect(paths()).toEqual(['/peer/behind?db=d&output=a&wait=0'])
    expect((await fixture(() => report(true)).read())?.isComplete).toBe(true)
  })

  test('is what it last kept if it does not answer', async () => {
    let handler: Handler = () => report(false)
    const { peers, read } = fixture((request) => handler(request))
    await peers.hear('p')
    handler = silence
    const reading = await read()
    expect([reading?.isComplete, reading?.hasGap, reading?.behind.bytes]).toEqual([false, false, 5])
    handler = () => report(true)
    await peers.hear('p')
    handler = refused
    expect((await read())?.isComplete).toBe(true)
  })

  test('is not known if it has never answered, or has no such output', async () => {
    const reading = await fixture(refused).read()
    expect([reading?.isComplete, reading?.hasGap]).toEqual([false, true])
    expect(reading?.behind.unheard).toEqual(['p'])
    const other = await fixture(() => report(true, 'p', 'b')).read()
    expect(other?.behind.unheard).toEqual(['p'])
  })

  test('is nothing if the peer is this relay itself', async () => {
    const { peers, read } = fixture(() => report(false, peers.id))
    await peers.hear(peers.id)
    expect((await read())?.isComplete).toBe(true)
  })

  test('is asked again while somebody waits, and not after', async () => {
    const answers = later()
    const { peers, runtime, paths } = fixture(answers.handler)
    const [peer] = peers.read(new Set(['d']), ['a'], runtime.clock.now() + 50)
    const stop = peer?.of('a').onChange(() => {})
    await answers.respond(report(false))
    await peer?.answered
    peer?.of('a').onChange(() => {})
    await settle()
    expect(paths()).toEqual([
      '/peer/behind?db=d&output=a&wait=0',
      '/peer/behind?db=d&output=a&wait=50',
    ])
    stop?.()
    await answers.respond(report(true))
    expect(peer?.of('a').isComplete).toBe(true)
    expect(paths()).toHaveLength(2)
  })
})

test('a question about many databases asks about all', async () => {
  const { peers, paths, runtime } = fixture(() => report(true))
  const many = new Set(Array.from({ length: 101 }, (_, i) => `d${i}`))
  for (const databases of [many, new Set(['x'.repeat(4001)]), 'all' as const]) {
    peers.read(databases, ['a'], runtime.clock.now())
  }
  await settle()
  expect(new Set(paths())).toEqual(new Set(['/peer/behind?all=true&output=a&wait=0']))
})

test('a question that is on its way when something is kept is asked again', async () => {
  const answers = later()
  const { peers } = fixture(answers.handler)
  void peers.hear('p')
  await settle()
  const heard = peers.hear('p')
  await answers.respond(report(true))
  expect(answers.waiting).toBe(1)
  await answers.respond(report(false))
  expect(await heard).toBe(true)
})

test('peers are told once that something is kept, until one hears that nothing is', async () => {
  const answers = later()
  const { peers, paths } = fixture(answers.handler)
  const telling = peers.tellKept(['a'])
  expect(peers.tellKept(['a'])).toBeInstanceOf(Promise)
  await settle()
  expect(paths()).toEqual([`/peer/kept?relay=${peers.id}`])
  await answers.respond(stored())
  await telling
  expect(peers.tellKept(['a'])).toBeUndefined()
  peers.reportsNothing('a')
  expect(peers.tellKept(['a'])).toBeInstanceOf(Promise)
})

test('a client does not wait for a peer that could not be told before', async () => {
  const { peers, runtime } = fixture(silence)
  let isTold = false
  void peers.tellKept(['a'])?.then(() => {
    isTold = true
  })
  await runtime.clock.advance(1400)
  expect(isTold).toBe(false)
  await runtime.clock.advance(200)
  expect(isTold).toBe(true)
  let isNextTold = false
  void peers.tellKept(['b'])?.then(() => {
    isNextTold = true
  })
  await settle()
  expect(isNextTold).toBe(true)
})

test.each([
  '{}',
  '[]',
  'null',
  '{"relay":"p","outputs":[{"output":"a"}]}',
  '{"relay":"p","outputs":[{"output":"a","complete":true,"gap":false,"bytes":-1,"points":0,"since":null}]}',
  '{"relay":"p","outputs":[{"output":"a","complete":1,"gap":false,"bytes":0,"points":0,"since":null}]}',
  `{"relay":"${'p'.repeat(101)}","outputs":[]}`,
])('a report of another shape is none: %s', async (text) => {
  const { read } = fixture(() => new Response(text))
  expect((await read())?.behind.unheard).toEqual(['p'])
})
