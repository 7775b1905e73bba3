/** The address of a host name, looked up again from time to time in the background. */

import type { Address, UdpRuntime } from '../runtime.ts'

/** How long an address is used before it is looked up again. */
const RESOLVE_INTERVAL_MS = 30_000

/** How long after a failed look-up the next one may start. */
const RETRY_INTERVAL_MS = 1_000

export class ResolvedAddress {
  private readonly address: Address
  private readonly runtime: Pick<UdpRuntime, 'clock' | 'resolve'>
  private known: Address | undefined
  private pending: Promise<Address> | undefined
  private failure: Error | undefined
  /** When the next look-up may start, by the clock. */
  private nextAt = 0

  constructor(address: Address, runtime: Pick<UdpRuntime, 'clock' | 'resolve'>) {
    this.address = address
    this.runtime = runtime
  }

  /** The last known address, if there is one. If it is old, a look-up starts. */
  get current(): Address | undefined {
    if (this.known && this.runtime.clock.now() >= this.nextAt) this.resolve().catch(() => {})
    return this.known
  }

  /** Looks the address up. Shortly after a failed look-up, rejects with that error. */
  resolve(): Promise<Address> {
    if (this.failure && this.runtime.clock.now() < this.nextAt) return Promise.reject(this.failure)
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
      this.nextAt = clock.now() + RESOLVE_INTERVAL_MS
      this.known = { host, port: this.address.port }
      return this.known
    } catch (error) {
      this.failure = error as Error
      this.nextAt = clock.now() + RETRY_INTERVAL_MS
      throw error
    }
  }
}
