import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { onTestFinished } from 'vitest'

/** Some containers have no IPv6. */
export const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === '::1')

const familyOf = (host: string) => (isIPv6(host) ? 'udp6' : 'udp4')

/** Sends datagrams, in order. */
export async function sendDatagrams(
  { host, port }: { host: string; port: number },
  datagrams: readonly (string | Uint8Array)[],
): Promise<void> {
  const socket = createSocket(familyOf(host))
  try {
    for (const datagram of datagrams) {
      await new Promise<void>((resolve, reject) => {
        socket.send(datagram, port, host, (error) => (error ? reject(error) : resolve()))
      })
    }
  } finally {
    socket.close()
  }
}

/** A UDP socket in place of a server, for what a server does not show: where datagrams end. */
export class Receiver {
  readonly datagrams: string[] = []
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (datagram) => this.datagrams.push(datagram.toString()))
  }

  /** A receiver that lasts until the end of the test. */
  static async open(): Promise<Receiver> {
    const socket = createSocket('udp4')
    onTestFinished(() => void socket.close())
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new Receiver(socket)
  }

  /** As an output's location. */
  get location(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }
}
