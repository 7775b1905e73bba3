/** Floods of datagrams, while other clients write by HTTP. */

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import type { Case, Pair } from '../case.ts'

const FLOOD_MS = 1500
const AT_ONCE = 64

/** Sends datagrams as fast as the system takes them. */
async function flood(port: number, datagram: () => Buffer): Promise<string> {
  const socket = createSocket('udp4')
  const datagrams = Array.from({ length: AT_ONCE }, datagram)
  const send = (one: Buffer) =>
    new Promise<void>((resolve) => socket.send(one, port, '127.0.0.1', () => resolve()))
  let sent = 0
  for (const end = performance.now() + FLOOD_MS; performance.now() < end; await delay(1)) {
    await Promise.all(datagrams.map(send))
    sent += datagrams.length
  }
  socket.close()
  return `${sent} sent`
}

/** Datagrams go to the same servers, by HTTP. */
const keys = (servers: Pair) => ({
  udp: { database: 'attack', output: servers.map(({ url }) => ({ location: url })) },
})

const LINE = Buffer.from('m,t=x v=1i 1\n')

export const datagrams: readonly Case[] = [
  {
    name: 'udp-garbage',
    title: 'datagrams of 100 random bytes, as fast as they can be sent',
    keys,
    bounds: { waitMs: 2000 },
    attack: ({ port }) => flood(port, () => randomBytes(100)),
  },
  {
    name: 'udp-large',
    title: 'datagrams of 65,000 bytes of points, as fast as they can be sent',
    keys,
    bounds: { growthMb: 512, waitMs: 2000 }, // max-pending-mb of each output bounds what waits
    attack: ({ port }) => flood(port, () => Buffer.alloc(65_000, LINE)),
  },
]
