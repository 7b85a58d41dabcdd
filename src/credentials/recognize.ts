/** Recognizes the format of a file or string. It validates nothing. */
import { derKind, type DerKind } from '../x509/pem/der-kind.js'
import type { Holds, UnexpectedContent } from '../report/catalogue/input.js'
import type { PemScan } from '../x509/pem/pem.js'

/** PEM, or the unexpected content. */
export type Content = { readonly scan: PemScan } | Pick<UnexpectedContent, 'holds' | 'form' | 'line'>

/** Bytes or characters that suffice to recognize a format by its start. */
const HEAD_LENGTH = 512

/** @param scan Called only for text. */
export function recognize(bytes: Buffer, scan: () => PemScan): Content {
  return recognizeBinary(bytes) ?? recognizeText(bytes, scan)
}

function unexpected(holds: Holds, form: UnexpectedContent['form'] = null, line: number | null = null): Content {
  return { holds, form, line }
}

function recognizeBinary(bytes: Buffer): Content | null {
  const utf16 = readUtf16(bytes)
  if (utf16 !== null) return unexpected(utf16)
  const holds = derKind(bytes)
  // "0" and a replacement character: DER that was decoded as UTF-8.
  if (holds !== null || bytes.subarray(0, 4).equals(Buffer.from('0\ufffd')))
    return unexpected(holds ?? 'other DER', 'DER')
  return bytes.subarray(0, 4).toString('hex') === 'feedfeed' ? unexpected('Java key store') : null
}

/** Recognizes a byte order mark, or letters with a zero byte next to each. */
function readUtf16(bytes: Buffer): Holds | null {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return 'UTF-16 text'
  // If a program decoded the file as UTF-8, the byte order mark became two replacement characters.
  const start = bytes.subarray(0, 6).equals(Buffer.from('\ufffd\ufffd')) ? 6 : 0
  const letter = bytes
    .subarray(start, start + HEAD_LENGTH)
    .toString('latin1')
    .indexOf('E\0G\0I\0N')
  if (letter === -1) return null
  if (start > 0) return 'UTF-16 text'
  // Little-endian: the letter precedes its zero byte.
  return letter % 2 === 0 ? 'UTF-16LE text' : 'UTF-16BE text'
}

function recognizeText(bytes: Buffer, scanned: () => PemScan): Content {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '')
  if (text.trim() === '') return unexpected('nothing')
  const scan = scanned()
  // A file with PEM blocks is PEM; other contents are text outside the blocks.
  if (scan.blocks.length > 0) return { scan }
  const head = text.slice(0, HEAD_LENGTH).trimStart()
  // `cfssl genkey`, `gencert` and `selfsign` print an object with these members.
  if (head.startsWith('{') || head.startsWith('['))
    return unexpected(/"(?:cert|csr|key)": ?"-----BEGIN /.test(text) ? 'cfssl output' : 'JSON')
  if (head.startsWith('<')) return unexpected('web page')
  const ssh = sshKind(head)
  if (ssh !== null) return unexpected(ssh)
  const oneLine = scan.problems.find((each) => each.kind === 'one-line')
  if (oneLine !== undefined) {
    const isEscaped = text.includes('-----\\n') || text.includes('-----\\r\\n')
    return isEscaped ? unexpected('escaped line breaks') : unexpected('lost line breaks', null, oneLine.line)
  }
  return scan.problems.length > 0 ? { scan } : recognizeRest(bytes, text)
}

function sshKind(head: string): Holds | null {
  if (/^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) /.test(head)) return 'SSH public key'
  if (head.startsWith('---- BEGIN SSH2 ')) return head.includes(' PRIVATE KEY') ? 'SSH private key' : 'SSH public key'
  return head.startsWith('PuTTY-User-Key-File-') ? 'SSH private key' : null
}

function recognizeRest(bytes: Buffer, text: string): Content {
  const holds = base64Holds(text)
  if (holds !== null) return unexpected(holds, 'base64')
  if (looksLikeFileName(text)) return unexpected('file name')
  // Text has no NUL and no replacement characters.
  const isBinary = bytes.subarray(0, HEAD_LENGTH).includes(0) || text.slice(0, HEAD_LENGTH).includes('\ufffd')
  return unexpected(isBinary ? 'other binary data' : 'other text')
}

/** The content of base64 without boundaries; null if it is not base64 or not recognized. */
function base64Holds(text: string): DerKind | 'PEM' | null {
  if (/[^A-Za-z0-9+/=\s]/.test(text)) return null
  const decoded = Buffer.from(text, 'base64')
  return decoded.subarray(0, HEAD_LENGTH).includes('-----BEGIN ') ? 'PEM' : derKind(decoded)
}

/** True for one line in the form of a path, or with the extension of a certificate file. */
function looksLikeFileName(text: string): boolean {
  const line = text.trim()
  if (line.length > 1024 || line.includes('\n')) return false
  return (
    /^(?:~|\.{1,2}|[A-Za-z]:|file:)?[/\\]/.test(line) ||
    /\.(?:pem|crt|cer|key|der|p12|pfx|crl|p7b|txt|json)$/i.test(line)
  )
}

/**
 * Whether a value that should be a file name is the contents of a file. Such a value must not be shown: it may be a private
 * key.
 */
export function isContentNotName(value: string): boolean {
  if (value.length > 1024 || value.trim().includes('\n') || value.includes('-----')) return true
  return value.length >= 64 && !value.startsWith('/') && !/[^A-Za-z0-9+/=]/.test(value)
}
