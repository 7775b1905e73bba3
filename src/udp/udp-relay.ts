/** Relays datagrams of line protocol, as datagrams and as writes. */

import type { UdpConfig } from '../config/config.ts'
import { type Destination, fixedDestination } from '../influxdb/destination.ts'
import { timestampIn } from '../influxdb/precision.ts'
import { datagramTest } from '../influxdb/shareable-datagram.ts'
import { stamp } from '../influxdb/stamp.ts'
import type { Log } from '../observe/log.ts'
import type { Relay } from '../relay/relay.ts'
import type { Clock, UdpRuntime } from '../runtime.ts'
import { DatagramOutput } from './datagram-output.ts'

/** No sender waits for an answer, so what cannot be relayed is counted and logged. */
export class UdpRelay {
  private readonly config: UdpConfig
  private readonly relay: Relay
  private readonly clock: Clock
  private readonly destination: Destination
  private readonly canShareDatagram: (points: Uint8Array) => boolean
  private readonly outputs: DatagramOutput[]

  constructor(config: UdpConfig, relay: Relay, runtime: UdpRuntime, log: Log) {
    this.config = config
    this.relay = relay
    this.clock = runtime.clock
    this.destination = fixedDestination(config.database, config.retentionPolicy, config.precision)
    this.canShareDatagram = datagramTest(config.precision)
    this.outputs = config.outputs.map(
      (output) => new DatagramOutput(output, config.maxQueuedDatagrams, runtime, log),
    )
  }

  accept(datagram: Uint8Array): void {
    const points = stamp(datagram, () =>
      timestampIn(this.config.precision, this.clock.wallNanoseconds()),
    )
    if (points.count === 0) return
    if (this.outputs.length > 0) {
      const canShare = this.canShareDatagram(points.bytes)
      for (const output of this.outputs) output.send(points.bytes, canShare)
    }
    if (this.relay.backends.length > 0) {
      const { destination } = this
      this.relay.own({ kind: 'points', destination, points, consistency: 'one' })
    }
  }

  /** Resolves once everything has been sent. */
  async drained(): Promise<void> {
    await Promise.all([this.relay.drained(), ...this.outputs.map((output) => output.drained())])
  }

  close(): void {
    for (const output of this.outputs) output.close()
  }
}
