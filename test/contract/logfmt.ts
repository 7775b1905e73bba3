/** The fields of one line of the relay's log, by name; undefined if it is no such line. */
export type LogLine = Readonly<Record<string, string>>

const pair = /([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)/y

export function parseLogLine(text: string): LogLine | undefined {
  const fields: Record<string, string> = {}
  pair.lastIndex = 0
  while (pair.lastIndex < text.length) {
    const [, name, value] = pair.exec(text) ?? []
    if (name === undefined || value === undefined) return undefined
    fields[name] = value.startsWith('"') ? JSON.parse(value) : value
  }
  return fields.time && fields.level && fields.msg ? fields : undefined
}
