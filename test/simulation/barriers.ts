/** The order of statements among the writes of their databases, at every server. */

/** What has reached a server of one database: the latest write and the latest statement, by acceptance. */
interface Latest {
  write: number
  statement: number
}

/**
 * Of a write and a statement of one database, what was accepted first must reach each server first, and must not
 * come again after the other.
 */
export class Barriers {
  private readonly fault: (text: string) => void
  /** The statements that clients know to be executed, and that were not only in memory. */
  readonly acknowledged = new Set<number>()
  private accepted = 0
  /** When each line was accepted; undefined if it came with several writes. */
  private readonly lines = new Map<string, number | undefined>()
  private readonly statements = new Map<number, number>()
  /** What the statements were when they were first executed. */
  private readonly texts = new Map<number, string>()
  private readonly latest = new Map<string, Latest>()

  constructor(fault: (text: string) => void) {
    this.fault = fault
  }

  acceptedLines(lines: readonly string[]): void {
    const order = ++this.accepted
    for (const line of lines) this.lines.set(line, this.lines.has(line) ? undefined : order)
  }

  acceptedStatement(number: number): void {
    this.statements.set(number, ++this.accepted)
  }

  /** A server gets lines, whether it takes them or not. */
  gotLines(server: string, database: string, lines: readonly string[]): void {
    const latest = this.latestOf(server, database)
    for (const line of lines) {
      const order = this.lines.get(line)
      if (order === undefined) continue
      latest.write = Math.max(latest.write, order)
      if (order < latest.statement) {
        this.fault(`${server} gets ${line} after a statement that was accepted later`)
      }
    }
  }

  executes(server: string, database: string, number: number, text: string): void {
    const first = this.texts.get(number) ?? text
    this.texts.set(number, first)
    if (first !== text || /now/.test(text)) {
      this.fault(`${server} executes statement ${number} as ${text}, another as ${first}`)
    }
    const latest = this.latestOf(server, database)
    const order = this.statements.get(number) ?? 0
    latest.statement = Math.max(latest.statement, order)
    if (order < latest.write) {
      this.fault(`${server} executes statement ${number} after a write that was accepted later`)
    }
  }

  private latestOf(server: string, database: string): Latest {
    const key = `${server} ${database}`
    const latest = this.latest.get(key) ?? { write: 0, statement: 0 }
    this.latest.set(key, latest)
    return latest
  }
}
