/** The location of an output that takes writes by HTTP: a URL that can be read in one way only. */

import { userAuthorization } from '../influxdb/credentials.ts'

export interface Location {
  readonly url: URL
  /** The credentials in the URL, as an Authorization header. */
  readonly authorization: string | undefined
}

const EXPECTED = 'expected a URL such as "http://127.0.0.1:8086/write"'

const HINT =
  'percent-encode / ? # @ % \\ in a password as %2F %3F %23 %40 %25 %5C, or use the key "password"'

/**
 * Reads a location. The URL parser of the web takes nearly everything, so that a slip would send writes, and
 * a part of the password, to another host.
 *
 * @throws LocationError
 */
export function parseLocation(location: string): Location {
  const [, scheme, authority, rest] = /^([a-z][a-z\d+.-]*:)?(?:\/\/([^/?#]*))?(.*)$/is.exec(
    location,
  ) as unknown as [string, string | undefined, string | undefined, string]
  if (/[\s\p{C}\\]/u.test(location)) {
    throw mistake(`it has a space, a control character or a backslash; ${HINT}`)
  }
  if (authority === undefined || scheme === undefined) {
    throw mistake('the scheme is missing')
  }
  if (!/^https?:$/i.test(scheme)) throw mistake('the scheme is neither http nor https')
  if (rest.includes('@')) throw mistake(`it has an "@" behind the host; ${HINT}`)
  if (rest.includes('#')) throw mistake(`it has a "#"; ${HINT}`)
  if (/[?&][up]=/.test(rest))
    throw mistake('its query has credentials; use the keys username and password')
  const [, userinfo, host] = /^(?:(.*)@)?(.*)$/.exec(authority) as unknown as string[]
  const authorization = userinfo === undefined ? undefined : authorizationOf(userinfo)
  const [, name, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(host as string) ?? []
  if (name === '') throw mistake('the host is missing')
  if (port && !isPort(port)) throw mistake(`the port is not a number from 1 to 65535; ${HINT}`)
  if (!URL.canParse(location)) throw mistake('the host is not valid')
  return { url: new URL(location), authorization }
}

/** What is wrong with a location. The message does not quote it: it may hold a password. */
export class LocationError extends Error {}

function mistake(what: string): LocationError {
  return new LocationError(`${EXPECTED}: ${what}`)
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
}

function authorizationOf(userinfo: string): string {
  const cut = userinfo.indexOf(':')
  const user = plain(cut < 0 ? userinfo : userinfo.slice(0, cut))
  const password = plain(cut < 0 ? '' : userinfo.slice(cut + 1))
  if (user === '') throw mistake('the user name before the "@" is missing')
  if (user.includes(':') && password === '') throw mistake(NO_PASSWORD)
  return userAuthorization(user, password)
}

/** A part of the userinfo, without its percent-encoding. */
function plain(encoded: string): string {
  let text: string
  try {
    text = decodeURIComponent(encoded)
  } catch {
    throw mistake(`it has a "%" that begins no UTF-8 character; ${HINT}`)
  }
  if (!isSecret(text)) throw mistake('its credentials have a control character')
  return text
}

/** Whether a text may be a user name or a password: a line break in one is a slip of a script or an editor. */
export function isSecret(text: string): boolean {
  return !/\p{Cc}/u.test(text)
}

/** No InfluxDB reads an empty password beside a name with a colon: see `credentials.ts`. */
export const NO_PASSWORD = 'a user name with a colon needs a password'
