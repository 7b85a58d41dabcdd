/** Recognizes a server without TLS by what it sends, and reads what it says about itself. */

/** Maximum number of characters that are read: the status line and the headers of an HTTP answer fit. */
const MAX_LENGTH = 2048

/** HTTP/2's client preface (RFC 9113 section 3.4) with an empty SETTINGS frame: HTTP/1.1 servers answer it, too. */
export const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])
/** PostgreSQL's request for TLS, SSLRequest. It closes the connection for any other first message, without an answer. */
export const POSTGRES_SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])

export interface PlaintextAnswer {
  /** The protocol; null if it is not recognized. */
  readonly spoken: string | null
  /** The first line in quotation marks, or bytes in hexadecimal; empty if they say no more than `spoken`. */
  readonly sent: string
  /** The header `server` of an HTTP answer, and the target of a redirect; null if absent. */
  readonly server: string | null
  readonly location: string | null
}

/** Protocols by the start of what a server sends first, or as the answer to {@link PREFACE}. */
const SERVICES: readonly (readonly [start: RegExp, name: string])[] = [
  [/^HTTP\/1\.\d /, 'plaintext HTTP/1.1'],
  [/^SSH-/, 'SSH'],
  [/^-(?:ERR|NOAUTH|DENIED|LOADING) /, 'Redis'],
  // A packet with a length, the number 0, and the greeting of version 10.
  [/^[^]{3}\0\n\d+\.\d+/, 'MySQL'],
  [/^220[ -]/, 'SMTP or FTP'],
  [/^ERROR\r\n/, 'memcached'],
]

const SETTINGS_FRAME = 4
const TLS_ALERT = 0x15

/** Reads the answer to {@link PREFACE}; null if a TLS server sent it. */
export function readAnswer(bytes: Buffer): PlaintextAnswer | null {
  if (bytes[0] === TLS_ALERT) return null
  const nothing = { sent: '', server: null, location: null }
  if (bytes.length >= 9 && bytes[3] === SETTINGS_FRAME) return { ...nothing, spoken: 'plaintext HTTP/2' }
  const text = bytes.toString('latin1', 0, MAX_LENGTH)
  const spoken = SERVICES.find(([start]) => start.test(text))?.[1] ?? null
  const [line = ''] = text.split(/\r?\n/, 1)
  const isText = /^[ -~\t\x1b]{4,}$/.test(line)
  const sent = isText ? `"${line}"` : spoken === null ? bytes.toString('hex', 0, 16) : ''
  if (!text.startsWith('HTTP/')) return { ...nothing, spoken, sent }
  return { spoken, sent, server: header(text, 'server'), location: header(text, 'location') }
}

/** Reads the answer to {@link POSTGRES_SSL_REQUEST}: one letter, whether TLS follows. */
export function readPostgresAnswer(bytes: Buffer): PlaintextAnswer | null {
  const isPostgres = bytes.length === 1 && /[SN]/.test(bytes.toString('latin1'))
  return isPostgres ? { spoken: 'PostgreSQL', sent: '', server: null, location: null } : null
}

function header(head: string, name: string): string | null {
  const lines = head.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
  const line = lines.find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line?.slice(name.length + 1).trim() ?? null
}
