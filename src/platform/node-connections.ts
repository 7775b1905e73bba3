/** The connections of a server on node:http. */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests that may wait on each connection. Without a limit, Deno reads them as fast as they come. */
const MAX_PIPELINED = 100

interface Connection {
  /** The responses that are not yet sent, in the order of their requests, perhaps after some that are. */
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

  /**
   * Serves a request once all responses before it are sent: a client that sends many requests at once, and
   * does not read, keeps one answer in memory. Returns false if the client has sent too many.
   */
  begin(socket: Socket, response: ServerResponse, serve: () => void): boolean {
    const { responses } = this.connections.get(socket) ?? this.add(socket)
    // A listener for each response would take a fifth of the time that a small write takes.
    forgetSent(responses)
    const previous = responses.at(-1)
    if (responses.push(response) > MAX_PIPELINED) return false
    if (previous === undefined) serve()
    else {
      previous.once('close', () => {
        if (!socket.destroyed) serve()
      })
    }
    return true
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
      forgetSent(connection.responses)
      const isIdle = bytesRead === connection.bytesRead && connection.responses.length === 0
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

/** A response holds its request, with all headers. */
function forgetSent(responses: ServerResponse[]): void {
  while (responses[0]?.writableFinished) responses.shift()
}

function unsent({ responses }: Connection): ServerResponse[] {
  return responses.filter(({ writableFinished }) => !writableFinished)
}
