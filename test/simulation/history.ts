/** What the relay was given, in the order in which it accepted it, and what it said. */

export interface Acceptance {
  readonly number: number
  readonly database: string
  readonly retentionPolicy: string
  readonly lines: readonly string[]
  /** Whether the relay has answered 204. */
  isAcknowledged: boolean
}

export class History {
  readonly acceptances: Acceptance[] = []

  accepted(database: string, retentionPolicy: string, body: string): Acceptance {
    const acceptance: Acceptance = {
      number: this.acceptances.length + 1,
      database,
      retentionPolicy,
      lines: body.split('\n').filter((line) => line !== ''),
      isAcknowledged: false,
    }
    this.acceptances.push(acceptance)
    return acceptance
  }
}
