/** Measurements, and medians and ratios over all rounds. */

/** Figures by name, with their unit. */
export type Figures = Readonly<Record<string, number>>

/** One measurement. */
export interface Sample {
  /** The kind of work, such as "one-point". */
  readonly part: string
  /** The conditions, such as "null, 64 connections". */
  readonly setting: string
  readonly subject: string
  readonly round: number
  readonly figures: Figures
}

/** The part that measures the hot paths alone, in MB/s. */
export const MICRO = 'micro'

/** A median, with the least and the most that any round showed. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function spread(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const [least, most] = [sorted[0], sorted.at(-1)]
  if (least === undefined || most === undefined) return undefined
  const middle = (sorted.length - 1) / 2
  const [low = least, high = most] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return { median: (low + high) / 2, least, most }
}

/** All samples of a run. */
export class Samples {
  readonly all: readonly Sample[]

  constructor(all: readonly Sample[]) {
    this.all = all
  }

  parts(): string[] {
    return unique(this.all.map(({ part }) => part))
  }

  settings(part: string): string[] {
    return unique(this.all.filter((one) => one.part === part).map(({ setting }) => setting))
  }

  subjects(part: string, setting?: string): string[] {
    const those = this.all.filter(
      (one) => one.part === part && (setting === undefined || one.setting === setting),
    )
    return unique(those.map(({ subject }) => subject))
  }

  /** Names of figures, in the order in which they were measured. */
  figures(part: string): string[] {
    return unique(
      this.all.filter((one) => one.part === part).flatMap(({ figures }) => Object.keys(figures)),
    )
  }

  /** Undefined if it was not measured. */
  figure(part: string, setting: string, subject: string, figure: string): Spread | undefined {
    return spread([...this.#rounds(part, setting, subject, figure).values()])
  }

  /** A subject's figure as a multiple of another's, round by round. */
  ratio(
    part: string,
    setting: string,
    [subject, reference]: readonly [string, string],
    figure: string,
    referenceSetting = setting,
  ): Spread | undefined {
    const references = this.#rounds(part, referenceSetting, reference, figure)
    const ratios: number[] = []
    for (const [round, value] of this.#rounds(part, setting, subject, figure)) {
      const other = references.get(round)
      if (other) ratios.push(value / other)
    }
    return spread(ratios)
  }

  #rounds(part: string, setting: string, subject: string, figure: string): Map<number, number> {
    const rounds = new Map<number, number>()
    for (const one of this.all) {
      if (one.part !== part || one.setting !== setting || one.subject !== subject) continue
      const value = one.figures[figure]
      if (value !== undefined) rounds.set(one.round, value)
    }
    return rounds
  }
}

/** The medians of the first and of the last third of a series. */
export function firstAndLastThird(values: readonly number[]): [first: number, last: number] {
  const third = Math.ceil(values.length / 3)
  const [first, last] = [values.slice(0, third), values.slice(-third)].map(
    (those) => spread(those)?.median ?? Number.NaN,
  )
  return [first as number, last as number]
}

const unique = (texts: readonly string[]) => [...new Set(texts)]
