/** Reads a private key from a PEM block. Each kind of failure has its own result. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { type PublicKeyInfo, readCurve, readKeyAlgorithm } from '../algorithms.js'
import { contextTag, DerError, DerReader, Tag } from '../der.js'
import type { PemBlock } from '../pem/pem.js'
import { type KeyEncryption, readKeyEncryption, readPemEncryption } from './key-encryption.js'
import { readUsualPkcs8 } from './ec-key.js'
import { PrivateKey } from './keys.js'
import { CURVES } from './public-key.js'

/** A failure contains no part of the key or the passphrase. */
export type KeyReading =
  | { readonly kind: 'key'; readonly key: PrivateKey; readonly encryption: KeyEncryption | null }
  | { readonly kind: 'passphrase-missing'; readonly encryption: KeyEncryption }
  /** The passphrase does not decrypt the key, or the encrypted bytes are damaged. */
  | { readonly kind: 'passphrase-wrong'; readonly encryption: KeyEncryption }
  | { readonly kind: 'encryption-unsupported'; readonly encryption: KeyEncryption }
  | { readonly kind: 'encryption-too-costly'; readonly encryption: KeyEncryption; readonly excess: string }
  /** TLS or OpenSSL does not support the key type. */
  | { readonly kind: 'algorithm-unsupported'; readonly algorithm: string }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** The public part does not verify signatures of the private part: bytes were changed. */
  | { readonly kind: 'inconsistent'; readonly algorithm: string }

type Structure = 'pkcs8' | 'encrypted-pkcs8' | 'pkcs1' | 'sec1' | 'dsa'

const STRUCTURES: Readonly<Record<string, Structure>> = {
  'PRIVATE KEY': 'pkcs8',
  'ENCRYPTED PRIVATE KEY': 'encrypted-pkcs8',
  'RSA PRIVATE KEY': 'pkcs1',
  'EC PRIVATE KEY': 'sec1',
  'DSA PRIVATE KEY': 'dsa',
}

/** Largest private key in bytes. RSA 8192 has under 5,000. */
const MAX_KEY_BYTES = 16 * 1024

/** Whether {@link readPrivateKey} reads blocks with this PEM label. */
export function isPrivateKeyLabel(label: string): boolean {
  return Object.hasOwn(STRUCTURES, label)
}

/**
 * Reads PKCS#8, SEC1 and PKCS#1 keys, plain or encrypted (PKCS#8 encryption, or the headers of older OpenSSL).
 *
 * @param passphrase Used only if the key is encrypted.
 * @param origin Where the block came from, for display.
 */
export function readPrivateKey(block: PemBlock, passphrase: string | Uint8Array | null, origin: string): KeyReading {
  const structure = STRUCTURES[block.label]
  if (structure === undefined) return { kind: 'algorithm-unsupported', algorithm: block.label }
  if (structure === 'dsa') return { kind: 'algorithm-unsupported', algorithm: 'DSA' }
  if (block.bytes.length > MAX_KEY_BYTES) {
    return { kind: 'malformed', reason: `more than ${MAX_KEY_BYTES.toLocaleString('en-US')} bytes, which no key has` }
  }
  try {
    const encryption =
      structure === 'encrypted-pkcs8' ? readKeyEncryption(block.bytes) : readPemEncryption(block.headers)
    if (encryption === null) return readPlain(block.bytes, structure, origin)
    return readEncrypted(block, encryption, passphrase, origin)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { kind: 'malformed', reason: `${error.reason}, at byte ${String(error.offset)}` }
  }
}

const TLS_KEYS: readonly string[] = ['RSA', 'RSA-PSS', 'ECDSA', 'Ed25519', 'Ed448']

function readPlain(der: Buffer, structure: Structure, origin: string): KeyReading {
  const { algorithm, curve, type } = readAlgorithm(der, structure)
  if (!TLS_KEYS.includes(algorithm)) return { kind: 'algorithm-unsupported', algorithm }
  const usual = type === 'pkcs8' ? orNull(() => readUsualPkcs8(der, curve)) : null
  if (usual !== null) return finish(PrivateKey.ofPair(usual.key, usual.spki, origin), null)
  const key = orNull(() => createPrivateKey({ key: der, format: 'der', type }))
  if (key !== null)
    return finish(
      orNull(() => PrivateKey.fromKeyObject(key, origin)),
      null,
    )
  if (curve !== null && curve !== 'explicit' && !Object.hasOwn(CURVES, curve)) {
    return { kind: 'algorithm-unsupported', algorithm: `ECDSA on the curve ${curve}` }
  }
  return { kind: 'malformed', reason: `OpenSSL does not read it as a key of kind ${algorithm}` }
}

function readEncrypted(
  block: PemBlock,
  encryption: KeyEncryption,
  passphrase: string | Uint8Array | null,
  origin: string,
): KeyReading {
  const { excess } = encryption
  if (!encryption.supported) return { kind: 'encryption-unsupported', encryption }
  if (excess !== null) return { kind: 'encryption-too-costly', encryption, excess }
  if (passphrase === null) return { kind: 'passphrase-missing', encryption }
  const secret = typeof passphrase === 'string' ? passphrase : Buffer.from(passphrase)
  const key = orNull(() => createPrivateKey({ key: pemOf(block), format: 'pem', passphrase: secret }))
  if (key === null) return { kind: 'passphrase-wrong', encryption }
  return finish(
    orNull(() => PrivateKey.fromKeyObject(key, origin)),
    encryption,
  )
}

function finish(made: PrivateKey | null, encryption: KeyEncryption | null): KeyReading {
  if (made === null) return { kind: 'malformed', reason: 'it has no public half' }
  const { algorithm } = made
  const key = made.toKeyObject()
  if (!TLS_KEYS.some((kind) => algorithm.startsWith(kind))) return { kind: 'algorithm-unsupported', algorithm }
  const excess = algorithm.startsWith('RSA') ? rsaExcess(key) : null
  if (excess !== null) return { kind: 'algorithm-unsupported', algorithm: `RSA, ${excess}` }
  return isConsistent(key) ? { kind: 'key', key: made, encryption } : { kind: 'inconsistent', algorithm }
}

/** Whether the private and public part match. OpenSSL does not check that when it reads a key. */
function isConsistent(key: KeyObject): boolean {
  const probe = Buffer.from('etcd-mtls')
  const digest = key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec' ? 'sha256' : null
  return orNull(() => verify(digest, probe, createPublicKey(key), sign(digest, probe, key))) ?? false
}

/** Drops the error: messages of OpenSSL differ between versions and add nothing. */
function orNull<T>(action: () => T): T | null {
  try {
    return action()
  } catch {
    return null
  }
}

function pemOf({ label, headers, bytes }: PemBlock): string {
  const lines = headers.map(({ name, value }) => `${name}: ${value}\n`)
  const base64 = bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines.join('')}${lines.length > 0 ? '\n' : ''}${base64}\n-----END ${label}-----\n`
}

interface DeclaredAlgorithm extends Pick<PublicKeyInfo, 'algorithm' | 'curve'> {
  readonly type: 'pkcs1' | 'sec1' | 'pkcs8'
}

function readAlgorithm(der: Uint8Array, structure: Structure): DeclaredAlgorithm {
  const outer = new DerReader(der)
  const fields = outer.enter(Tag.sequence, 'the private key')
  outer.finish('the private key')
  fields.smallInteger('the version')
  // Go and OpenSSL also accept PKCS #8 under the older label of its algorithm.
  const isOlder = fields.peek() !== Tag.sequence
  if (structure === 'pkcs1' && isOlder) {
    fields.integer('the RSA modulus')
    return { algorithm: 'RSA', curve: null, type: 'pkcs1' }
  }
  if (structure === 'sec1' && isOlder) {
    fields.octetString('the private key')
    const parameters = fields.enterOptional(contextTag(0, 'constructed'))
    return { algorithm: 'ECDSA', curve: parameters === null ? null : readCurve(parameters), type: 'sec1' }
  }
  const declared = readKeyAlgorithm(fields.enter(Tag.sequence, 'the algorithm of the key'), 'the algorithm of the key')
  const labelled = structure === 'pkcs1' ? 'RSA' : structure === 'sec1' ? 'ECDSA' : declared.algorithm
  if (declared.algorithm !== labelled)
    throw new DerError(`a key of kind ${declared.algorithm} under the label of ${labelled}`, 0)
  fields.octetString('the private key')
  return { ...declared, type: 'pkcs8' }
}

/** The limit of Go (crypto/tls checkKeySize), and so of etcd. */
const MAX_MODULUS_BYTES = 1024

/** Why the sizes of an RSA key are not acceptable, as the end of "RSA, …"; null if they are. */
function rsaExcess(keyObject: KeyObject): string | null {
  const pkcs8 = keyObject.export({ type: 'pkcs8', format: 'der' })
  try {
    const info = new DerReader(pkcs8).enter(Tag.sequence, 'the key')
    info.smallInteger('the version')
    info.enter(Tag.sequence, 'the algorithm of the key')
    const key = new DerReader(info.octetString('the private key')).enter(Tag.sequence, 'the RSA key')
    key.smallInteger('the version')
    const modulus = lengthOf(key.integer('the RSA modulus'))
    if (modulus > MAX_MODULUS_BYTES) return `${String(modulus * 8)} bits, where Go and etcd take at most 8192`
    // In a valid key no exponent, prime or derived value is longer than the modulus.
    const parts: number[] = []
    while (key.peek() === Tag.integer) parts.push(lengthOf(key.integer('a part of the RSA key')))
    const more = key.enterOptional(Tag.sequence)
    while (more?.atEnd === false) {
      const prime = more.enter(Tag.sequence, 'another prime of the RSA key')
      while (!prime.atEnd) parts.push(lengthOf(prime.integer('a part of the RSA key')))
    }
    return parts.some((length) => length > modulus) ? 'with a part that is longer than its modulus' : null
  } finally {
    pkcs8.fill(0)
  }
}

/** Length in bytes without a leading zero. */
function lengthOf(integer: Uint8Array): number {
  return integer[0] === 0 ? integer.length - 1 : integer.length
}
