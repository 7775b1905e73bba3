/**
 * The fields of a form of type `multipart/form-data` (RFC 7578). The runtimes' own parsers differ in what they
 * take: that of Node.js 20 refuses short boundaries.
 */

export interface FormField {
  readonly name: string
  readonly isFile: boolean
  readonly value: Uint8Array
}

const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i
const DISPOSITION = /^content-disposition:\s*form-data\s*(;[^\r\n]*)$/im
const NAME = /;\s*name=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i
const FILE_NAME = /;\s*filename\*?=/i

/** Empty if the form has no end: a field may have been cut off. */
export function parseMultipart(body: Uint8Array, contentType: string): FormField[] {
  const [, quoted, plain] = BOUNDARY.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) return []
  const fields: FormField[] = []
  // The first boundary need not follow a line.
  const [, ...parts] = `\r\n${toLatin1(body)}`.split(`\r\n--${boundary}`)
  for (const part of parts) {
    if (part.startsWith('--')) return fields
    const start = part.indexOf('\r\n')
    const end = part.indexOf('\r\n\r\n', start)
    if (start < 0 || end < 0) return []
    const [, parameters = ''] = DISPOSITION.exec(part.slice(start + 2, end)) ?? []
    const [, quotedName, plainName] = NAME.exec(parameters) ?? []
    const name = quotedName?.replace(/\\(.)/g, '$1') ?? plainName
    if (name === undefined) continue
    const value = fromLatin1(part.slice(end + 4))
    fields.push({ name, isFile: FILE_NAME.test(parameters), value })
  }
  return []
}

const CHUNK_BYTES = 8192

function toLatin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK_BYTES))
  }
  return text
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
