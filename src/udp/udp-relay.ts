/** The UDP half of the relay: datagrams of line protocol in; datagrams and writes out. */

import type { UdpConfig } from '../config/config.ts'
import { type Destination, fixedDestination } from '../influxdb/destination.ts'
import { timestampIn } from '../influxdb/precision.ts'
import { datagramTest } from '../influxdb/shareable-datagram.ts'
import { stamp } from '../influxdb/stamp.ts'
import type { Log } from '../observe/log.ts'
import type { Relay } from '../relay/relay.ts'
import type { Clock, UdpRuntime } from '../runtime.ts'
import { DatagramOutput } from './datagram-output.ts'

/**
 * Relays datagrams. Nobody waits for an answer, so what cannot be relayed is counted and logged.
 */
export class UdpRelay {
  private readonly config: UdpConfig
  private readonly relay: Relay
  private readonly clock: Clock
  private readonly destination: Destination
  private readonly isSound: (body: Uint8Array) => boolean
  private readonly outputs: DatagramOutput[]

  constructor(config: UdpConfig, relay: Relay, runtime: UdpRuntime, log: Log) {
    this.config = config
    this.relay = relay
    this.clock = runtime.clock
    this.destination = fixedDestination(config.database, config.retentionPolicy, config.precision)
    this.isSound = datagramTest(config.precision)
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
      const isSound = this.isSound(points.bytes)
      for (const output of this.outputs) output.send(points.bytes, isSound)
    }
    if (this.relay.backends.length > 0) {
      const { destination } = this
      this.relay.own({ kind: 'points', destination, points, consistency: 'one' })
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
