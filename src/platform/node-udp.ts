/** UDP on node:dgram, for Bun and Node. Deno has its own in deno-udp.ts. */

import * as dgram from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Address, UdpListener, UdpListenerOptions, UdpSender } from '../runtime.ts'
import { untilQuiet } from './udp-drain.ts'

export async function listenUdp(options: UdpListenerOptions): Promise<UdpListener> {
  const { bind, readBufferBytes } = options
  const socket = await bindAny(bind, readBufferBytes)
  let received = 0
  socket.on('message', (datagram) => {
    received++
    options.onDatagram(datagram)
  })
  socket.on('error', options.onError)
  const { address, port } = socket.address()
  return {
    address: { host: address, port },
    async close() {
      await refuseAll(socket)
      await untilQuiet(() => received)
      socket.off('error', options.onError).on('error', () => {})
      socket.close()
    },
  }
}

/**
 * Connects a socket to its own address: from then on the system takes datagrams from nowhere else. It keeps
 * the datagrams that it has taken before.
 */
async function refuseAll(socket: dgram.Socket): Promise<void> {
  const { address, port } = socket.address()
  const own = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address] ?? address
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve())
    socket.connect(port, own, () => resolve())
  })
}

/** Binds a socket. An empty host is every address of both families, or of IPv4 if there is no IPv6. */
async function bindAny(to: Address, readBufferBytes: number): Promise<dgram.Socket> {
  if (to.host !== '') return bind(to, readBufferBytes)
  return bind({ ...to, host: '::' }, readBufferBytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') throw error
    return bind({ ...to, host: '0.0.0.0' }, readBufferBytes)
  })
}

function bind({ host, port }: Address, readBufferBytes: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket({
    type: familyOf(host),
    ...(readBufferBytes > 0 ? { recvBufferSize: readBufferBytes } : {}),
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address: host, port }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

export function createUdpSender(): UdpSender {
  const sockets = new Map<dgram.SocketType, dgram.Socket>()
  const socketFor = (family: dgram.SocketType) => {
    let socket = sockets.get(family)
    if (!socket) {
      socket = dgram.createSocket(family)
      // The callback of each send gets its error, too.
      socket.on('error', () => {})
      sockets.set(family, socket)
    }
    return socket
  }
  return {
    send: (datagram, { host, port }) =>
      new Promise((resolve, reject) => {
        socketFor(familyOf(host)).send(datagram, port, host, (error) => {
          if (error) reject(error)
          // Lets datagrams that have arrived be received first, so that they are sent together.
          else setImmediate(resolve)
        })
      }),
    close() {
      for (const socket of sockets.values()) socket.close()
    },
  }
}

function familyOf(host: string): dgram.SocketType {
  return isIPv6(host) ? 'udp6' : 'udp4'
}
