/** What the bench makes of its measurements, and of its command line. */

import { relative } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { chart } from '../../bench/chart.ts'
import { chooseSubjects } from '../../bench/choice.ts'
import { Lab } from '../../bench/lab.ts'
import { parseOptions } from '../../bench/options.ts'
import { root } from '../../bench/paths.ts'
import { report } from '../../bench/report.ts'
import { type Sample, Samples, spread } from '../../bench/samples.ts'
import { during } from '../../bench/service.ts'
import { allSubjects, beforeOf, OURS, type Running } from '../../bench/subjects.ts'
import { markdown, short, table } from '../../bench/table.ts'
import { judge } from '../../bench/targets.ts'
import { onePointSetting } from '../../bench/writes.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** A file that can be executed, wherever the tests run. */
const program = process.execPath

const sample = (subject: string, round: number, rate: number, setting = 's'): Sample => ({
  part: 'p',
  setting,
  subject,
  round,
  figures: { rate },
})

describe('samples', () => {
  test('a spread is a median with the least and the most', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 })
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 })
    expect(spread([])).toBeUndefined()
  })

  test('a ratio compares figures of one round', () => {
    const samples = new Samples([
      sample('direct', 1, 100),
      sample('bun', 1, 200),
      sample('direct', 2, 10),
      sample('bun', 2, 30),
      sample('bun', 3, 1000), // nothing to compare it with
    ])
    expect(samples.ratio('p', 's', ['bun', 'direct'], 'rate')).toEqual({
      median: 2.5,
      least: 2,
      most: 3,
    })
    expect(samples.ratio('p', 's', ['deno', 'direct'], 'rate')).toBeUndefined()
  })

  test('a ratio can compare two settings of one subject', () => {
    const samples = new Samples([sample('bun', 1, 50, 'down'), sample('bun', 1, 100, 'healthy')])
    expect(samples.ratio('p', 'down', ['bun', 'bun'], 'rate', 'healthy')?.median).toBe(0.5)
  })
})

describe('tables', () => {
  const rows = [
    ['subject', 'rate'],
    ['bun', '1,200'],
  ]

  test('set the first column left and others right', () => {
    expect(table(rows)).toBe('subject   rate\nbun      1,200')
  })

  test('can be Markdown', () => {
    expect(markdown(rows)).toBe('| subject | rate |\n| --- | --: |\n| bun | 1,200 |')
  })

  test.each([
    [1234.5, '1,235'],
    [12.34, '12.3'],
    [1.234, '1.23'],
    [Number.NaN, ''],
    [undefined, ''],
  ])('show %s as "%s"', (value, text) => expect(short(value)).toBe(text))
})

describe('options', () => {
  test('a quick run has one round of a second', () => {
    expect(parseOptions(['--quick'])).toMatchObject({ quick: true, rounds: 1, seconds: 1 })
  })

  test('lists, peers and times are read', () => {
    expect(
      parseOptions(['--only', 'udp,micro', '--peer', `go=${program}`, '--soak', '10m']),
    ).toMatchObject({
      only: ['udp', 'micro'],
      peers: [{ name: 'go', path: program }],
      soak: 600,
      rounds: 3,
    })
  })

  test("a peer's path may be relative", () => {
    const { peers } = parseOptions(['--peer', `go=${relative(process.cwd(), program)}`])
    expect(peers).toEqual([{ name: 'go', path: program }])
  })

  test.each([
    ['--rounds', '0', '--rounds is 0; it must be 1 or more'],
    ['--seconds', '0.5', '--seconds is 0.5; it must be 1 or more'],
    ['--peer', 'go', '--peer is go; it must be NAME=PATH'],
    ['--peer', 'go=/no/such/relay', '/no/such/relay is no executable file'],
    ['--peer', `go=${import.meta.filename}`, `${import.meta.filename} is no executable file`],
    ['--peer', `go=${root}`, `${root} is no executable file`],
    ['--before', 'no/such/folder', 'run npm ci && npm run build'],
    ['--soak', '10', '--soak is 10; it must be like 90s or 10m'],
  ])('%s %s is refused', (option, value, message) => {
    expect(() => parseOptions([option, value])).toThrow(message)
  })
})

const peer = (name: string) => ['--peer', `${name}=${program}`]
const chosen = (...args: string[]) => chooseSubjects(parseOptions(args))
const namesOf = (subjects: readonly { name: string }[]) => subjects.map(({ name }) => name)

describe('subjects', () => {
  test('a choice keeps the references and every peer', () => {
    const references = ['direct', 'direct-to-both', 'haproxy', 'nginx-mirror']
    expect(namesOf(chosen('--subjects', 'deno', ...peer('go')))).toEqual([
      ...references,
      'deno',
      'go',
    ])
    expect(namesOf(chosen('--soak', '10m', ...peer('go')))).toEqual([...references, 'bun', 'go'])
  })

  test('an unknown subject is refused', () => {
    expect(() => chosen('--subjects', 'dino')).toThrow('There is no subject dino; there are direct')
  })

  test.each([
    [[...peer('bun')], 'there is a subject bun already'],
    [[...peer('go'), ...peer('go')], 'there is a subject go already'],
  ])('a name that is taken is refused: %s', (args, message) => {
    expect(() => chosen(...args)).toThrow(message)
  })

  test("a peer's version is not its path", async () => {
    expect(
      await chosen(...peer('go'))
        .at(-1)
        ?.version(),
    ).toBe('')
  })

  test('each relay is followed by the one of the checkout before', () => {
    const all = allSubjects({ before: '/before' }).filter(({ isRelay }) => isRelay)
    const names = OURS.flatMap((name) => [name, beforeOf(name)])
    expect(namesOf(all)).toEqual(names)
  })

  test('writes to both servers at once are measured only where they are the limit', () => {
    const options = parseOptions([])
    const lab = new Lab(options, chooseSubjects(options))
    expect(namesOf(lab.subjects)).not.toContain('direct-to-both')
    expect(namesOf(lab.directToBoth)).toEqual(['direct-to-both'])
  })

  test('a quick run measures the first relay, and every peer', () => {
    const options = parseOptions(['--quick', ...peer('go'), ...peer('other')])
    expect(namesOf(new Lab(options, chooseSubjects(options)).someRelays)).toEqual([
      'bun',
      'go',
      'other',
    ])
  })
})

describe('targets', () => {
  const rate = (subject: string, requests: number, setting = onePointSetting('influxd', 1)) => ({
    ...{ part: 'one-point', setting, subject, round: 1 },
    figures: { 'requests/s': requests },
  })

  test.each([
    [1.4, 'stretch'],
    [1.8, 'yes'],
    [2, 'NO'],
  ])(
    'a write of one connection that takes %d times as long as a direct one: %s',
    (times, reached) => {
      const verdicts = judge(new Samples([rate('direct', 1000), rate('bun', 1000 / times)]))
      expect(verdicts).toMatchObject([
        { subject: 'bun', needed: '≤ 1.9×', stretch: '≤ 1.5×', reached },
      ])
    },
  )

  test('a relay is reported as a multiple of the one before', () => {
    const samples = [rate('bun', 300), rate('before-bun', 200)]
    const machine = {
      ...{ cores: 2, processor: '', memoryGb: 1, system: '', date: '2026-01-01', commit: '' },
      versions: {},
    }
    const text = report({ machine, rounds: 1, seconds: 1, samples, failures: [] })
    expect(text).toMatch(/After \/ before\n\n +bun .*\ninfluxd, 1 connection +1\.50/)
  })
})

test('the chart has the colour of our relays for them alone', () => {
  const one = (subject: string, connections: number): Sample => ({
    part: 'one-point',
    setting: `influxd, ${connections} connections`,
    subject,
    round: 1,
    figures: { 'requests/s': 100 },
  })
  const samples = ['direct', 'bun', 'go'].flatMap((name) => [one(name, 64), one(name, 256)])
  const machine = {
    ...{ cores: 2, processor: '', memoryGb: 1, system: '', date: '2026-01-01', commit: '' },
    versions: { influxd: '1.6.7' },
  }
  const drawn = chart({ machine, rounds: 1, seconds: 1, samples, failures: [] })
  const colours = [...(drawn ?? '').matchAll(/<rect [^>]*fill="(#\w+)"/g)].map(([, fill]) => fill)
  const [direct, bun, go] = colours
  expect(colours).toEqual([direct, bun, go, direct, bun, go])
  expect(go).toBe(direct)
  expect(bun).not.toBe(direct)
})

describe('failures', () => {
  function labOf(...args: string[]) {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const options = parseOptions(args)
    return new Lab(options, chooseSubjects(options))
  }

  const fail = async () => {
    throw new Error(`${program} ${root}/bench/x.ts: no`)
  }

  test('an arm that fails is reported once, and the others go on', async () => {
    const lab = labOf('--rounds', '3')
    const turns: string[] = []
    await lab.rounds([{ name: 'a' }, { name: 'b' }], async ({ name }, round) => {
      turns.push(`${name}${round}`)
      if (name === 'a' && round === 2) throw new Error('no')
    })
    expect(turns).toEqual(['a1', 'b1', 'b2', 'a2', 'b3'])
    expect(lab.failures).toEqual(['a: no'])
  })

  test('a reported failure names no path of this machine', async () => {
    const lab = labOf()
    expect(await lab.attempt('a', fail)).toBe(false)
    expect(lab.failures).toEqual(['a: bench/x.ts: no'])
    expect(console.error).toHaveBeenCalledWith('FAILED: a: bench/x.ts: no')
  })

  test('a server is stopped whatever comes of the work with it', async () => {
    const stop = vi.fn(async () => {})
    expect(await during({ stop }, async () => 7)).toBe(7)
    expect(stop).toHaveBeenCalledTimes(1)
    await expect(during({ stop }, fail)).rejects.toThrow('no')
    expect(stop).toHaveBeenCalledTimes(2)
  })

  test('a process that fails is stopped, and one that does not is kept', async () => {
    const stop = vi.fn(async () => {})
    const running: Running = { url: '', startMs: 0, pid: undefined, finish: async () => '', stop }
    expect(await labOf().using(running, async () => 7)).toBe(7)
    expect(stop).not.toHaveBeenCalled()
    await expect(labOf().using(running, fail)).rejects.toThrow('no')
    expect(stop).toHaveBeenCalledTimes(1)
  })
})
