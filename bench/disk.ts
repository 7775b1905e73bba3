/** Bytes and fsyncs of a disk buffer, as the system counts them. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { deadBackend } from './faults.ts'
import type { Lab, Part } from './lab.ts'
import { send } from './load.ts'
import { findProgram } from './programs.ts'
import { scratchFolder } from './scratch.ts'
import { during } from './service.ts'
import type { Subject } from './subjects.ts'
import { writtenBytes } from './usage.ts'

const LOAD = { shape: { points: 1, timestamps: true }, connections: 64 }
const BUFFER = { 'buffer-size-mb': 4096 }
const TRACE_LIMIT_MS = 5000

const SECONDS = ['healthy', 'down'] as const

const diskSetting = (second: (typeof SECONDS)[number]) =>
  `null, disk buffer, ${second === 'down' ? 'one down' : 'healthy'}`

/**
 * One-point writes, 64 connections. strace slows the relay down, so the rate is lower than
 * elsewhere.
 */
export const disk: Part = {
  name: 'disk',
  title: 'What a buffer on disk asks of the disk',
  async run(lab) {
    for (const relay of lab.someRelays.filter(({ isOurs }) => isOurs)) {
      for (const second of SECONDS) {
        const setting = diskSetting(second)
        await lab.attempt(`${relay.name}, ${setting}`, async () => {
          const figures = await trace(lab, relay, second)
          lab.record({ part: 'disk', setting, subject: relay.name, round: 1, figures })
        })
      }
    }
  },
}

let traces = 0

async function trace(lab: Lab, relay: Subject, second: (typeof SECONDS)[number]) {
  const [healthy, other] = await lab.backends('null')
  const backends = [healthy, second === 'down' ? await deadBackend() : other] as const
  const strace = await findProgram('strace')
  const counts = join(await scratchFolder(), `trace${traces++}`)
  // With -D the relay stays the bench's child, and strace ends after it.
  const options = ['-D', '-f', '--seccomp-bpf', '-qq', '-c', '-e', 'trace=fsync,fdatasync']
  const running = await relay.start(backends, {
    onDisk: true,
    output: BUFFER,
    under: { command: [strace.path, ...options, '-o', counts], env: strace.env },
  })
  const { requests, seconds, written } = await during(running, async ({ url, pid }) => ({
    ...(await send(url, LOAD, lab.options.seconds)),
    written: writtenBytes(pid as number),
  }))
  return {
    'requests/s, traced': requests / seconds,
    'bytes/point': written / requests,
    'fsyncs per 1,000 points': ((await callsIn(counts)) / requests) * 1000,
  }
}

/** strace writes its table a moment after the traced program has ended. */
async function callsIn(file: string): Promise<number> {
  const deadline = performance.now() + TRACE_LIMIT_MS
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const total = /^\s*\S+\s+\S+\s+\S+\s+(\d+)\s+(?:\d+\s+)?total$/m.exec(text)?.[1]
    if (total !== undefined) return Number(total)
    if (performance.now() > deadline) throw new Error(`strace has not printed its counts: ${text}`)
    await delay(20)
  }
}
