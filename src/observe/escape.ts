/** Text from outside, made safe to print: names come from clients, error texts from servers. */

/**
 * What could move a cursor, begin a line or reverse a text: control characters (C0, DEL, C1), format
 * characters such as bidirectional overrides, line and paragraph separators, lone surrogates, and code
 * points that are not assigned.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu

/** Replaces unsafe characters by escapes as in JSON: a JSON text stays one, with the same meaning. */
export function escaped(text: string): string {
  return text.replace(UNSAFE, (character) => character.split('').map(escapeOf).join(''))
}

function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The first `max` characters, with `…` for the rest. */
export function shortened(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text
}
