/** Load by wrk: each connection sends its next write when the last one is answered. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { here } from './paths.ts'
import { findProgram } from './programs.ts'
import { countsUp, type Shape, writeRequests } from './requests.ts'
import { scratchFolder } from './scratch.ts'

export interface Load {
  readonly shape: Shape
  readonly connections: number
}

/** The result of a run of wrk. */
export interface Seen {
  readonly requests: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Writes that were answered with 4xx or 5xx. */
  readonly refused: number
}

const folders = new Map<string, Promise<{ dir: string; count: number }>>()

/** The distance between the timestamps of two runs, so that no point overwrites another. */
const STAMPS_A_RUN = 5_000_000
let runs = 0

/**
 * Sends writes for some seconds.
 *
 * @param mayRefuse counts answers of 4xx and 5xx, which are errors by default
 */
export async function send(
  url: string,
  { shape, connections }: Load,
  seconds: number,
  { mayRefuse = false } = {},
): Promise<Seen> {
  const { dir, count } = await requestsOf(shape)
  const stamp = countsUp(shape) ? [String((runs++ * STAMPS_A_RUN) % 900_000_000)] : []
  const script = ['-s', join(here, 'wrk.lua'), url, '--', dir, String(count), ...stamp]
  const options = ['-t', '1', '-c', String(connections), '--timeout', '20s']
  const text = await wrk([...options, '-d', `${seconds}s`, ...script])
  const json = /^JSON (.*)$/m.exec(text)?.[1]
  if (json === undefined) throw new Error(`wrk printed no result:\n${text}`)
  return check(JSON.parse(json), mayRefuse, text)
}

type WrkResult = Record<
  'requests' | 'us' | 'status' | 'connect' | 'read' | 'write' | 'timeout' | 'p50' | 'p99' | 'p999',
  number
>

function check(result: WrkResult, mayRefuse: boolean, text: string): Seen {
  const broken = result.connect + result.read + result.write + result.timeout
  if (broken > 0 || result.requests === 0 || (result.status > 0 && !mayRefuse)) {
    throw new Error(`writes failed:\n${text}`)
  }
  return {
    requests: result.requests,
    seconds: result.us / 1e6,
    p50: result.p50 / 1000,
    p99: result.p99 / 1000,
    p999: result.p999 / 1000,
    refused: result.status,
  }
}

/** Made once a run. */
function requestsOf(shape: Shape): Promise<{ dir: string; count: number }> {
  const key = JSON.stringify(shape)
  const folder = folders.get(key) ?? makeFolder(shape)
  folders.set(key, folder)
  return folder
}

async function makeFolder(shape: Shape): Promise<{ dir: string; count: number }> {
  const dir = join(await scratchFolder(), `requests${folders.size}`)
  return { dir, count: await writeRequests(dir, shape) }
}

async function wrk(args: readonly string[]): Promise<string> {
  const { path, env } = await findProgram('wrk')
  const raise = 'ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"'
  const child = spawn('sh', ['-c', raise, path, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`wrk ended with ${code}:\n${text}`)
  return text
}
