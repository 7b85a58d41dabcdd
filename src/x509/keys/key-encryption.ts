/** Reads the encryption parameters of a private key, before a passphrase is tried. */
import { DerError, DerReader, Tag } from '../der.js'
import type { PemHeader } from '../pem/pem.js'

export interface KeyEncryption {
  /** `pkcs8`: an EncryptedPrivateKeyInfo (RFC 5958). `pem`: headers in the PEM block (RFC 1421), as in older OpenSSL. */
  readonly form: 'pkcs8' | 'pem'
  /** For display: `PBKDF2, AES-256-CBC`. */
  readonly name: string
  readonly supported: boolean
  /** Why the key derivation needs too much time or memory, as the end of a sentence; null if it does not. */
  readonly excess: string | null
}

/** Maximum number of iterations of PBKDF2: they take about a second. OWASP recommends 600,000. */
const MAX_ITERATIONS = 2_000_000
/** OpenSSL's own limit on the memory of scrypt, in bytes. */
const MAX_SCRYPT_MEMORY = 32 * 1024 * 1024
/** N times r times p, which takes about a second: sixteen times OpenSSL's default. */
const MAX_SCRYPT_WORK = 2 ** 21

const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const SCRYPT = '1.3.6.1.4.1.11591.4.11'

// The ciphers that OpenSSL 3 decrypts without its legacy provider, as measured.
const CIPHERS: Readonly<Record<string, string>> = {
  '1.2.840.113549.3.7': 'DES-EDE3-CBC',
  '2.16.840.1.101.3.4.1.2': 'AES-128-CBC',
  '2.16.840.1.101.3.4.1.22': 'AES-192-CBC',
  '2.16.840.1.101.3.4.1.42': 'AES-256-CBC',
  '1.2.392.200011.61.1.1.1.2': 'CAMELLIA-128-CBC',
  '1.2.392.200011.61.1.1.1.3': 'CAMELLIA-192-CBC',
  '1.2.392.200011.61.1.1.1.4': 'CAMELLIA-256-CBC',
  '1.2.410.200046.1.1.2': 'ARIA-128-CBC',
  '1.2.410.200046.1.1.7': 'ARIA-192-CBC',
  '1.2.410.200046.1.1.12': 'ARIA-256-CBC',
  '1.2.156.10197.1.104.2': 'SM4-CBC',
}
const DIGESTS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'SHA-1',
  '1.2.840.113549.2.8': 'SHA-224',
  '1.2.840.113549.2.9': 'SHA-256',
  '1.2.840.113549.2.10': 'SHA-384',
  '1.2.840.113549.2.11': 'SHA-512',
  '1.2.840.113549.2.12': 'SHA-512/224',
  '1.2.840.113549.2.13': 'SHA-512/256',
}
// PBES1 and PKCS#12 schemes, whose OBJECT IDENTIFIER has cipher and derivation.
const SCHEMES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.5.1': 'MD2 with DES',
  '1.2.840.113549.1.5.3': 'MD5 with DES',
  '1.2.840.113549.1.5.4': 'MD2 with RC2',
  '1.2.840.113549.1.5.6': 'MD5 with RC2',
  '1.2.840.113549.1.5.10': 'SHA-1 with DES',
  '1.2.840.113549.1.5.11': 'SHA-1 with RC2',
  '1.2.840.113549.1.12.1.1': 'SHA-1 with RC4 (128 bits)',
  '1.2.840.113549.1.12.1.2': 'SHA-1 with RC4 (40 bits)',
  '1.2.840.113549.1.12.1.3': 'SHA-1 with three-key Triple DES',
  '1.2.840.113549.1.12.1.4': 'SHA-1 with two-key Triple DES',
  '1.2.840.113549.1.12.1.5': 'SHA-1 with RC2 (128 bits)',
  '1.2.840.113549.1.12.1.6': 'SHA-1 with RC2 (40 bits)',
}

/**
 * Reads the parameters of an EncryptedPrivateKeyInfo (RFC 5958 section 3, RFC 8018).
 *
 * @throws {DerError} if the bytes are not such a structure.
 */
export function readKeyEncryption(der: Uint8Array): KeyEncryption {
  const outer = new DerReader(der)
  const info = outer.enter(Tag.sequence, 'the encrypted key')
  outer.finish('the encrypted key')
  const algorithm = info.enter(Tag.sequence, 'the encryption algorithm')
  info.octetString('the encrypted data')
  info.finish('the encrypted key')
  const oid = algorithm.oid('the encryption algorithm')
  if (oid === PBES2) return readPbes2(algorithm)
  const name = SCHEMES[oid]
  if (name === undefined) return { form: 'pkcs8', name: oid, supported: false, excess: null }
  const parameters = algorithm.enter(Tag.sequence, 'the parameters of the encryption')
  parameters.octetString('the salt')
  return { form: 'pkcs8', name, supported: name.endsWith('Triple DES'), excess: tooManyIterations(parameters) }
}

function readPbes2(algorithm: DerReader): KeyEncryption {
  const parameters = algorithm.enter(Tag.sequence, 'the parameters of the encryption')
  const derivation = parameters.enter(Tag.sequence, 'the key derivation')
  const scheme = parameters.enter(Tag.sequence, 'the cipher')
  parameters.finish('the parameters of the encryption')
  const cipherOid = scheme.oid('the cipher')
  const cipher = CIPHERS[cipherOid]
  const { name, supported, excess } = readDerivation(derivation)
  return {
    form: 'pkcs8',
    name: `${name}, ${cipher ?? cipherOid}`,
    supported: supported && cipher !== undefined,
    excess,
  }
}

function readDerivation(derivation: DerReader): Pick<KeyEncryption, 'name' | 'supported' | 'excess'> {
  const oid = derivation.oid('the key derivation')
  if (oid === SCRYPT) {
    const parameters = derivation.enter(Tag.sequence, 'the parameters of scrypt')
    parameters.octetString('the salt')
    return { name: 'scrypt', supported: true, excess: tooMuchScrypt(parameters) }
  }
  if (oid !== PBKDF2) return { name: oid, supported: false, excess: null }
  const parameters = derivation.enter(Tag.sequence, 'the parameters of PBKDF2')
  parameters.octetString('the salt')
  const excess = tooManyIterations(parameters)
  parameters.optional(Tag.integer)
  const digestOid = parameters.enterOptional(Tag.sequence)?.oid('the digest of PBKDF2') ?? null
  const digest = digestOid === null ? 'SHA-1' : DIGESTS[digestOid]
  return { name: `PBKDF2 with ${digest ?? digestOid ?? 'SHA-1'}`, supported: digest !== undefined, excess }
}

function tooManyIterations(parameters: DerReader): string | null {
  const iterations = positive(parameters, 'the iteration count')
  return iterations > MAX_ITERATIONS
    ? `${count(iterations)} rounds, and at most ${count(MAX_ITERATIONS)} are done`
    : null
}

function tooMuchScrypt(parameters: DerReader): string | null {
  const cost = positive(parameters, 'the cost of scrypt')
  const blockSize = positive(parameters, 'the block size of scrypt')
  const parallel = positive(parameters, 'the parallelization of scrypt')
  const memory = 128 * cost * blockSize
  if (memory > MAX_SCRYPT_MEMORY)
    return `${count(memory)} bytes of memory, and OpenSSL allows ${count(MAX_SCRYPT_MEMORY)}`
  const work = cost * blockSize * parallel
  return work > MAX_SCRYPT_WORK ? `${count(work)} steps, and at most ${count(MAX_SCRYPT_WORK)} are done` : null
}

/** A positive INTEGER of any size. A value above the limits need not be exact. */
function positive(parameters: DerReader, what: string): number {
  const { offset } = parameters
  const bytes = parameters.integer(what)
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  if (value === 0 || (bytes[0] ?? 0) >= 0x80) throw new DerError(`${what} is not positive`, offset)
  return value
}

function count(value: number): string {
  return Number.isSafeInteger(value) ? value.toLocaleString('en-US') : 'more than 2^53'
}

const PEM_CIPHERS = /^(?:DES-EDE3|(?:AES|CAMELLIA|ARIA)-(?:128|192|256))-CBC$/

/** The encryption by the PEM headers (`Proc-Type: 4,ENCRYPTED`); null if absent. */
export function readPemEncryption(headers: readonly PemHeader[]): KeyEncryption | null {
  const valueOf = (name: string): string | undefined =>
    headers.find((each) => each.name.toUpperCase() === name)?.value.toUpperCase()
  const procType = valueOf('PROC-TYPE')
  if (procType?.replaceAll(' ', '') !== '4,ENCRYPTED') return null
  const [cipher = '', iv = ''] = valueOf('DEK-INFO')?.split(',') ?? []
  const known = PEM_CIPHERS.test(cipher) && /^(?:[0-9A-F]{16}|[0-9A-F]{32})$/.test(iv.trim())
  return { form: 'pem', name: cipher === '' ? 'no DEK-Info header' : `MD5, ${cipher}`, supported: known, excess: null }
}
