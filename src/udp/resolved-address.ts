/** A host name's address, looked up again from time to time without keeping anybody waiting. */

import type { Address, UdpRuntime } from '../runtime.ts'

/** How long an address is used before it is looked up again. */
const RESOLVE_INTERVAL_MS = 30_000

/** The same after a look-up that failed. */
const RETRY_INTERVAL_MS = 1_000

export class ResolvedAddress {
  private readonly address: Address
  private readonly runtime: Pick<UdpRuntime, 'clock' | 'resolve'>
  private known: Address | undefined
  private pending: Promise<Address> | undefined
  private failure: Error | undefined
  private staleAt = 0

  constructor(address: Address, runtime: Pick<UdpRuntime, 'clock' | 'resolve'>) {
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
