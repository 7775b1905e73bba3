/** Bodies of Prometheus's remote write and remote read: protobuf, compressed with Snappy. */

export interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** Value, and milliseconds since the Unix epoch. */
  readonly samples: readonly (readonly [value: number, timestamp: number])[]
}

const encoder = new TextEncoder()

export function remoteWrite(...series: Series[]): Uint8Array<ArrayBuffer> {
  return snappy(message(...series.map((one) => field(1, timeSeries(one)))))
}

/** Asks for all samples of a metric between two times. */
export function remoteRead(metric: string, start: number, end: number): Uint8Array<ArrayBuffer> {
  const matcher = message(field(2, encoder.encode('__name__')), field(3, encoder.encode(metric)))
  const query = message(integer(1, start), integer(2, end), field(3, matcher))
  return snappy(message(field(1, query)))
}

function timeSeries({ labels, samples }: Series): Uint8Array {
  return message(
    ...Object.entries(labels).map(([name, value]) =>
      field(1, message(field(1, encoder.encode(name)), field(2, encoder.encode(value)))),
    ),
    ...samples.map(([value, timestamp]) =>
      field(2, message([9, ...float(value)], integer(2, timestamp))),
    ),
  )
}

function message(...fields: Iterable<number>[]): Uint8Array {
  return Uint8Array.from(fields.flatMap((one) => [...one]))
}

/** A field of bytes. */
function field(number: number, bytes: Uint8Array): number[] {
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes]
}

function integer(number: number, value: number): number[] {
  return [number << 3, ...varint(value)]
}

function float(value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setFloat64(0, value, true)
  return new Uint8Array(bytes.buffer)
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return [...bytes, rest]
}

const MAX_LITERAL = 0x10000

/** Snappy's block format, of literals alone: valid, and not smaller. */
export function snappy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: number[] = varint(bytes.length)
  for (let at = 0; at < bytes.length; at += MAX_LITERAL) {
    const literal = bytes.subarray(at, at + MAX_LITERAL)
    const length = literal.length - 1
    parts.push(61 << 2, length & 0xff, length >> 8)
    for (const byte of literal) parts.push(byte)
  }
  return Uint8Array.from(parts)
}
