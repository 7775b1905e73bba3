/** A hostile case: what an attacker does to a relay, and what that may cost. */

import type { Service } from '../../bench/service.ts'
import type { Addressed, RelayKeys } from '../../bench/subjects.ts'
import type { Servers } from './servers.ts'

export interface Bounds {
  /** The growth of resident memory over the idle relay. */
  readonly growthMb: number
  /** The longest wait of a client that does no harm. */
  readonly waitMs: number
  /** The share of this client's writes that must be answered 204. */
  readonly served: number
  /** How long the attack itself may take. */
  readonly seconds: number
}

/** What one client that does no harm may notice of an attack: nothing but a short wait. */
export const BOUNDS: Bounds = { growthMb: 128, waitMs: 1000, served: 1, seconds: 10 }

export type Pair = readonly [Addressed, Addressed]

export interface Case {
  readonly name: string
  /** What the attacker does, for the table. */
  readonly title: string
  /** The servers behind the relay; two real influxd by default. */
  readonly servers?: (servers: Servers) => Promise<Pair>
  readonly keys?: (servers: Pair) => RelayKeys
  readonly bounds?: Partial<Bounds>
  /** Whether the relay has ended after the attack, as it was told to. */
  readonly ends?: boolean
  /** Returns how the relay answered, in few words. Throws if a promise was broken. */
  attack(relay: Service, servers: Pair): Promise<string>
}
