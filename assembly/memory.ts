/** Where things are in memory, for this side and the other. Vectors may run over the end of each. */

/** Bytes of a body that are looked at in one go: they stay in the processor's nearest caches. */
export const WINDOW: i32 = 64 * 1024

/** Gaps that are filled in one go. */
export const MAX_GAPS: i32 = 2000

/** A timestamp and the space before it. */
export const MAX_TIMESTAMP: i32 = 32

/** The bytes of a vector or of several that may be read or written without need. */
const SLACK: i32 = 64

/** A window of a body. */
export const INPUT: i32 = SLACK

/** Places in the window, as i32: of as many lines as a window can have, each of 4 bytes or more. */
export const GAPS: i32 = INPUT + WINDOW + SLACK

export const TIMESTAMP: i32 = GAPS + WINDOW

/** The window with its gaps filled. */
export const OUTPUT: i32 = TIMESTAMP + MAX_TIMESTAMP
export const OUTPUT_BYTES: i32 = WINDOW + MAX_GAPS * MAX_TIMESTAMP + SLACK
