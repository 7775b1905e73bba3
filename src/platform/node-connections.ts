/** The connections of a server on node:http. */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests in flight beyond one on each connection. Without a limit, Deno reads them as fast as they come. */
const MAX_PIPELINED = 1000

interface Connection {
  /** The responses that were not yet sent when the last request came. */
  readonly responses: ServerResponse[]
  /** As at the last `closeIdle`. */
  bytesRead: number
  /** When the connection was first seen idle, or undefined if it was busy at the last `closeIdle`. */
  idleSince: number | undefined
}

export class Connections {
  private readonly connections = new Map<Socket, Connection>()

  add(socket: Socket): Connection {
    const connection = { responses: [], bytesRead: 0, idleSince: undefined }
    this.connections.set(socket, connection)
    socket.once('close', () => this.connections.delete(socket))
    return connection
  }

  /** Whether a request that came on a connection may go on: its client may have sent too many at once. */
  begin(socket: Socket, response: ServerResponse): boolean {
    const { responses } = this.connections.get(socket) ?? this.add(socket)
    // A listener for each response would take a fifth of the time that a small write takes.
    while (responses[0]?.writableFinished) responses.shift()
    return responses.push(response) <= MAX_PIPELINED
  }

  inFlight(): ServerResponse[] {
    return [...this.connections.values()].flatMap(unsent)
  }

  /**
   * Closes connections that have been idle since a time. To be called again and again: a socket's own timer
   * would have to be set and cleared for each request, which takes up to a tenth of the time of a small write.
   */
  closeIdle(since: number, now: number): void {
    for (const [socket, connection] of this.connections) {
      const { bytesRead } = socket
      const isIdle = bytesRead === connection.bytesRead && unsent(connection).length === 0
      connection.bytesRead = bytesRead
      if (!isIdle) connection.idleSince = undefined
      else if (connection.idleSince === undefined) connection.idleSince = now
      else if (connection.idleSince <= since) socket.destroy()
    }
  }

  destroyAll(): void {
    for (const socket of this.connections.keys()) socket.destroy()
  }
}

function unsent({ responses }: Connection): ServerResponse[] {
  return responses.filter(({ writableFinished }) => !writableFinished)
}
