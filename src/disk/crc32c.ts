/** CRC-32C (Castagnoli, RFC 3720): finds every burst of up to 32 wrong bits. */

const POLYNOMIAL = 0x82f63b78

/** Eight tables back to back, so that a step takes eight bytes: see `effect`. */
const TABLES = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256] as number
    tables[i] = (previous >>> 8) ^ (tables[previous & 255] as number)
  }
  return tables
}

/** The effect of the lowest byte of `bits` on a checksum `distance` bytes later. */
function effect(distance: number, bits: number): number {
  return TABLES[distance * 256 + (bits & 255)] as number
}

/** The checksum of the bytes in [start, end), as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let i = start
  for (; i + 8 <= end; i += 8) {
    const low = crc ^ view.getInt32(i, true)
    const high = view.getInt32(i + 4, true)
    const first = effect(7, low) ^ effect(6, low >>> 8) ^ effect(5, low >>> 16)
    const second = effect(4, low >>> 24) ^ effect(3, high) ^ effect(2, high >>> 8)
    crc = first ^ second ^ effect(1, high >>> 16) ^ effect(0, high >>> 24)
  }
  for (; i < end; i++) crc = effect(0, crc ^ (bytes[i] as number)) ^ (crc >>> 8)
  return ~crc >>> 0
}
