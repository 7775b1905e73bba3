/** Base64 (RFC 4648, section 4), on every runtime. */

/** More arguments than this may not fit on the stack. A whole number of groups of three bytes. */
const PIECE_BYTES = 3 * 4096

export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES)))
  }
  return text
}
