/** The UDP half of the relay: datagrams of line protocol in; datagrams and writes out. */

import { formatAddress } from './address.ts'
import type { UdpConfig, UdpOutput } from './config.ts'
import { split } from './line.ts'
import type { Log } from './log.ts'
import { timestampIn } from './precision.ts'
import type { Relay } from './relay.ts'
import { RepeatedWarning } from './repeated-warning.ts'
import type { Address, Clock, UdpRuntime, UdpSender } from './runtime.ts'
import { stamp } from './stamp.ts'
import { type Destination, fixedDestination } from './write.ts'

/** How long the address of an output's host name is used before it is looked up again. */
const RESOLVE_INTERVAL_MS = 30_000

/** The same after a look-up that failed. */
const RETRY_INTERVAL_MS = 1_000

/**
 * Relays datagrams. Nobody waits for an answer, so what cannot be relayed is counted and logged.
 */
export class UdpRelay {
  private readonly config: UdpConfig
  private readonly relay: Relay
  private readonly clock: Clock
  private readonly destination: Destination
  private readonly outputs: DatagramOutput[]

  constructor(config: UdpConfig, relay: Relay, runtime: UdpRuntime, log: Log) {
    this.config = config
    this.relay = relay
    this.clock = runtime.clock
    this.destination = fixedDestination(config.database, config.retentionPolicy, config.precision)
    this.outputs = config.outputs.map(
      (output) => new DatagramOutput(output, config.maxQueuedDatagrams, runtime, log),
    )
  }

  accept(datagram: Uint8Array): void {
    const points = stamp(datagram, () =>
      timestampIn(this.config.precision, this.clock.wallNanoseconds()),
    )
    if (points.count === 0) return
    for (const output of this.outputs) output.send(points.bytes)
    if (this.relay.backends.length > 0) {
      this.relay.own({ destination: this.destination, points, consistency: 'one' })
    }
  }

  /** Resolves when nothing is left to send. */
  async drained(): Promise<void> {
    await Promise.all([this.relay.drained(), ...this.outputs.map((output) => output.drained())])
  }

  close(): void {
    for (const output of this.outputs) output.close()
  }
}

/** One output that gets datagrams. */
class DatagramOutput {
  private readonly output: UdpOutput
  private readonly limit: number
  private readonly sender: UdpSender
  private readonly target: ResolvedAddress
  private readonly oversized: RepeatedWarning
  private readonly overflow: RepeatedWarning
  private readonly failures: RepeatedWarning
  private onIdle: (() => void)[] = []
  private queued = 0
  /** Datagrams that wait for the address go one behind the other, and hold up those that follow. */
  private line: Promise<void> | undefined

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

  /** Sends line protocol in datagrams of at most the output's mtu, cut at the ends of lines. */
  send(bytes: Uint8Array): void {
    const { mtu } = this.output
    for (const datagram of bytes.length <= mtu ? [bytes] : split(bytes, mtu)) {
      if (datagram.length > mtu) {
        this.oversized.report({ mtu }, { bytes: datagram.length })
      } else if (this.queued >= this.limit) {
        this.overflow.report({}, { bytes: datagram.length })
      } else {
        this.queued++
        this.dispatch(datagram)
      }
    }
  }

  drained(): Promise<void> {
    if (this.queued === 0) return Promise.resolve()
    return new Promise((resolve) => this.onIdle.push(resolve))
  }

  close(): void {
    this.sender.close()
    for (const warning of [this.oversized, this.overflow, this.failures]) warning.flush()
  }

  private dispatch(datagram: Uint8Array): void {
    if (this.line === undefined && this.target.current !== undefined) {
      void this.sendOne(datagram)
      return
    }
    const before = this.line ?? this.target.resolve().then(nothing, nothing)
    const line = before.then(() => {
      void this.sendOne(datagram)
      if (this.line === line) this.line = undefined
    })
    this.line = line
  }

  private async sendOne(datagram: Uint8Array): Promise<void> {
    try {
      const address = this.target.current ?? (await this.target.resolve())
      await this.sender.send(datagram, address)
    } catch (error) {
      const to = formatAddress(this.output.address)
      this.failures.report({ to, reason: (error as Error).message }, { bytes: datagram.length })
    }
    this.queued--
    if (this.queued === 0) for (const resolve of this.onIdle.splice(0)) resolve()
  }
}

const nothing = () => {}

/** A host name's address, looked up again from time to time without keeping anybody waiting. */
class ResolvedAddress {
  private readonly address: Address
  private readonly runtime: UdpRuntime
  private known: Address | undefined
  private pending: Promise<Address> | undefined
  private failure: Error | undefined
  private staleAt = 0

  constructor(address: Address, runtime: UdpRuntime) {
    this.address = address
    this.runtime = runtime
  }

  /** The last known address, if there is one; asks for a newer one if it is old. */
  get current(): Address | undefined {
    if (this.known && this.runtime.clock.now() >= this.staleAt) this.resolve().catch(() => {})
    return this.known
  }

  /** Asks a name server, unless one has just failed to answer. */
  resolve(): Promise<Address> {
    if (this.failure && this.runtime.clock.now() < this.staleAt) return Promise.reject(this.failure)
    this.pending ??= this.lookUp().finally(() => {
      this.pending = undefined
    })
    return this.pending
  }

  private async lookUp(): Promise<Address> {
    const { clock } = this.runtime
    try {
      const host = await this.runtime.resolve(this.address.host)
      this.failure = undefined
      this.staleAt = clock.now() + RESOLVE_INTERVAL_MS
      this.known = { host, port: this.address.port }
      return this.known
    } catch (error) {
      this.failure = error as Error
      this.staleAt = clock.now() + RETRY_INTERVAL_MS
      throw error
    }
  }
}
