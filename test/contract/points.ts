/** A timestamp in nanoseconds: a moment in 2023. */
export const T = 1_700_000_000_000_000_000n

/** 0, 1, 2, …, `count` of them. */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** A point of its own for each number. */
export const point = (i: number): string => `m v=${i} ${T + BigInt(i)}`

/** Points as rows() tells of them, in the default retention policy. */
export const stored = (...points: string[]): string[] => points.map((text) => `autogen ${text}`)
