/**
 * All that the relay needs from the runtime that runs it, and so from the outside world. `platform/` implements
 * it for Bun, Deno and Node.js, `edge.ts` on web standards alone, and the tests and the simulation with a clock
 * that they move.
 */

import type { Allocator } from './influxdb/lines.ts'

/** Time. Nothing else in the relay reads a clock. */
export interface Clock {
  /** Milliseconds since some start, never going back: for delays and deadlines. */
  now(): number
  /** Nanoseconds since the Unix epoch, different at each call: for timestamps of points. */
  wallNanoseconds(): bigint
  /** Calls back once, `delayMs` from now (at once below 0), unless the returned function is called before. */
  after(delayMs: number, callback: () => void): () => void
}

/**
 * The part of the web's fetch that a backend uses. It never follows a redirect. It may send a request twice
 * if the connection was closed under it: points are idempotent. Once it resolves with a success, the body's
 * memory can be used again.
 */
export type Fetch = (url: string, request: FetchRequest) => Promise<Response>

export interface FetchRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
}

/** How to reach one backend. */
export interface FetchOptions {
  /** The certificates, in PEM, of the authorities to trust in place of the system's. */
  readonly ca: string | undefined
  readonly skipTlsVerification: boolean
}

/** Memory for bodies that is used again. A buffer that is never given back is ordinary garbage. */
export interface Buffers extends Allocator {
  /** Bytes of any content. */
  take(length: number): Uint8Array<ArrayBuffer>
  /**
   * Has memory that came from elsewhere freed once it is given. Nothing else may refer to a part of it, which
   * is assumed only if `bytes` are most of it.
   */
  adopt<Bytes extends Uint8Array>(bytes: Bytes): Bytes
  /** Takes back memory that nothing will read again. Ignores what was neither taken here nor adopted. */
  give(bytes: Uint8Array): void
}

/** What the HTTP half needs. */
export interface Runtime {
  readonly clock: Clock
  /** Memory for bodies; all parts of a relay share it. */
  readonly buffers: Buffers
  /** A fetch of its own for each backend, so that one cannot use up another's connections. */
  createFetch(options: FetchOptions): Fetch
  /**
   * The same for long answers. Bodies come as they are, not inflated, and no faster than they are read. One
   * that is cut short is an error, and an abort closes the connection.
   */
  createStreamingFetch(options: FetchOptions): Fetch
  /**
   * Inflates gzip.
   *
   * @throws RangeError if the result is larger than `limit` bytes, another error if the input is broken
   */
  gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array>
  /** The result is the caller's, and `bytes` are not looked at any more once it resolves. */
  gzip(bytes: Uint8Array): Promise<Uint8Array>
  /** Writes one line to the log. */
  writeLog(line: string): void
}

/** Where a server listens, port 0 for any free one. An empty host means every address. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A listening HTTP server. */
export interface HttpServer {
  readonly address: Address
  /** Stops accepting, lets requests in flight finish, at most until `signal` aborts. */
  stop(signal: AbortSignal): Promise<void>
}

/** Answers requests. Never rejects. */
export type FetchHandler = (request: Request) => Response | Promise<Response>

export interface HttpServerOptions {
  readonly bind: Address
  /** A certificate and its key in one PEM: makes the server speak TLS, 1.2 or newer. */
  readonly pem: string | undefined
  /** Connections past this many are closed at once. No effect on Bun. */
  readonly maxConnections: number
  /** Files that the process may have open. On Bun idle connections are closed before they take all of them. */
  readonly maxOpenFiles: number
  /** Connections that may wait to be accepted. No effect on Bun. */
  readonly backlog: number
  /** The longest that a client may take to send a request's head. Always 12 seconds on Bun. */
  readonly readTimeoutMs: number
  /** The longest that a connection may be idle between two requests. At most 255 seconds on Bun. */
  readonly idleTimeoutMs: number
  /** Called for each connection that was closed because of `maxConnections`. */
  onConnectionRefused(): void
  /** Called for each request that was refused before the handler saw it. Never called on Bun. */
  onBadRequest(reason: string): void
}

/** A UDP socket that receives datagrams. */
export interface UdpListener {
  readonly address: Address
  /** Passes on what the system has received until now, and resolves once the address is free. */
  close(): Promise<void>
}

export interface UdpListenerOptions {
  readonly bind: Address
  /** Bytes of the socket's receive buffer, 0 for the system's default. */
  readonly readBufferBytes: number
  /** Called for each datagram. The memory is the callee's. */
  onDatagram(datagram: Uint8Array): void
  onError(error: Error): void
}

/** Sends datagrams. */
export interface UdpSender {
  /** Resolves when the system has taken the datagram. Datagrams keep the order of calls. */
  send(datagram: Uint8Array, to: Address): Promise<void>
  close(): void
}

/** What a UDP relay needs. */
export interface UdpRuntime {
  readonly clock: Clock
  /** Each output gets a sender of its own, so that an error of one does not reach another. */
  createUdpSender(): UdpSender
  /** The numeric address of a host name. */
  resolve(host: string): Promise<string>
}

/** What the whole program needs: the HTTP half, and sockets, files, signals. */
export interface ProgramRuntime extends Runtime, UdpRuntime {
  /** The runtime's name and version. */
  readonly name: string
  serveHttp(fetch: FetchHandler, options: HttpServerOptions): Promise<HttpServer>
  listenUdp(options: UdpListenerOptions): Promise<UdpListener>
  /** The text of a file. */
  readFile(path: string): Promise<string>
  /** How many files and connections the process may have open; infinite if the system does not tell. */
  maxOpenFiles(): Promise<number>
  readonly disk: Disk
  readonly args: readonly string[]
  print(text: string): void
  printError(text: string): void
  /** Calls back at each SIGINT and SIGTERM. */
  onSignal(callback: (name: string) => void): void
  exit(code: number): void
}

/**
 * A disk.
 *
 * A power cut may undo what has not been synced: the bytes of a file until its `sync`, a name that was
 * created, changed or removed until the `syncFolder` of its folder. Before that each change may have reached
 * the disk or not, in any order and in part. A kill of the process undoes nothing.
 *
 * Every method rejects with an error that has a `code`, such as ENOSPC, EIO or ENOENT.
 */
export interface Disk {
  /**
   * Makes a folder, readable by its owner only, and missing folders above it, and syncs their names. Does
   * nothing if the folder exists.
   */
  makeFolder(path: string): Promise<void>
  /** The files and folders in a folder, in no particular order. */
  list(folder: string): Promise<DiskEntry[]>
  /** Resolves once the names in the folder, as they are now, outlast a power cut. */
  syncFolder(folder: string): Promise<void>
  /** Creates an empty file, readable by its owner only. Rejects with EEXIST if it exists. */
  create(path: string): Promise<DiskFile>
  /** Opens a file for reading and writing. */
  open(path: string): Promise<DiskFile>
  remove(path: string): Promise<void>
  /** Removes an empty folder. Rejects with ENOTEMPTY if it is not empty. */
  removeFolder(path: string): Promise<void>
  /**
   * Renames a file, in place of a file that has the new name, or a folder. A power cut leaves one of the two
   * names.
   */
  rename(from: string, to: string): Promise<void>
  /**
   * Locks an existing folder until the lock is released or this process ends, however it ends. Rejects with
   * EBUSY and an error that names the folder if it is locked.
   */
  lock(folder: string): Promise<DiskLock>
}

export interface DiskEntry {
  readonly name: string
  readonly bytes: number
  readonly isFolder: boolean
}

/** An open file. */
export interface DiskFile {
  size(): Promise<number>
  /**
   * `length` bytes from `offset` on; fewer only at the end of the file.
   *
   * @param into memory for them; new memory by default. The caller owns it in either case.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>
  /** Writes all bytes. If it rejects, a part of them may have been written. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  truncate(size: number): Promise<void>
  /**
   * Resolves once the size and the bytes of the file, as they are now, outlast a power cut. If it rejects,
   * bytes that were not synced before may be lost, even if a later call resolves.
   */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface DiskLock {
  release(): Promise<void>
}
