/**
 * Dead letters: writes that no server will ever take, as text that can be sent again by hand.
 *
 * A file of them is line protocol. Comments at its head say where it belongs; before each letter, one
 * says what the server did not like:
 *
 *     # DML
 *     # CONTEXT-DATABASE: telegraf
 *     …
 *     # 2026-11-22T19:40:00.123Z 25 bytes crc32c 1a2b3c4d influx2 answered 400: field type conflict
 *     cpu v="a" 1700000000000000000
 *
 * `influx -import` takes the file apart at newlines, drops empty lines and comments, and writes the
 * rest with an empty line after each. So it would change a string that has a newline in it, and follow
 * a comment with which a client names another database. Letters of that kind, and those whose
 * destination it cannot read, are kept in files of their own, for curl. Those name no database in a
 * way that the importer could read, so that it fails.
 */

import { crc32c } from '../disk/crc32c.ts'
import { BYTE } from '../influxdb/line-bytes.ts'
import { join, split } from '../influxdb/lines.ts'
import type { StampedLines } from '../influxdb/stamp.ts'

export interface DeadLetter {
  readonly backend: string
  readonly database: string
  /** Empty for the database's default. */
  readonly retentionPolicy: string
  readonly precision: string
  /** What the backend answered; undefined if it was not asked. */
  readonly status: number | undefined
  /** The server's own words, or why it was not asked. Holds no secret. */
  readonly message: string
  readonly points: Pick<StampedLines, 'bytes' | 'endsCleanly'>
  /** When it was given up, ms since the Unix epoch. */
  readonly at: number
}

/** What the letters of one file have in common. */
export interface DeadLetterKind {
  /** Different for any two kinds. */
  readonly key: string
  /** How the names of its files begin. */
  readonly fileName: string
  /** How its files begin. */
  readonly header: Uint8Array
}

const { NEWLINE } = BYTE

const NOTHING = new Uint8Array(0)

const MAX_MESSAGE_LENGTH = 1000

/** The longest that a name can become in a file name. Four of them, and a number, make a file name. */
const MAX_NAME_LENGTH = 60

const encoder = new TextEncoder()

export function kindOf(letter: DeadLetter): DeadLetterKind {
  const { backend, database, retentionPolicy } = letter
  const precision = precisionOf(letter)
  const importable = isImportable(letter)
  const names = [backend, database, ...(retentionPolicy === '' ? [] : [retentionPolicy])]
  const parts = [...names.map(fileNamePart), precision, ...(importable ? [] : ['curl'])]
  return {
    key: JSON.stringify([backend, database, retentionPolicy, precision, importable]),
    fileName: parts.join('.'),
    header: encoder.encode(headerOf(letter, precision, importable)),
  }
}

/** The precision by its name in `influx`, which does not know `n` and complains about it. */
function precisionOf({ precision }: DeadLetter): string {
  return ['u', 'ms', 's', 'm', 'h'].includes(precision) ? precision : 'ns'
}

/** Whether `influx -import` would send exactly these points, and to this destination. */
function isImportable({ database, retentionPolicy, points }: DeadLetter): boolean {
  return (
    isReadableName(database) &&
    (retentionPolicy === '' || isReadableName(retentionPolicy)) &&
    points.endsCleanly &&
    split(points.bytes, 1).every(isPlainLine)
  )
}

/** The importer cuts a name at a colon and at white space around it. */
function isReadableName(name: string): boolean {
  return name !== '' && name.trim() === name && !name.includes(':') && commentText(name) === name
}

const CONTEXT = encoder.encode('# CONTEXT-')

function isPlainLine(line: Uint8Array): boolean {
  const newline = line.indexOf(NEWLINE)
  const isOne = newline < 0 || newline === line.length - 1
  return isOne && !CONTEXT.every((byte, i) => line[i] === byte)
}

function headerOf(letter: DeadLetter, precision: string, importable: boolean): string {
  const { backend, database, retentionPolicy } = letter
  // Without the first line the importer would run what follows as queries.
  const lines = ['# DML']
  if (importable) lines.push(`# CONTEXT-DATABASE: ${database}`)
  if (importable && retentionPolicy !== '') {
    lines.push(`# CONTEXT-RETENTION-POLICY: ${retentionPolicy}`)
  }
  lines.push(`# precision: ${precision}`)
  lines.push(`# Not taken by ${commentText(backend)}. To send these points again:`)
  if (importable) lines.push(`#   influx -import -precision ${precision} -path FILE`)
  lines.push(`#   curl --data-binary @FILE '${urlOf(letter, precision)}'`)
  if (!importable) {
    lines.push('# influx -import would change these points, or misread their database.')
  }
  lines.push('# The relay checks this file when it starts: make changes in a copy.')
  return `${lines.join('\n')}\n\n`
}

function urlOf({ database, retentionPolicy }: DeadLetter, precision: string): string {
  const policy = retentionPolicy === '' ? '' : `&rp=${percentEncoded(retentionPolicy)}`
  return `http://SERVER:8086/write?db=${percentEncoded(database)}${policy}&precision=${precision}`
}

/** A letter as it stands in a file: a comment and the body, which ends in a newline. */
export function encodeLetter(letter: DeadLetter): Uint8Array {
  const body = join([letter.points.bytes, NOTHING])
  return join([encoder.encode(commentOf(letter, body)), body])
}

function commentOf({ at, backend, status, message }: DeadLetter, body: Uint8Array): string {
  const time = new Date(at).toISOString()
  const check = crc32c(body).toString(16).padStart(8, '0')
  const verdict = status === undefined ? '' : ` answered ${status}`
  const text = commentText(`${backend}${verdict}: ${message}`).slice(0, MAX_MESSAGE_LENGTH)
  return `# ${time} ${body.length} bytes crc32c ${check} ${text}\n`
}

const COMMENT = /^# \S+ (\d+) bytes crc32c ([0-9a-f]{8}) /

/**
 * The length of what is whole in a file: its head and the letters up to the first that is damaged, 0 if
 * that is the first of all.
 */
export function intactBytes(file: Uint8Array): number {
  const decoder = new TextDecoder()
  let intact = 0
  let at = 0
  while (at < file.length) {
    const end = file.indexOf(NEWLINE, at)
    if (end < 0) break
    const line = decoder.decode(file.subarray(at, end))
    at = end + 1
    const [, length, check] = COMMENT.exec(line) ?? []
    if (length === undefined && !/^(#|$)/.test(line)) break
    if (length === undefined) continue
    const body = file.subarray(at, at + Number(length))
    if (crc32c(body) !== Number(`0x${check}`)) break
    at += body.length
    intact = at
  }
  return intact
}

/**
 * Text for a comment that ends where its line ends: influxd's scanner would take a backslash or an odd
 * quote for the start of something longer.
 */
function commentText(text: string): string {
  return text
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
}

/** A name as a part of a file name: no dot, slash or anything else that a file system may mind. */
function fileNamePart(name: string): string {
  const encoded = percentEncoded(name)
  if (encoded.length <= MAX_NAME_LENGTH) return encoded
  const check = crc32c(encoder.encode(name)).toString(16).padStart(8, '0')
  return `${encoded.slice(0, MAX_NAME_LENGTH - 9)}~${check}`
}

/** Like `encodeURIComponent`, but lets only letters, digits, `-` and `_` stand. */
function percentEncoded(text: string): string {
  return Array.from(encoder.encode(text), (byte) => {
    const character = String.fromCharCode(byte)
    if (/[\w-]/.test(character)) return character
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
