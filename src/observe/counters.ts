/** Counts of what has happened since the start, apart from the log lines that print them. */

/** What a counter counts for, such as a backend. */
type Labels = Readonly<Record<string, string | number | undefined>>

/** A total that only grows. Its name and labels are fixed. */
export class Counter {
  readonly name: string
  readonly labels: Labels
  private total = 0

  constructor(name: string, labels: Labels) {
    this.name = name
    this.labels = labels
  }

  get value(): number {
    return this.total
  }

  add(amount = 1): void {
    this.total += amount
  }
}

/** A counter's value at one moment. */
type Count = Pick<Counter, 'name' | 'labels' | 'value'>

/** All counters of a process. */
export class Counters {
  private readonly counters: Counter[] = []

  /** A new counter. Counters are never removed: create one at start, not at each event. */
  create(name: string, labels: Labels): Counter {
    const counter = new Counter(name, labels)
    this.counters.push(counter)
    return counter
  }

  /** The values now, in the order of creation. Counters with the same name and labels are added up. */
  snapshot(): readonly Count[] {
    const counts = new Map<string, Count>()
    for (const { name, labels, value } of this.counters) {
      const key = JSON.stringify([name, labels])
      counts.set(key, { name, labels, value: value + (counts.get(key)?.value ?? 0) })
    }
    return [...counts.values()]
  }
}
