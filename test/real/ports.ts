import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** The loopback ports of one influxd. */
export type Ports = { http: number; rpc: number; udp: number }

/**
 * Chooses free ports. They are drawn from below the range that the system hands out for outgoing
 * connections (32768 and up on Linux). A port from that range could be given to any connection while
 * a test keeps its influxd down, even to the relay's attempt to reach it, which would then connect
 * to itself.
 */
export async function choosePorts(): Promise<Ports> {
  const http = await freePort(isFreeForTcp)
  const rpc = await freePort(async (port) => port !== http && (await isFreeForTcp(port)))
  return { http, rpc, udp: await freePort(isFreeForUdp) }
}

async function freePort(isFree: (port: number) => Promise<boolean>): Promise<number> {
  for (let attempts = 0; attempts < 100; attempts++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
  throw new Error('There is no free loopback port between 20000 and 32000.')
}

async function isFreeForTcp(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  return bound(server, 'listening', () => server.close())
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  return bound(socket, 'listening', () => socket.close())
}

async function bound(
  emitter: NodeJS.EventEmitter,
  event: string,
  close: () => void,
): Promise<boolean> {
  try {
    await once(emitter, event)
  } catch {
    return false
  }
  const closed = once(emitter, 'close')
  close()
  await closed
  return true
}
