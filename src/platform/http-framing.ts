/** Where the body of an HTTP/1.1 message ends (RFC 9112, sections 6 and 7). */

import { HEADER, HttpError, TOKEN } from './http-head.ts'

/** Tells the bytes of one body from those that frame and follow it. */
export interface Framing {
  /** Whether the body has come to its end. */
  readonly isDone: boolean
  /** The most bytes that may still come; infinite if nobody knows. */
  readonly remaining: number
  /**
   * Hands the body's part of `bytes` to `sink` and returns how many of them belong to the message.
   *
   * @throws HttpError
   */
  take(bytes: Uint8Array, sink: (piece: Uint8Array) => void): number
}

export function framingOf(bodyLength: number | 'chunked' | 'until close'): Framing {
  if (bodyLength === 'chunked') return new ChunkedFraming()
  return new LengthFraming(bodyLength === 'until close' ? Number.POSITIVE_INFINITY : bodyLength)
}

class LengthFraming implements Framing {
  remaining: number

  constructor(length: number) {
    this.remaining = length
  }

  get isDone(): boolean {
    return this.remaining === 0
  }

  take(bytes: Uint8Array, sink: (piece: Uint8Array) => void): number {
    const used = Math.min(bytes.length, this.remaining)
    this.remaining -= used
    if (used > 0) sink(used === bytes.length ? bytes : bytes.subarray(0, used))
    return used
  }
}

const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
/** A chunk's size and its extensions, which mean nothing to the relay but must be well-formed. */
const CHUNK = new RegExp(`^([0-9A-Fa-f]{1,12})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`)
const TRAILER = new RegExp(`^${HEADER}$`)

/** The longest line that tells a chunk's size, and the most bytes of trailers. */
const MAX_LINE_BYTES = 4096
const MAX_TRAILER_BYTES = 16 * 1024

const CR = 13
const LF = 10

class ChunkedFraming implements Framing {
  readonly remaining = Number.POSITIVE_INFINITY
  private part: 'size' | 'data' | 'data end' | 'trailer' | 'done' = 'size'
  /** What has come of a line that is not complete. */
  private line = ''
  private dataBytes = 0
  private trailerBytes = 0

  get isDone(): boolean {
    return this.part === 'done'
  }

  take(bytes: Uint8Array, sink: (piece: Uint8Array) => void): number {
    let at = 0
    while (at < bytes.length && this.part !== 'done') {
      at = this.part === 'data' ? this.takeData(bytes, at, sink) : this.takeLine(bytes, at)
    }
    return at
  }

  private takeData(bytes: Uint8Array, at: number, sink: (piece: Uint8Array) => void): number {
    const end = Math.min(bytes.length, at + this.dataBytes)
    this.dataBytes -= end - at
    if (this.dataBytes === 0) this.part = 'data end'
    sink(bytes.subarray(at, end))
    return end
  }

  private takeLine(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte === LF) {
        this.endLine()
        return at + 1
      }
      this.line += String.fromCharCode(byte)
      if (this.line.length > MAX_LINE_BYTES) throw malformed()
    }
    return bytes.length
  }

  private endLine(): void {
    if (this.line.charCodeAt(this.line.length - 1) !== CR) throw malformed()
    const line = this.line.slice(0, -1)
    this.line = ''
    if (this.part === 'size') this.beginChunk(line)
    else if (this.part === 'data end') {
      if (line !== '') throw malformed()
      this.part = 'size'
    } else if (line === '') this.part = 'done'
    else {
      this.trailerBytes += line.length
      if (this.trailerBytes > MAX_TRAILER_BYTES || !TRAILER.test(line)) throw malformed()
    }
  }

  private beginChunk(line: string): void {
    const [, size] = CHUNK.exec(line) ?? []
    if (size === undefined) throw malformed()
    this.dataBytes = Number.parseInt(size, 16)
    this.part = this.dataBytes > 0 ? 'data' : 'trailer'
  }
}

function malformed(): HttpError {
  return new HttpError(400, 'malformed chunk')
}
