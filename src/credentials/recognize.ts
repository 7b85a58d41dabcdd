/** Says what a file or text holds: PEM, or what it is instead. Nothing is judged here. */
import { derKind, type DerKind } from '../x509/der-kind.js'
import type { PemScan } from '../x509/pem.js'

/** What was recognized. */
export type Content =
  | { readonly kind: 'pem'; readonly scan: PemScan }
  | { readonly kind: 'blank' }
  | { readonly kind: 'der'; readonly holds: DerKind | null }
  | { readonly kind: 'utf-16'; readonly byteOrder: 'little-endian' | 'big-endian'; readonly byteOrderMark: boolean }
  | { readonly kind: 'json'; readonly cfssl: boolean }
  | { readonly kind: 'html' }
  | { readonly kind: 'java-key-store' }
  | { readonly kind: 'ssh'; readonly holds: string }
  | { readonly kind: 'base64'; readonly holds: DerKind | 'PEM' }
  | { readonly kind: 'line-breaks-escaped' }
  | { readonly kind: 'line-breaks-lost'; readonly line: number }
  | { readonly kind: 'file-name' }
  | { readonly kind: 'other'; readonly binary: boolean }

/** How much of a text is looked at where its beginning tells enough. */
const HEAD = 512

/** Recognizes the contents of a file or an option. `scan` looks for PEM, and is asked only where there is text. */
export function recognize(bytes: Buffer, scan: () => PemScan): Content {
  return recognizeBinary(bytes) ?? recognizeText(bytes, scan)
}

function recognizeBinary(bytes: Buffer): Content | null {
  const utf16 = readUtf16(bytes)
  if (utf16 !== null) return { kind: 'utf-16', ...utf16 }
  const holds = derKind(bytes)
  // "0" and a replacement character: DER that was read as if it were UTF-8 text.
  if (holds !== null || bytes.subarray(0, 4).equals(Buffer.from('0\ufffd'))) return { kind: 'der', holds }
  if (bytes.subarray(0, 4).toString('hex') === 'feedfeed') return { kind: 'java-key-store' }
  return null
}

/** A byte order mark, or letters with a zero octet beside each. */
function readUtf16(bytes: Buffer): { byteOrder: 'little-endian' | 'big-endian'; byteOrderMark: boolean } | null {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return { byteOrder: 'little-endian', byteOrderMark: true }
  if (first === 0xfe && second === 0xff) return { byteOrder: 'big-endian', byteOrderMark: true }
  // Where a program read the file as UTF-8, its byte order mark became two replacement characters.
  const start = bytes.subarray(0, 6).equals(Buffer.from('\ufffd\ufffd')) ? 6 : 0
  const head = bytes.subarray(start, start + HEAD).toString('latin1')
  const letter = head.indexOf('E\0G\0I\0N')
  if (letter === -1) return null
  // The letter comes before its zero octet in one order, behind it in the other.
  return { byteOrder: letter % 2 === 0 ? 'little-endian' : 'big-endian', byteOrderMark: start > 0 }
}

function recognizeText(bytes: Buffer, scanned: () => PemScan): Content {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '')
  if (text.trim() === '') return { kind: 'blank' }
  const scan = scanned()
  // Blocks first: whatever else stands in the file is text around them.
  if (scan.blocks.length > 0) return { kind: 'pem', scan }
  const head = text.slice(0, HEAD).trimStart()
  if (head.startsWith('{') || head.startsWith('[')) return { kind: 'json', cfssl: isCfssl(text) }
  if (head.startsWith('<')) return { kind: 'html' }
  const ssh = sshKind(head)
  if (ssh !== null) return { kind: 'ssh', holds: ssh }
  const oneLine = scan.problems.find((each) => each.kind === 'one-line')
  if (oneLine !== undefined) return oneLineKind(text, oneLine.line)
  return scan.problems.length > 0 ? { kind: 'pem', scan } : recognizeRest(bytes, text)
}

function oneLineKind(text: string, line: number): Content {
  const escaped = text.includes('-----\\n') || text.includes('-----\\r\\n')
  return escaped ? { kind: 'line-breaks-escaped' } : { kind: 'line-breaks-lost', line }
}

/** `cfssl genkey`, `gencert` and `selfsign` print an object of these members. */
function isCfssl(text: string): boolean {
  return /"(?:cert|csr|key)": ?"-----BEGIN /.test(text)
}

function sshKind(head: string): string | null {
  if (/^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) /.test(head)) return 'a public key'
  if (head.startsWith('---- BEGIN SSH2 ')) return head.includes(' PRIVATE KEY') ? 'a private key' : 'a public key'
  if (head.startsWith('PuTTY-User-Key-File-')) return 'a private key of PuTTY'
  return null
}

function recognizeRest(bytes: Buffer, text: string): Content {
  const holds = base64Holds(text)
  if (holds !== null) return { kind: 'base64', holds }
  if (looksLikeFileName(text)) return { kind: 'file-name' }
  // NUL and replacement characters do not come up in text.
  return { kind: 'other', binary: bytes.subarray(0, HEAD).includes(0) || text.slice(0, HEAD).includes('\ufffd') }
}

/** What base64 without boundaries holds; null for text that is no base64 or holds nothing known. */
function base64Holds(text: string): DerKind | 'PEM' | null {
  if (/[^A-Za-z0-9+/=\s]/.test(text)) return null
  const decoded = Buffer.from(text, 'base64')
  return decoded.subarray(0, HEAD).includes('-----BEGIN ') ? 'PEM' : derKind(decoded)
}

/** One line that is written as paths are, or ends as certificate files do. */
function looksLikeFileName(text: string): boolean {
  const line = text.trim()
  if (line.length > 1024 || line.includes('\n')) return false
  return (
    /^(?:~|\.{1,2}|[A-Za-z]:|file:)?[/\\]/.test(line) ||
    /\.(?:pem|crt|cer|key|der|p12|pfx|crl|p7b|txt|json)$/i.test(line)
  )
}

/**
 * Whether a value that was given as a file's name is no name, but the contents of a file. Such a value is never shown:
 * it may be a private key.
 */
export function isContentNotName(value: string): boolean {
  if (value.length > 1024 || value.trim().includes('\n') || value.includes('-----')) return true
  return value.length >= 64 && !value.startsWith('/') && !/[^A-Za-z0-9+/=]/.test(value)
}
