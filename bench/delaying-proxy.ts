/**
 * Simulates a distant server: passes bytes between its port and another, each way after half of a
 * delay. Run as `bun delaying-proxy.ts PORT SERVER_PORT MILLISECONDS`.
 */

import { connect, createServer, type Socket } from 'node:net'

const [port, server, delay] = process.argv.slice(2).map(Number)
if (!port || !server || !delay) throw new Error('PORT, SERVER_PORT and MILLISECONDS are needed')

/** Timers of one length fire in the order in which they were set, so bytes stay in order. */
function pass(from: Socket, to: Socket, milliseconds: number): void {
  from.on('data', (bytes) => setTimeout(() => to.write(bytes), milliseconds))
  from.on('end', () => setTimeout(() => to.end(), milliseconds))
  from.on('error', () => to.destroy())
}

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const far = connect({ port: server, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  pass(client, far, delay / 2)
  pass(far, client, delay / 2)
}).listen(port, '127.0.0.1')
