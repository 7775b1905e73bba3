/**
 * Two sockets that nobody reads: the system counts what it has to drop there, which costs nobody time.
 * Prints their ports, then waits to be stopped.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const ports: number[] = []
for (let i = 0; i < 2; i++) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  ports.push(socket.address().port)
}
console.log(JSON.stringify(ports))
