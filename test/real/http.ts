import { request as plain } from 'node:http'
import { request as secure } from 'node:https'

export type HttpAnswer = { status: number; body: string }

export type HttpOptions = {
  /** Sent in the body of a POST, else in the address. */
  parameters?: URLSearchParams
  auth?: { username: string; password: string }
  /** Milliseconds of silence after which the request fails. */
  timeout?: number
}

/**
 * Sends one request on a connection of its own: a kept one would break with the server that a test
 * kills. Certificates are not checked, as the test itself made them.
 */
export function httpRequest(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  { parameters, auth, timeout = 30_000 }: HttpOptions = {},
): Promise<HttpAnswer> {
  const address = new URL(path, url)
  const posts = method === 'POST'
  if (parameters && !posts) address.search = parameters.toString()
  const request = (address.protocol === 'https:' ? secure : plain)(address, {
    method,
    agent: false,
    timeout,
    rejectUnauthorized: false,
    headers: posts ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {},
    ...(auth && { auth: `${auth.username}:${auth.password}` }),
  })
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error(`${url} was silent for ${timeout} ms`)))
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      )
    })
    request.end(posts && parameters ? parameters.toString() : undefined)
  })
}
