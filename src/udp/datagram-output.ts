/** An output that is sent datagrams. */

import { formatAddress } from '../config/address.ts'
import type { UdpOutput } from '../config/config.ts'
import { join, split } from '../influxdb/lines.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { UdpRuntime, UdpSender } from '../runtime.ts'
import { ResolvedAddress } from './resolved-address.ts'

/** A received datagram, or a part of one that is larger than the mtu. */
interface Piece {
  readonly bytes: Uint8Array
  readonly canShare: boolean
}

/**
 * Pieces that come while others are being sent wait, and then share datagrams of up to the mtu: the higher
 * the load, the less each piece costs.
 */
export class DatagramOutput {
  private readonly output: UdpOutput
  private readonly maxQueued: number
  private readonly sender: UdpSender
  private readonly target: ResolvedAddress
  private readonly oversized: RepeatedWarning
  private readonly overflow: RepeatedWarning
  private readonly failures: RepeatedWarning
  private waiting: Piece[] = []
  /** How many pieces are being sent. */
  private sending = 0
  private onDrained: (() => void)[] = []

  /** @param maxQueued how many pieces may wait, those being sent included */
  constructor(output: UdpOutput, maxQueued: number, runtime: UdpRuntime, parent: Log) {
    const { clock } = runtime
    const log = parent.with({ backend: output.name })
    this.output = output
    this.maxQueued = maxQueued
    this.sender = runtime.createUdpSender()
    this.target = new ResolvedAddress(output.address, runtime)
    this.oversized = new RepeatedWarning(clock, log, 'line larger than the mtu was dropped')
    this.overflow = new RepeatedWarning(clock, log, 'datagram dropped: too many are queued')
    this.failures = new RepeatedWarning(clock, log, 'datagram could not be sent')
  }

  /**
   * Sends line protocol in datagrams of up to the mtu, split at the ends of lines.
   *
   * @param canShare whether other lines may share a datagram with it: a server drops a whole datagram for
   * one line that it cannot parse
   */
  send(bytes: Uint8Array, canShare: boolean): void {
    const { mtu } = this.output
    for (const piece of bytes.length <= mtu ? [bytes] : split(bytes, mtu)) {
      const { length } = piece
      const queued = this.waiting.length + this.sending
      if (length > mtu) this.oversized.report({ mtu }, { bytes: length })
      else if (queued >= this.maxQueued) this.overflow.report({}, { bytes: length })
      else this.waiting.push({ bytes: piece, canShare })
    }
    if (this.sending === 0) void this.sendWaiting()
  }

  /** Resolves once nothing waits and nothing is being sent. */
  drained(): Promise<void> {
    if (this.sending === 0) return Promise.resolve()
    return new Promise((resolve) => this.onDrained.push(resolve))
  }

  close(): void {
    this.sender.close()
    for (const warning of [this.oversized, this.overflow, this.failures]) warning.flush()
  }

  private async sendWaiting(): Promise<void> {
    while (this.waiting.length > 0) {
      const pieces = this.waiting
      this.waiting = []
      this.sending = pieces.length
      try {
        const address = this.target.current ?? (await this.target.resolve())
        const sends = pack(pieces, this.output.mtu).map((shared) =>
          this.sender
            .send(join(shared.map(({ bytes }) => bytes)), address)
            .catch((error) => this.reportFailure(shared, error)),
        )
        await Promise.all(sends)
      } catch (error) {
        this.reportFailure(pieces, error as Error)
      }
      this.sending = 0
    }
    for (const resolve of this.onDrained.splice(0)) resolve()
  }

  private reportFailure(pieces: readonly Piece[], { message }: Error): void {
    const to = formatAddress(this.output.address)
    for (const { bytes } of pieces) {
      this.failures.report({ to, reason: message }, { bytes: bytes.length })
    }
  }
}

/** The pieces of each datagram, in order. */
function pack(pieces: readonly Piece[], mtu: number): Piece[][] {
  const datagrams: Piece[][] = []
  let datagram: Piece[] = []
  let room = 0
  for (const piece of pieces) {
    // `join` may have to add a newline.
    const size = piece.bytes.length + 1
    const canShare = piece.canShare && datagram.at(-1)?.canShare
    if (!canShare || size > room) {
      datagram = []
      datagrams.push(datagram)
      room = mtu
    }
    datagram.push(piece)
    room -= size
  }
  return datagrams
}
