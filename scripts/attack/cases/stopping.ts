/** SIGTERM under attack. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { Connection, crowd, head, post, WRITE } from '../connection.ts'

const SHUTDOWN_SECONDS = 2
const LIMIT_MS = (SHUTDOWN_SECONDS + 2) * 1000

const OPENINGS = [
  'POST /wri',
  head(WRITE, 'Content-Length: 25000000'),
  `${head(WRITE, 'Content-Length: 1000')}m v=1`,
  `${head(WRITE, 'Transfer-Encoding: chunked')}1\r\nm\r\n`,
  post(WRITE, 'm v=1 1').toString().repeat(100),
]

export const stopping: readonly Case[] = [
  {
    name: 'sigterm',
    title: `SIGTERM while 300 clients stall; shutdown-timeout = ${SHUTDOWN_SECONDS} s`,
    ends: true,
    keys: () => ({ file: { 'shutdown-timeout': `${SHUTDOWN_SECONDS}s` } }),
    async attack(relay) {
      const connections = await crowd(300, 100, (i) =>
        Connection.open(relay.port, { reads: i % 2 === 0 }),
      )
      connections.forEach((one, i) => void one.send(OPENINGS[i % OPENINGS.length] ?? ''))
      await delay(500)
      process.kill(relay.pid, 'SIGTERM')
      const began = performance.now()
      while (relay.isRunning && performance.now() - began < LIMIT_MS) await delay(10)
      if (relay.isRunning) throw new Error(`still runs ${LIMIT_MS / 1000} s after SIGTERM`)
      for (const connection of connections) connection.close()
      return `ended after ${((performance.now() - began) / 1000).toFixed(1)} s`
    },
  },
]
