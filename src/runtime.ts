/**
 * What the relay needs from the outside world, and all that it needs. Each runtime's entry hands one in;
 * so does the web-standard one, and a test or a simulation in which time stands still.
 */

import type { Allocator } from './influxdb/lines.ts'

/** Time. Nothing else in the relay knows what time it is. */
export interface Clock {
  /** Milliseconds from some start, never going back: for delays and deadlines. */
  now(): number
  /** Nanoseconds since the Unix epoch, different at each call: for timestamps of points. */
  wallNanoseconds(): bigint
  /** Calls back once, `delayMs` from now, unless the returned function is called before. */
  after(delayMs: number, callback: () => void): () => void
}

/**
 * The part of the web's fetch that a backend uses. It never follows a redirect. Once it resolves with a
 * success, nothing looks at the body any more.
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
  /** Certificates, PEM, that vouch for the backend instead of the system's. */
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

/** A UDP socket that receives. */
export interface UdpListener {
  readonly address: Address
  close(): void
}

export interface UdpListenerOptions {
  readonly bind: Address
  /** Bytes of the socket's receive buffer, 0 for the system's default. */
  readonly readBufferBytes: number
  /** `datagram` is the receiver's to keep. */
  onDatagram(datagram: Uint8Array): void
  onError(error: Error): void
}

/** UDP sockets to send from. */
export interface UdpSender {
  /** Resolves when the datagram was handed to the network; rejects if it could not be. */
  send(datagram: Uint8Array, to: Address): Promise<void>
  close(): void
}

/** What the UDP half needs. */
export interface UdpRuntime {
  readonly clock: Clock
  /** A sender of its own for each output, so that one's dead port is not another's error. */
  createUdpSender(): UdpSender
  /** The numeric address of a host name. */
  resolve(host: string): Promise<string>
}

/** What the whole program needs: the HTTP half, and sockets, files, signals. */
export interface Host extends Runtime, UdpRuntime {
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
 * A disk, as far as the relay needs one.
 *
 * Nothing is sure to outlast a power cut until it has been synced: a file's bytes by its `sync`, a name
 * that was made, changed or removed by its folder's `syncFolder`. Until then each of them may or may not
 * have reached the disk, in any order and in part. What a killed process has done, though, stays done.
 *
 * Every method rejects with an error that has a `code`, such as ENOSPC, EIO or ENOENT.
 */
export interface Disk {
  /**
   * Makes a folder, readable by its owner only, and those above it that are missing. Does nothing if
   * there is one. The one thing here that needs no sync: the folder is there for good.
   */
  makeFolder(path: string): Promise<void>
  /** What is in a folder, in no particular order. */
  list(folder: string): Promise<DiskEntry[]>
  /** Returns once the names in the folder, as they are now, outlast a power cut. */
  syncFolder(folder: string): Promise<void>
  /** Makes an empty file that its owner alone may read. Rejects with EEXIST if the name is taken. */
  create(path: string): Promise<DiskFile>
  /** Opens a file for reading and writing. */
  open(path: string): Promise<DiskFile>
  remove(path: string): Promise<void>
  /** Gives a file another name, in place of the file that has it. */
  rename(from: string, to: string): Promise<void>
  /**
   * Keeps everybody else out of a folder that exists, until released or until this process ends, however
   * it ends. Rejects with an error that names the folder, EBUSY, if it is locked already.
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
   * Up to `length` bytes from `offset` on: fewer only where the file ends. They are the caller's.
   *
   * @param into memory for them, if the caller has some
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>
  /** Writes all bytes, or rejects when it has written none or a part of them. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  truncate(size: number): Promise<void>
  /**
   * Returns once the file's size and bytes, as they are now, outlast a power cut. After it has rejected,
   * what was not synced before is lost, even if a later call resolves.
   */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface DiskLock {
  release(): Promise<void>
}
