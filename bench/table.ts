/** Tables of text, for a terminal and for Markdown. */

/** Columns are as wide as their widest cell; all but the first are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n')
}

export function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'))
  return [head, rule, ...rest].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Three digits, since a benchmark is no more precise. */
export function short(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return ''
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en-US')
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(2)
}
