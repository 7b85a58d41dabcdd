/** An issuer that is the HTTP API of cfssl. */
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { codeOf } from '../../report/errors.js'
import { type Issuer, IssuerError, shownWords } from './issuer.js'

/** Options of {@link cfssl}. */
export interface CfsslOptions {
  /** The address of `cfssl serve`, such as `https://ca.example.com:8888`. http only on this machine. */
  url: string
  /** The CA certificates that verify it, in PEM. @default Node's */
  ca?: string | Uint8Array | undefined
  /** The profile of its configuration. @default its default profile */
  profile?: string | undefined
  /** The key of the profile's `auth_key`, in hexadecimal. @default none */
  authKey?: string | undefined
}

/** Bytes of an answer that are read. */
const MAX_ANSWER = 1024 * 1024
const LOCAL = ['localhost', '127.0.0.1', '[::1]']

/**
 * An issuer that is the HTTP API of cfssl (`cfssl serve`): its endpoint `sign`, or `authsign` with a key. Redirects are not followed.
 *
 * @example
 * ```ts
 * const issuer = cfssl({ url: 'https://ca.example.com:8888', ca: await readFile('cfssl-ca.crt'), profile: 'client' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @experimental It may change in a minor release.
 */
export function cfssl(options: CfsslOptions): Issuer {
  checkOptions('options', options, ['url', 'ca', 'profile', 'authKey'])
  const { url, ca, profile, authKey } = options
  const address = typeof url === 'string' && URL.canParse(url) ? new URL(url) : null
  if (address === null || !/^https?:$/.test(address.protocol)) throw valueInvalid('url', url, 'an https:// URL')
  if (address.protocol === 'http:' && !LOCAL.includes(address.hostname))
    throw optionInvalid('url', 'must be https:// off this machine')
  if (address.username !== '' || address.password !== '') throw optionInvalid('url', 'must have no password')
  if (profile !== undefined && typeof profile !== 'string') throw textInvalid('profile', profile, 'a string')
  if (authKey !== undefined && !/^(?:[0-9a-f]{2}){16,}$/i.test(authKey))
    throw optionInvalid('authKey', 'must be hexadecimal, at least 32 digits')
  return {
    origin: `cfssl at ${address.host}`,
    async sign(csr, { hosts, signal }) {
      const inner = JSON.stringify({ certificate_request: csr, hosts, ...(profile === undefined ? {} : { profile }) })
      const body = authKey === undefined ? inner : authenticated(inner, authKey)
      const path = `/api/v1/cfssl/${authKey === undefined ? 'sign' : 'authsign'}`
      return { chain: certificateIn(await post(new URL(path, address), body, { ca, signal })) }
    },
  }
}

/** cfssl auth/auth.go: HMAC-SHA256 over the request. */
function authenticated(request: string, authKey: string): string {
  const token = createHmac('sha256', Buffer.from(authKey, 'hex')).update(request).digest('base64')
  return JSON.stringify({ token, request: Buffer.from(request).toString('base64') })
}

function post(
  url: URL,
  body: string,
  { ca, signal }: { ca: CfsslOptions['ca']; signal: AbortSignal },
): Promise<string> {
  const options: RequestOptions = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal,
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
  }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (bytes <= MAX_ANSWER) pieces.push(piece)
        else request.destroy(new IssuerError(`its answer has more than ${String(MAX_ANSWER)} bytes`))
      })
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8')
        const { statusCode = 0 } = response
        // cfssl explains a refusal in the body, with the status 400 or 500.
        if (statusCode === 200 || (statusCode >= 400 && text.startsWith('{'))) resolve(text)
        else reject(new IssuerError(`it answered with the HTTP status ${String(statusCode)}`))
      })
      response.on('error', reject)
    })
    request.on('error', (error) => {
      reject(
        error instanceof IssuerError ? error : new IssuerError(`it cannot be reached (${codeOf(error) ?? error.name})`),
      )
    })
    request.end(body)
  })
}

function certificateIn(text: string): string {
  let answer: {
    success?: unknown
    result?: { certificate?: unknown } | null
    errors?: { message?: unknown }[] | null
  } | null
  try {
    answer = JSON.parse(text) as typeof answer
  } catch {
    throw new IssuerError('its answer is not JSON')
  }
  const certificate = answer?.result?.certificate
  if (answer?.success === true && typeof certificate === 'string') return certificate
  const message = answer?.errors?.[0]?.message
  throw new IssuerError(
    typeof message === 'string' ? `it refused: ${shownWords(message)}` : 'its answer has no certificate',
  )
}
