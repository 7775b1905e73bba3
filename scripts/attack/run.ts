/** Runs one hostile case against a fresh relay. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from '../../bench/service.ts'
import type { RelaySubject } from '../../bench/subjects.ts'
import { peakMb, resetPeak, residentMb } from '../../bench/usage.ts'
import { parseLogLine } from '../../test/contract/logfmt.ts'
import { BOUNDS, type Bounds, type Case } from './case.ts'
import { Probe, type Report } from './probe.ts'
import type { Servers } from './servers.ts'

const WARM_UP_MS = 200
/** How long a relay may need to show the cost of an attack, or to recover from it. */
const AFTERMATH_MS = 300
const STORED_LIMIT_MS = 5000
const LIMIT_MS = 120_000
const LOG_LIMIT_MB = 1

/** What a case did to the relay on one way to run. */
export interface Outcome {
  readonly case: string
  readonly way: string
  readonly idleMb: number
  readonly peakMb: number
  /** Resident memory after the attack. */
  readonly afterMb: number
  /** Until the relay refused or finished what the attack asked for. */
  readonly seconds: number
  readonly probe: Report
  readonly isAlive: boolean
  readonly answers: string
  /** The bounds and promises that were broken. */
  readonly broken: readonly string[]
}

export async function runCase(one: Case, way: RelaySubject, servers: Servers): Promise<Outcome> {
  const behind = await (one.servers?.(servers) ?? servers.real())
  const relay = await way.start(behind, one.keys?.(behind))
  const measurement = `${one.name}_${way.name}`
  const probe = await Probe.start(relay.port, measurement)
  try {
    await delay(WARM_UP_MS)
    const idleMb = residentMb(relay.pid)
    resetPeak(relay.pid)
    probe.begin()
    const began = performance.now()
    const attack = await limited(one.attack(relay, behind))
    const seconds = (performance.now() - began) / 1000
    await delay(AFTERMATH_MS)
    const report = await probe.end()
    const memory = relay.isRunning
      ? { peakMb: peakMb(relay.pid), afterMb: residentMb(relay.pid) }
      : { peakMb: Number.NaN, afterMb: Number.NaN }
    const seen = {
      ...{ case: one.name, way: way.name, idleMb, ...memory, seconds, probe: report },
      ...{ isAlive: relay.isRunning, answers: attack.answers },
    }
    const broken = [
      ...attack.broken,
      ...beyond({ ...BOUNDS, ...one.bounds }, seen, one.ends ?? false),
      ...(await faultsOfLog(relay)),
    ]
    for (const server of behind) {
      const lacks = await lacking(servers, server, measurement, report.acknowledged)
      if (lacks > 0) broken.push(`${server.url} lacks ${lacks} acknowledged points`)
    }
    return { ...seen, broken }
  } finally {
    await relay.stop()
  }
}

/** Waits for an attack, but not for ever. An error of it is a promise that the relay broke. */
async function limited(attack: Promise<string>): Promise<{ answers: string; broken: string[] }> {
  const late = delay(LIMIT_MS).then(() => {
    throw new Error(`the attack did not end within ${LIMIT_MS / 1000} s`)
  })
  return Promise.race([attack, late]).then(
    (answers) => ({ answers, broken: [] }),
    (error: Error) => ({ answers: '', broken: [error.message] }),
  )
}

type Seen = Omit<Outcome, 'broken'>

function beyond(bounds: Bounds, seen: Seen, ends: boolean): string[] {
  if (!seen.isAlive) return ends ? [] : ['the process has ended']
  const { sent, outcomes, longestWaitMs } = seen.probe
  const grown = seen.peakMb - seen.idleMb
  const served = (outcomes['204'] ?? 0) / sent
  const broken: string[] = []
  if (grown > bounds.growthMb) broken.push(`+${grown.toFixed(0)} MB, at most ${bounds.growthMb}`)
  if (!(served >= bounds.served)) {
    broken.push(`${(100 * served).toFixed(0)} % served, at least ${100 * bounds.served}`)
  }
  if (longestWaitMs > bounds.waitMs) {
    broken.push(`${longestWaitMs.toFixed(0)} ms of waiting, at most ${bounds.waitMs}`)
  }
  if (seen.seconds > bounds.seconds) {
    broken.push(`took ${seen.seconds.toFixed(1)} s, at most ${bounds.seconds}`)
  }
  return broken
}

async function faultsOfLog(relay: Service): Promise<string[]> {
  const text = await relay.log()
  const faults: string[] = []
  if (text.length > LOG_LIMIT_MB * 2 ** 20) {
    faults.push(`${(text.length / 2 ** 20).toFixed(1)} MB of log, at most ${LOG_LIMIT_MB}`)
  }
  const lines = text.split('\n').filter((line) => line !== '')
  const foreign = lines.find((line) => parseLogLine(line) === undefined)
  if (foreign !== undefined) faults.push(`no line of a log: ${foreign.slice(0, 100)}`)
  const fault = lines.find((line) => parseLogLine(line)?.msg === 'request failed')
  if (fault !== undefined) faults.push(fault.slice(0, 200))
  return faults
}

/** How many points of the probe a real server lacks, once all had the time to arrive. */
async function lacking(
  servers: Servers,
  server: { url: string },
  measurement: string,
  acknowledged: number,
): Promise<number> {
  const end = performance.now() + STORED_LIMIT_MS
  for (;;) {
    const stored = (await servers.stored(server, measurement)) ?? acknowledged
    if (stored >= acknowledged || performance.now() > end) return acknowledged - stored
    await delay(100)
  }
}
