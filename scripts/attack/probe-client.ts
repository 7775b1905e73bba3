/**
 * A client that does no harm: it writes a point every 50 ms while others attack. Run as
 * `bun probe-client.ts PORT MEASUREMENT`. A line on its input starts the measurement; at the end of
 * its input it prints a Report as JSON.
 *
 * It keeps one connection, and opens a new one for every tenth write, as newcomers must be served, too.
 */

import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Report } from './probe.ts'

const INTERVAL_MS = 50
const NEWCOMER = 10
const LIMIT_MS = 10_000

const [port = '', measurement = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const base = BigInt(Date.now()) * 1_000_000n

let number = 0
let acknowledged = 0
let sent = 0
const outcomes: Record<string, number> = {}
let longestWaitMs = 0
/** When the write began that is not answered yet. */
let pending: number | undefined

createInterface(process.stdin)
  .on('line', () => {
    sent = 0
    longestWaitMs = 0
    for (const outcome of Object.keys(outcomes)) delete outcomes[outcome]
  })
  .on('close', () => {
    if (pending !== undefined) {
      longestWaitMs = Math.max(longestWaitMs, performance.now() - pending)
      if (performance.now() - pending > LIMIT_MS / 10) count('unanswered')
    }
    const report: Report = { sent, outcomes, longestWaitMs, acknowledged }
    console.log(JSON.stringify(report))
    process.exit()
  })

for (;;) {
  const began = performance.now()
  pending = began
  const outcome = await write(number++)
  pending = undefined
  if (outcome === '204') acknowledged++
  count(outcome)
  if (number === 1) console.log('ready')
  const taken = performance.now() - began
  longestWaitMs = Math.max(longestWaitMs, taken)
  await delay(Math.max(0, INTERVAL_MS - taken))
}

function count(outcome: string): void {
  sent++
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}

/** The status of the answer, or what else happened. */
function write(n: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const body = `${measurement} v=${n}i ${base + BigInt(n)}\n`
  const started = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/write?db=probe',
    agent: n % NEWCOMER === 0 ? false : agent,
    headers: { 'content-length': Buffer.byteLength(body) },
    timeout: LIMIT_MS,
  })
  started.on('response', (response) => {
    response.resume()
    response.on('end', () => resolve(String(response.statusCode)))
    response.on('error', (error) => resolve(error.message))
  })
  started.on('timeout', () => started.destroy(new Error('timeout')))
  started.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message))
  started.end(body)
  return promise
}
