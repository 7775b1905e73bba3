/** UDP on Deno's own API: its node:dgram loses a fifth of the datagrams at rates at which this loses few. */

import type { Address, UdpListener, UdpListenerOptions, UdpSender } from '../runtime.ts'
import { untilQuiet } from './udp-drain.ts'

const MAX_DATAGRAM_BYTES = 65_536

/** The pause after a failed receive, so that a lasting fault does not keep the processor busy. */
const PAUSE_MS = 100

/** Deno cannot set the size of the receive buffer. */
export async function listenUdp(options: UdpListenerOptions): Promise<UdpListener> {
  const socket = bindAny(options.bind)
  const { hostname, port } = socket.addr as Deno.NetAddr
  let received = 0
  let closed = false
  const receive = async () => {
    const buffer = new Uint8Array(MAX_DATAGRAM_BYTES)
    while (!closed) {
      try {
        const [datagram] = await socket.receive(buffer)
        received++
        options.onDatagram(datagram.slice())
      } catch (error) {
        if (closed) return
        options.onError(error as Error)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    }
  }
  void receive()
  return {
    address: { host: hostname, port },
    async close() {
      await untilQuiet(() => received)
      closed = true
      socket.close()
    },
  }
}

/** Binds a socket. An empty host is every address of both families, or of IPv4 if there is no IPv6. */
function bindAny({ host, port }: Address): Deno.DatagramConn {
  if (host !== '') return bind(host, port)
  try {
    return bind('::', port)
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error
    return bind('0.0.0.0', port)
  }
}

function bind(hostname: string, port: number): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: 'udp', hostname, port })
}

export function createUdpSender(): UdpSender {
  /** By the address to which they are bound: one for each family. */
  const sockets = new Map<string, Deno.DatagramConn>()
  const socketFor = (any: string) => {
    let socket = sockets.get(any)
    if (!socket) {
      socket = bind(any, 0)
      sockets.set(any, socket)
    }
    return socket
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    // One after the other: overlapping sends leave in any order.
    send(datagram, { host, port }) {
      const sent = last.then(async () => {
        const socket = socketFor(host.includes(':') ? '::' : '0.0.0.0')
        await socket.send(datagram, { transport: 'udp', hostname: host, port })
      })
      last = sent.catch(() => {})
      return sent
    },
    close() {
      for (const socket of sockets.values()) socket.close()
    },
  }
}
