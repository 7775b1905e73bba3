/** One output of a relay: an InfluxDB server, the queue of writes for it, and what is logged of it. */

import type { LaneStore, WhenFull } from '../delivery/lane-store.ts'
import { isFailure, type Outcome } from '../delivery/outcome.ts'
import { Queue } from '../delivery/queue.ts'
import { type QueuedWrite, WRITE_OVERHEAD_BYTES } from '../delivery/queued-write.ts'
import { type Destination, hasReadableName } from '../influxdb/destination.ts'
import { Budget } from '../limits/budget.ts'
import type { Losses } from '../losses/losses.ts'
import type { Databases, Shortage } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Runtime } from '../runtime.ts'
import { BackendClient } from './client.ts'
import { DatabaseCreator } from './database-creator.ts'
import { OutageLog } from './outage-log.ts'
import { QueryClient, type QueryOptions } from './query-client.ts'
import { StatementClient } from './statement-client.ts'

const DATABASE_NOT_FOUND = /^404 .*database not found/

export interface BackendOptions extends QueryOptions, ReadOptions {
  readonly name: string
  /** 0 for no buffer. */
  readonly bufferBytes: number
  readonly maxBatchBytes: number
  readonly maxDelayMs: number
  readonly maxInFlight: number
  /** Bytes a second from its buffer on disk, 0 for no limit. */
  readonly replayRate: number
  /** Room in memory for writes that the backend has not answered yet. */
  readonly pendingBytes: number
  /** Room in memory for lanes, without their writes. */
  readonly lanesBytes: number
  /** The folder of its buffer on disk; undefined for a buffer in memory. */
  readonly folder: string | undefined
  /** The folder that earlier versions used; undefined if it is the same. */
  readonly formerFolder?: string | undefined
  readonly whenFull: WhenFull
  readonly maxAgeMs: number | undefined
  /** Whether a database that it lacks, and another server of the relay has, is created. */
  readonly createsDatabases: boolean
}

/** How a backend takes part in answering queries. */
export interface ReadOptions {
  /** Whether it is asked at all. */
  readonly isRead: boolean
  /** Its share of the queries, compared with that of the others. With 0 it is asked only in their place. */
  readonly weight: number
  /** The longest that it may send nothing. */
  readonly queryTimeoutMs: number
}

/** What is opened before a backend can start. */
export interface BackendParts {
  readonly losses: Losses
  /** Undefined for a buffer in memory. */
  readonly store: LaneStore | undefined
}

export class Backend {
  readonly name: string
  readonly queue: Queue
  readonly queries: QueryClient
  readonly options: BackendOptions
  /** The other backends of the relay, once they are open. */
  others: readonly Backend[] = []
  private readonly client: BackendClient
  private readonly databases: DatabaseCreator
  private readonly statements: StatementClient
  private readonly log: Log
  private readonly outages: OutageLog
  private readonly diskErrors: RepeatedWarning
  private readonly refusals: RepeatedWarning
  private readonly parts: BackendParts

  constructor(options: BackendOptions, runtime: Runtime, log: Log, parts: BackendParts) {
    const { clock, buffers } = runtime
    this.name = options.name
    this.options = options
    this.queries = new QueryClient(options, runtime)
    this.client = new BackendClient(options, runtime)
    this.statements = new StatementClient(this.queries, clock, {
      queryTimeoutMs: options.queryTimeoutMs,
      lacks: (databases) => this.shortage(databases) !== undefined,
    })
    const others = () => this.others.map(({ queries }) => queries)
    this.databases = new DatabaseCreator(this.queries, others, { ...options, clock })
    this.log = log.with({ backend: options.name })
    this.outages = new OutageLog(clock, this.log)
    this.diskErrors = new RepeatedWarning(clock, this.log, 'disk failed')
    this.refusals = new RepeatedWarning(clock, this.log, 'too many destinations wait')
    this.parts = parts
    const hasBuffer = parts.store === undefined && options.bufferBytes > 0
    const buffer = hasBuffer ? new Budget(options.bufferBytes, WRITE_OVERHEAD_BYTES) : undefined
    this.queue = new Queue(
      { ...options, clock, buffers, buffer },
      {
        ...parts,
        send: (queued, body) => this.send(queued, body),
        onDiskError: (error) => {
          // The answer to a batch may come after its log is closed. The next start delivers the batch again.
          if (!parts.store?.isClosed) this.diskErrors.report({ reason: error.message })
        },
      },
    )
  }

  /** What it lacks for good in some databases, or in any; undefined if it lacks nothing. */
  shortage(databases: Databases): Shortage | undefined {
    return this.parts.losses.shortage(databases)
  }

  /** Whether it can take writes of a destination. Logs if it cannot. */
  hasRoomFor(destination: Destination): boolean {
    if (this.queue.hasRoomFor(destination)) return true
    this.refusals.report({ destinations: this.queue.laneCount })
    return false
  }

  /** Whether the last attempt to write something got no answer. */
  get isUnreachable(): boolean {
    return this.outages.isUnreachable
  }

  /** Closes the files, once all losses are recorded. What is on disk is delivered after the next start. */
  async close(): Promise<void> {
    const { losses, store } = this.parts
    await losses.close()
    this.outages.flush()
    for (const warning of [this.diskErrors, this.refusals]) warning.flush()
    if (!this.queue.isEmpty) {
      const { bytes } = this.queue
      if (store) this.log.info('undelivered points are kept on disk', { bytes })
      else this.log.error('undelivered points are lost', { bytes })
    }
    await store?.close()
  }

  private async send(queued: QueuedWrite, body: Uint8Array): Promise<Outcome> {
    const { kind, destination } = queued.write
    const outcome = await this.sendOnce(queued, body)
    const { database, retentionPolicy, laneKey } = destination
    const hasFailed = isFailure(outcome)
    // The client that waits sees what is wrong with its statement.
    if (kind === 'statement' && hasFailed && outcome.answer && queued.tracker.isOpen) return outcome
    if (!hasFailed && !this.outages.isOngoing) return outcome
    // The queue still counts the body that was just answered.
    const undelivered = this.queue.bytes - (hasFailed ? 0 : body.length)
    const fields = {
      db: database,
      rp: retentionPolicy === '' ? undefined : retentionPolicy,
      undelivered_bytes: Math.max(0, undelivered),
    }
    if (hasFailed) this.outages.failed(laneKey, outcome, fields)
    else this.outages.succeeded(laneKey, fields)
    return outcome
  }

  private sendOnce(queued: QueuedWrite, body: Uint8Array): Promise<Outcome> {
    if (queued.write.kind === 'statement') return this.statements.send(queued, body)
    if (this.options.createsDatabases) return this.sendPoints(queued, body)
    return this.client.send(queued.write, body)
  }

  /** Creates the database first if the server lacks it and another server has the write. */
  private async sendPoints({ write, tracker }: QueuedWrite, body: Uint8Array): Promise<Outcome> {
    const { destination } = write
    const outcome = await this.client.send(write, body)
    const isMissing = outcome.verdict === 'unready' && DATABASE_NOT_FOUND.test(outcome.reason)
    const isWanted = tracker.ownership === 'relay' && hasReadableName(destination)
    if (!isMissing || !isWanted) return outcome
    const { database, authorization } = destination
    if (!(await this.databases.create(database, authorization))) return outcome
    this.log.info('database created, as another server has it', { db: database })
    return this.client.send(write, body)
  }
}
