/** One measurement of a subject under wrk's load. */

import type { Backend } from './backends.ts'
import { type Load, type Seen, send } from './load.ts'
import type { Figures } from './samples.ts'
import type { Running, Subject } from './subjects.ts'
import { cpuSeconds, peakMb, resetPeak } from './usage.ts'

/**
 * Sends writes for some seconds and returns the figures.
 *
 * @param backends the servers whose requests are counted
 */
export async function measure(
  subject: Subject,
  { url, secondUrl, pid }: Running,
  backends: readonly Backend[],
  load: Load,
  seconds: number,
): Promise<Figures> {
  if (pid !== undefined) resetPeak(pid)
  const cpuBefore = pid === undefined ? 0 : cpuSeconds(pid)
  const before = await reached(backends)
  const seen = secondUrl
    ? await sendToBoth([url, secondUrl], load, seconds)
    : await send(url, load, seconds)
  const cpu = pid === undefined ? 0 : cpuSeconds(pid) - cpuBefore
  const arrived = (await reached(backends)) - before
  const points = seen.requests * load.shape.points
  const copies = Math.min(subject.copies, backends.length)
  return {
    'requests/s': seen.requests / seen.seconds,
    'points/s': points / seen.seconds,
    'p50 ms': seen.p50,
    'p99 ms': seen.p99,
    'p99.9 ms': seen.p999,
    'backend requests per 1,000': (arrived / copies / seen.requests) * 1000,
    ...(pid !== undefined && {
      'CPU us/request': (cpu * 1e6) / seen.requests,
      'CPU us/point': (cpu * 1e6) / points,
      'peak MB': peakMb(pid),
    }),
  }
}

/** Sends the same load to two servers at the same time: the mean of what each of them takes. */
async function sendToBoth(urls: readonly string[], load: Load, seconds: number): Promise<Seen> {
  const [first, second] = await Promise.all(urls.map((url) => send(url, load, seconds)))
  if (!first || !second) throw new Error('there are no two servers')
  const names = Object.keys(first) as (keyof Seen)[]
  const means = names.map((name) => [name, (first[name] + second[name]) / 2])
  return Object.fromEntries(means) as unknown as Seen
}

async function reached(backends: readonly Backend[]): Promise<number> {
  const counts = await Promise.all(backends.map((backend) => backend.requests()))
  return counts.reduce((sum, count) => sum + count, 0)
}
