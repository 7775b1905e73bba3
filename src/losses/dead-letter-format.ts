/**
 * The format of dead letters: writes that a server has rejected, as text that can be sent again by hand.
 *
 * A file is line protocol. Comments at its start name the destination. A comment before each letter gives the
 * server's answer:
 *
 *     # DML
 *     # CONTEXT-DATABASE: telegraf
 *     …
 *     # 2026-11-22T19:40:00.123Z 25 bytes crc32c 1a2b3c4d influx2 answered 400: field type conflict
 *     cpu v="a" 1700000000000000000
 *
 * `influx -import` splits a file at newlines, drops empty lines and comments, and writes the rest with an
 * empty line after each. So it would change a string that contains a newline, and would obey a comment in
 * which a client names another database. Such letters, and those of a destination that it cannot read, have
 * files of their own, to be sent with curl. Their comments name no database in a way that the importer reads,
 * so the importer fails.
 *
 * A remote write of Prometheus is binary. Such letters have files of their own, with one line of base64 a letter.
 */

import { crc32c } from '../disk/crc32c.ts'
import { base64 } from '../influxdb/base64.ts'
import { BYTE } from '../influxdb/line-bytes.ts'
import { join, split } from '../influxdb/lines.ts'
import type { Write } from '../influxdb/write.ts'

export interface DeadLetter extends Pick<Write, 'kind'> {
  readonly backend: string
  readonly database: string
  /** Empty for the database's default. */
  readonly retentionPolicy: string
  readonly precision: string
  /** The status of the backend's answer; undefined if the write was not sent. */
  readonly status: number | undefined
  /** The error in the answer, or why the write was not sent. Holds no secret. */
  readonly message: string
  readonly points: Pick<Write['points'], 'bytes' | 'endsCleanly'>
  /** When it was rejected, ms since the Unix epoch. */
  readonly at: number
}

/** What all letters of one file have in common. */
export interface DeadLetterKind {
  /** Unique to the kind. */
  readonly key: string
  /** The start of the file names, and their ending: `lp` for line protocol. */
  readonly fileName: string
  readonly ending: 'lp' | 'base64'
  /** The start of the files. */
  readonly header: Uint8Array
}

const { NEWLINE } = BYTE

const NOTHING = new Uint8Array(0)

const MAX_MESSAGE_LENGTH = 1000

/** The longest part of a file name. A file name has up to four, and a number. */
const MAX_NAME_LENGTH = 60

const encoder = new TextEncoder()

export function kindOf(letter: DeadLetter): DeadLetterKind {
  const { kind, backend, database, retentionPolicy } = letter
  if (kind === 'remote-write') return remoteWriteKind(letter)
  const precision = precisionOf(letter)
  const importable = isImportable(letter)
  const names = [backend, database, ...(retentionPolicy === '' ? [] : [retentionPolicy])]
  const parts = [...names.map(fileNamePart), precision, ...(importable ? [] : ['curl'])]
  return {
    key: JSON.stringify([backend, database, retentionPolicy, precision, importable]),
    fileName: parts.join('.'),
    ending: 'lp',
    header: encoder.encode(headerOf(letter, precision, importable)),
  }
}

function remoteWriteKind(letter: DeadLetter): DeadLetterKind {
  const { kind, backend, database, retentionPolicy } = letter
  const names = [backend, database, ...(retentionPolicy === '' ? [] : [retentionPolicy])]
  const lines = [
    '# DML',
    `# Remote writes of Prometheus that ${commentText(backend)} has not taken. To send them again:`,
    '#   grep -v \'^#\' FILE | while read -r BODY; do echo "$BODY" | base64 -d |',
    `#     curl -H 'Content-Encoding: snappy' --data-binary @- '${remoteWriteUrlOf(letter)}'; done`,
    CHECKED_AT_START,
  ]
  return {
    key: JSON.stringify([backend, database, retentionPolicy, kind]),
    fileName: [...names.map(fileNamePart), kind].join('.'),
    ending: 'base64',
    header: encoder.encode(`${lines.join('\n')}\n`),
  }
}

/** The precision as `influx` names it: it rejects `n`. */
function precisionOf({ precision }: DeadLetter): string {
  return ['u', 'ms', 's', 'm', 'h'].includes(precision) ? precision : 'ns'
}

/** Whether `influx -import` would send exactly these points to this destination. */
function isImportable({ database, retentionPolicy, points }: DeadLetter): boolean {
  return (
    isReadableName(database) &&
    (retentionPolicy === '' || isReadableName(retentionPolicy)) &&
    points.endsCleanly &&
    split(points.bytes, 1).every(isPlainLine)
  )
}

/** The importer cuts a name at a colon and trims it. */
function isReadableName(name: string): boolean {
  return name !== '' && name.trim() === name && !name.includes(':') && commentText(name) === name
}

const CONTEXT = encoder.encode('# CONTEXT-')

function isPlainLine(line: Uint8Array): boolean {
  const newline = line.indexOf(NEWLINE)
  const isOne = newline < 0 || newline === line.length - 1
  return isOne && !CONTEXT.every((byte, i) => line[i] === byte)
}

const CHECKED_AT_START = '# The relay checks this file when it starts: make changes in a copy.'

function headerOf(letter: DeadLetter, precision: string, importable: boolean): string {
  const { backend, database, retentionPolicy } = letter
  // Without this line the importer would run the rest as queries.
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
  lines.push(CHECKED_AT_START)
  return `${lines.join('\n')}\n\n`
}

function urlOf(letter: DeadLetter, precision: string): string {
  return `http://SERVER:8086/write?${placeOf(letter)}&precision=${precision}`
}

function remoteWriteUrlOf(letter: DeadLetter): string {
  return `http://SERVER:8086/api/v1/prom/write?${placeOf(letter)}`
}

function placeOf({ database, retentionPolicy }: DeadLetter): string {
  const policy = retentionPolicy === '' ? '' : `&rp=${percentEncoded(retentionPolicy)}`
  return `db=${percentEncoded(database)}${policy}`
}

/** A letter in a file: a comment, and the body with a newline at its end. */
export function encodeLetter(letter: DeadLetter): Uint8Array {
  const { kind, points } = letter
  const text = kind === 'remote-write' ? encoder.encode(base64(points.bytes)) : points.bytes
  const body = join([text, NOTHING])
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

/** The length of the intact part of a file: its header and letters, up to the first damaged one. */
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
 * Makes text safe in a comment: for influxd's scanner a backslash or an odd quote would extend the comment
 * past the end of its line.
 */
function commentText(text: string): string {
  return text
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
}

/** A name as a part of a file name: without dots, slashes and other special characters. */
function fileNamePart(name: string): string {
  const encoded = percentEncoded(name)
  if (encoded.length <= MAX_NAME_LENGTH) return encoded
  const check = crc32c(encoder.encode(name)).toString(16).padStart(8, '0')
  return `${encoded.slice(0, MAX_NAME_LENGTH - 9)}~${check}`
}

/** Like `encodeURIComponent`, but leaves only letters, digits, `-` and `_`. */
function percentEncoded(text: string): string {
  return Array.from(encoder.encode(text), (byte) => {
    const character = String.fromCharCode(byte)
    if (/[\w-]/.test(character)) return character
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
