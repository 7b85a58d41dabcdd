/**
 * Reads the first flight of a TLS server: its chain, and the names of the CAs that it accepts for clients. Node exposes neither the names
 * nor the chain of a failed handshake. TLS 1.2 sends both in plaintext (RFC 5246 sections 7.4.2 and 7.4.4). TLS 1.3 encrypts them (RFC
 * 8446 sections 4.3.2 and 4.4.2) with a secret that Node's event `keylog` gives.
 */
import { DerReader } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { crypto } from './node-crypto.js'

/** Types of records (RFC 8446 section 5.1). */
const [CHANGE_CIPHER_SPEC, HANDSHAKE, APPLICATION_DATA] = [20, 22, 23] as const
const [SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE, FINISHED] = [2, 11, 13, 14, 20] as const
const [SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS, CERTIFICATE_AUTHORITIES] = [13, 43, 47] as const
const [TLS_1_2, TLS_1_3] = [0x0303, 0x0304] as const
/** RFC 8446 section 4.1.3: the random of a HelloRetryRequest, after which another ServerHello comes. */
const RETRY = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c'

/** Longest flight in bytes: a chain and the names of some hundred CAs. */
const MAX_BYTES = 256 * 1024
/** Maximum number of records. Go sends one for each message. */
const MAX_RECORDS = 1000
/** Longest fragment of a record (RFC 8446 section 5.2). */
const MAX_FRAGMENT = 2 ** 14 + 256
/** Maximum number of certificates, and of names: a list that was cut would not show whom the server refuses. */
const MAX_CHAIN = 200
const MAX_NAMES = 2000
const TAG_BYTES = 16

/** The cipher suites of TLS 1.3 that Node offers (RFC 8446 appendix B.4). */
const SUITES: ReadonlyMap<number, Suite> = new Map([
  [0x1301, { cipher: 'aes-128-gcm', keyBytes: 16, hash: 'sha256' }],
  [0x1302, { cipher: 'aes-256-gcm', keyBytes: 32, hash: 'sha384' }],
  [0x1303, { cipher: 'chacha20-poly1305', keyBytes: 32, hash: 'sha256' }],
])

interface Suite {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
  readonly keyBytes: number
  readonly hash: 'sha256' | 'sha384'
}

/** Reads a flight in pieces, up to 256 KiB. It never throws: after bytes that are not a flight it is `isUnreadable`. */
export class FlightReader {
  /** The version that the server chose; null before its ServerHello. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null = null
  chain: readonly Uint8Array[] | null = null
  /** The names of the accepted CAs, empty if the server lists none; null if it has not requested a certificate. */
  authorities: readonly DistinguishedName[] | null = null
  /** The signature schemes that it accepts, in its order (RFC 8446 section 4.2.3); empty if it has not requested a certificate. */
  schemes: readonly number[] = []
  isComplete = false
  /** Whether the rest cannot be read. What was read before is kept. */
  isUnreadable = false
  #records = Buffer.alloc(0)
  #messages = Buffer.alloc(0)
  #size = 0
  #count = 0
  #suite: Suite | null = null
  #secret: Buffer | null = null
  #decipher: ((header: Buffer, fragment: Buffer) => Buffer) | null = null

  get isReading(): boolean {
    return !this.isComplete && !this.isUnreadable
  }

  push(piece: Uint8Array): void {
    if (!this.isReading) return
    this.#size += piece.length
    if (this.#size > MAX_BYTES) {
      this.isUnreadable = true
      return
    }
    this.#records = Buffer.concat([this.#records, piece])
    this.#read()
  }

  /** @param line Of the event `keylog`, in the format NSS Key Log. Only the secret of the server's flight is used. */
  useKeyLog(line: Uint8Array): void {
    const [label, , secret = ''] = Buffer.from(line).toString('latin1').trim().split(' ')
    if (label !== 'SERVER_HANDSHAKE_TRAFFIC_SECRET' || this.#secret !== null) return
    this.#secret = Buffer.from(secret, 'hex')
    if (this.isReading) this.#read()
  }

  #read(): void {
    try {
      while (this.isReading && this.#readRecord());
    } catch {
      this.isUnreadable = true
    }
  }

  /** Returns whether there may be another record. */
  #readRecord(): boolean {
    // TLSPlaintext and TLSCiphertext: type, version (2), length (2), fragment.
    const [type] = this.#records
    if (type !== undefined && !this.#isExpected(type)) throw new RangeError('not a record of a flight')
    if (this.#records.length < 5) return false
    const end = 5 + this.#records.readUInt16BE(3)
    if (end > 5 + MAX_FRAGMENT || this.#count >= MAX_RECORDS) throw new RangeError('too long')
    if (this.#records.length < end) return false
    const [header, fragment] = [this.#records.subarray(0, 5), this.#records.subarray(5, end)]
    if (type === HANDSHAKE) this.#messages = Buffer.concat([this.#messages, fragment])
    else if (type === APPLICATION_DATA && this.#suite !== null) {
      // OpenSSL logs the secret when it has read the ServerHello, which may be in the same piece.
      if (this.#secret === null) return false
      this.#decipher ??= decipherOf(this.#suite, this.#secret)
      this.#messages = Buffer.concat([this.#messages, handshakeOf(this.#decipher(header, fragment))])
    }
    this.#records = this.#records.subarray(end)
    this.#count += 1
    this.#readMessages()
    return true
  }

  #isExpected(type: number): boolean {
    if (type === HANDSHAKE) return this.#decipher === null
    if (type === APPLICATION_DATA) return this.#suite !== null
    // TLS 1.3 may send one anywhere, without a meaning (RFC 8446 section 5).
    return type === CHANGE_CIPHER_SPEC && this.protocol !== 'TLSv1.2'
  }

  #readMessages(): void {
    // Handshake: type, length (3), body.
    while (this.isReading && this.#messages.length >= 4) {
      const end = 4 + this.#messages.readUIntBE(1, 3)
      if (end > MAX_BYTES) throw new RangeError('too long')
      if (this.#messages.length < end) return
      this.#readMessage(this.#messages[0], this.#messages.subarray(4, end))
      this.#messages = this.#messages.subarray(end)
    }
  }

  #readMessage(type: number | undefined, body: Buffer): void {
    const isNew = this.protocol === 'TLSv1.3'
    if (type === SERVER_HELLO) this.#readHello(body)
    else if (type === CERTIFICATE) this.chain = isNew ? readEntries(body) : readChain(body)
    else if (type === CERTIFICATE_REQUEST)
      [this.schemes, this.authorities] = isNew ? readExtension(body) : readRequest(body)
    else if (type === (isNew ? FINISHED : SERVER_HELLO_DONE)) this.isComplete = true
  }

  /** `legacy_version`, `random` (32), `session_id<0..32>`, `cipher_suite` (2), `compression_method`, `extensions<2^16-1>`. */
  #readHello(body: Buffer): void {
    if (body.toString('hex', 2, 34) === RETRY) return
    const at = 35 + body.readUInt8(34)
    const suite = body.readUInt16BE(at)
    const extensions = body.length > at + 3 ? extensionsOf(body.subarray(at + 3)) : new Map<number, Buffer>()
    const version = extensions.get(SUPPORTED_VERSIONS)?.readUInt16BE(0) ?? body.readUInt16BE(0)
    if (version !== TLS_1_2 && version !== TLS_1_3) throw new RangeError('another version')
    this.protocol = version === TLS_1_3 ? 'TLSv1.3' : 'TLSv1.2'
    if (version === TLS_1_2) return
    this.#suite = SUITES.get(suite) ?? null
    if (this.#suite === null) throw new RangeError('another cipher suite')
  }
}

/** Decrypts the records of the flight in their order (RFC 8446 sections 5.2, 5.3 and 7.3). */
function decipherOf({ cipher, keyBytes, hash }: Suite, secret: Buffer): (header: Buffer, fragment: Buffer) => Buffer {
  const { createDecipheriv, createHmac } = crypto()
  // HKDF-Expand-Label, for lengths of at most one hash.
  const expand = (label: string, length: number): Buffer => {
    const name = Buffer.from(`tls13 ${label}`)
    const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
    return createHmac(hash, secret).update(info).digest().subarray(0, length)
  }
  const [key, iv] = [expand('key', keyBytes), expand('iv', 12)]
  let sequence = 0
  return (header, fragment) => {
    const nonce = Buffer.from(iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8)
    sequence += 1
    // The types of Node have an overload for each cipher; the calls are the same.
    const decipher = createDecipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(header)
    decipher.setAuthTag(fragment.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(fragment.subarray(0, -TAG_BYTES)), decipher.final()])
  }
}

/** TLSInnerPlaintext: content, type, zeros. */
function handshakeOf(plaintext: Buffer): Buffer {
  let end = plaintext.length - 1
  while (end > 0 && plaintext[end] === 0) end -= 1
  if (plaintext[end] !== HANDSHAKE) throw new RangeError('not a handshake message')
  return plaintext.subarray(0, end)
}

/** Reads vectors, each with its length in front (RFC 8446 section 3.4). */
class VectorReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(bytes: number): number {
    const value = this.#bytes.readUIntBE(this.#at, bytes)
    this.#at += bytes
    return value
  }

  /** @param bytes Of the length. */
  vector(bytes: number): Buffer {
    const length = this.number(bytes)
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('a vector that is longer than its message')
    const content = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return content
  }
}

function listOf<T>(bytes: Buffer, most: number, read: (list: VectorReader) => T): T[] {
  const list = new VectorReader(bytes)
  const entries: T[] = []
  while (!list.isAtEnd) {
    if (entries.length >= most) throw new RangeError('too many entries')
    entries.push(read(list))
  }
  return entries
}

function extensionsOf(bytes: Buffer): Map<number, Buffer> {
  const list = new VectorReader(new VectorReader(bytes).vector(2))
  const extensions = new Map<number, Buffer>()
  while (!list.isAtEnd) extensions.set(list.number(2), list.vector(2))
  return extensions
}

/** TLS 1.2: `certificate_list<0..2^24-1>` of `ASN.1Cert<1..2^24-1>`. */
function readChain(body: Buffer): Uint8Array[] {
  return listOf(new VectorReader(body).vector(3), MAX_CHAIN, (list) => Uint8Array.from(list.vector(3)))
}

/** TLS 1.3: `certificate_request_context<0..2^8-1>`, then entries of a certificate and its extensions. */
function readEntries(body: Buffer): Uint8Array[] {
  const message = new VectorReader(body)
  message.vector(1)
  return listOf(message.vector(3), MAX_CHAIN, (list) => {
    const certificate = Uint8Array.from(list.vector(3))
    list.vector(2)
    return certificate
  })
}

/** TLS 1.2: `certificate_types<1..2^8-1>`, `supported_signature_algorithms<2^16-1>`, `certificate_authorities<0..2^16-1>`. */
function readRequest(body: Buffer): [number[], DistinguishedName[]] {
  const message = new VectorReader(body)
  message.vector(1)
  return [readSchemes(message.vector(2)), readNames(message.vector(2))]
}

/** TLS 1.3: `certificate_request_context<0..2^8-1>`, then extensions. Without the list, the server accepts any CA or names none. */
function readExtension(body: Buffer): [number[], DistinguishedName[]] {
  const context = new VectorReader(body).vector(1)
  const extensions = extensionsOf(body.subarray(1 + context.length))
  const listIn = (type: number): Buffer => new VectorReader(extensions.get(type) ?? EMPTY_LIST).vector(2)
  return [readSchemes(listIn(SIGNATURE_ALGORITHMS)), readNames(listIn(CERTIFICATE_AUTHORITIES))]
}

const EMPTY_LIST = Buffer.alloc(2)

function readSchemes(bytes: Buffer): number[] {
  return listOf(bytes, MAX_NAMES, (list) => list.number(2))
}

function readNames(bytes: Buffer): DistinguishedName[] {
  return listOf(bytes, MAX_NAMES, (list) => DistinguishedName.read(new DerReader(list.vector(2)), 'CA'))
}
