/**
 * Two sockets that count points. Prints their ports, then for each line of input the points that
 * each of them has got. Run as `bun udp-sink.ts BYTES`, with the size of a point.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const BUFFER_BYTES = 4 * 1024 * 1024

const lineBytes = Number(process.argv[2]) + 1
const ports: number[] = []
const counts: number[] = []
for (let i = 0; i < 2; i++) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES })
  counts.push(0)
  // Points in one datagram are separated by newlines; the last one may lack its own.
  socket.on('message', ({ length }) => {
    counts[i] = (counts[i] as number) + Math.round(length / lineBytes)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  ports.push(socket.address().port)
}
console.log(JSON.stringify(ports))
for await (const _ of createInterface(process.stdin)) console.log(JSON.stringify(counts))
process.exit()
