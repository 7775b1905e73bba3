/** One output that gets datagrams. */

import { formatAddress } from '../config/address.ts'
import type { UdpOutput } from '../config/config.ts'
import { join, split } from '../influxdb/lines.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Address, UdpRuntime, UdpSender } from '../runtime.ts'
import { ResolvedAddress } from './resolved-address.ts'

/** What has come in one datagram, or as much of it as goes into another. */
interface Piece {
  readonly bytes: Uint8Array
  readonly isSound: boolean
}

/**
 * While datagrams are being handed to the network, those that come wait, and then travel together, as many
 * in one as the mtu allows: so the more there is to relay, the less each costs.
 */
export class DatagramOutput {
  private readonly output: UdpOutput
  private readonly limit: number
  private readonly sender: UdpSender
  private readonly target: ResolvedAddress
  private readonly oversized: RepeatedWarning
  private readonly overflow: RepeatedWarning
  private readonly failures: RepeatedWarning
  private waiting: Piece[] = []
  /** How many are being handed to the network. */
  private flying = 0
  private onIdle: (() => void)[] = []

  /** @param limit how many datagrams may wait, those on their way included */
  constructor(output: UdpOutput, limit: number, runtime: UdpRuntime, log: Log) {
    const { clock } = runtime
    const outputLog = log.with({ backend: output.name })
    this.output = output
    this.limit = limit
    this.sender = runtime.createUdpSender()
    this.target = new ResolvedAddress(output.address, runtime)
    this.oversized = new RepeatedWarning(clock, outputLog, 'line larger than the mtu was dropped')
    this.overflow = new RepeatedWarning(clock, outputLog, 'datagram dropped: too many are queued')
    this.failures = new RepeatedWarning(clock, outputLog, 'datagram could not be sent')
  }

  /**
   * Sends line protocol in datagrams of at most the output's mtu, cut at the ends of lines.
   *
   * @param isSound whether a server will find no fault with it, for which it would drop others, too
   */
  send(bytes: Uint8Array, isSound: boolean): void {
    const { mtu } = this.output
    if (bytes.length <= mtu) this.add({ bytes, isSound })
    else for (const piece of split(bytes, mtu)) this.add({ bytes: piece, isSound })
    if (this.flying === 0) void this.fly()
  }

  drained(): Promise<void> {
    if (this.flying === 0) return Promise.resolve()
    return new Promise((resolve) => this.onIdle.push(resolve))
  }

  close(): void {
    this.sender.close()
    for (const warning of [this.oversized, this.overflow, this.failures]) warning.flush()
  }

  private add(piece: Piece): void {
    const { mtu } = this.output
    const { length } = piece.bytes
    if (length > mtu) this.oversized.report({ mtu }, { bytes: length })
    else if (this.waiting.length + this.flying < this.limit) this.waiting.push(piece)
    else this.overflow.report({}, { bytes: length })
  }

  private async fly(): Promise<void> {
    while (this.waiting.length > 0) {
      const pieces = this.waiting
      this.waiting = []
      this.flying = pieces.length
      await this.sendAll(pieces)
      this.flying = 0
    }
    for (const resolve of this.onIdle.splice(0)) resolve()
  }

  private async sendAll(pieces: readonly Piece[]): Promise<void> {
    try {
      const address = this.target.current ?? (await this.target.resolve())
      await Promise.all(packed(pieces, this.output.mtu).map((load) => this.sendOne(load, address)))
    } catch (error) {
      this.failed(pieces, error as Error)
    }
  }

  private async sendOne(pieces: readonly Piece[], address: Address): Promise<void> {
    try {
      await this.sender.send(join(pieces.map(({ bytes }) => bytes)), address)
    } catch (error) {
      this.failed(pieces, error as Error)
    }
  }

  private failed(pieces: readonly Piece[], { message }: Error): void {
    const to = formatAddress(this.output.address)
    for (const { bytes } of pieces) {
      this.failures.report({ to, reason: message }, { bytes: bytes.length })
    }
  }
}

/** What goes into one datagram each, in order. */
function packed(pieces: readonly Piece[], mtu: number): Piece[][] {
  const loads: Piece[][] = []
  let load: Piece[] = []
  let room = 0
  for (const piece of pieces) {
    const fits = piece.isSound && load.at(-1)?.isSound
    // Each but a lone one may have to be given the end of its line.
    const size = piece.bytes.length + 1
    if (!fits || size > room) {
      load = []
      loads.push(load)
      room = mtu
    }
    load.push(piece)
    room -= size
  }
  return loads
}
