/** Creates a database on a server that lacks it, with the retention policies that another server has. */

import { readResult } from '../influxdb/response.ts'
import { resultErrors } from '../influxdb/result-error.ts'
import {
  quoted,
  type RetentionPolicy,
  retentionPoliciesIn,
  statementsToCreate,
} from '../influxdb/schema.ts'
import type { Clock } from '../runtime.ts'
import type { QueryClient } from './query-client.ts'

export class DatabaseCreator {
  private readonly queries: QueryClient
  private readonly clock: Clock
  private readonly timeoutMs: number
  /** The servers to learn retention policies from. */
  private readonly others: () => readonly QueryClient[]
  private readonly creating = new Map<string, Promise<boolean>>()

  constructor(
    queries: QueryClient,
    others: () => readonly QueryClient[],
    { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
  ) {
    this.queries = queries
    this.others = others
    this.clock = clock
    this.timeoutMs = timeoutMs
  }

  /** Resolves with whether the database is there. Never rejects. */
  create(database: string, authorization: string | undefined): Promise<boolean> {
    const ongoing = this.creating.get(database)
    if (ongoing) return ongoing
    const creation = this.createOnce(database, authorization).finally(() =>
      this.creating.delete(database),
    )
    this.creating.set(database, creation)
    return creation
  }

  private async createOnce(database: string, authorization: string | undefined): Promise<boolean> {
    const policies = await this.policiesOf(database, authorization)
    if (!policies) return false
    const statements = statementsToCreate(database, policies)
    return (await this.ask(this.queries, statements, authorization)) !== undefined
  }

  /** Of the first other server that has the database. */
  private async policiesOf(
    database: string,
    authorization: string | undefined,
  ): Promise<readonly RetentionPolicy[] | undefined> {
    const question = `SHOW RETENTION POLICIES ON ${quoted(database)}`
    for (const other of this.others()) {
      const body = await this.ask(other, question, authorization)
      const policies = body && retentionPoliciesIn(body)
      if (policies) return policies
    }
    return undefined
  }

  /** The body of the answer; undefined for an error. */
  private async ask(
    queries: QueryClient,
    text: string,
    authorization: string | undefined,
  ): Promise<Uint8Array | undefined> {
    const controller = new AbortController()
    const stop = this.clock.after(this.timeoutMs, () => controller.abort())
    try {
      const form = new TextEncoder().encode(`q=${encodeURIComponent(text)}`)
      const headers = { accept: 'application/json' }
      const asked = { form, search: '', headers, authorization }
      const answer = await readResult(await queries.send(asked, controller.signal))
      const isGood = answer?.status === 200 && resultErrors(answer).length === 0
      return isGood ? answer.body : undefined
    } catch {
      return undefined
    } finally {
      stop()
    }
  }
}
