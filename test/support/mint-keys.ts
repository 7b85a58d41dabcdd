/** Keys and signature algorithms for the certificate minter. */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { bitString, context, integer, nullValue, oid, sequence } from './der-writer.js'
import { madeOnceSync } from './made-once.js'

const CURVES = {
  p224: 'secp224r1',
  p256: 'prime256v1',
  p384: 'secp384r1',
  p521: 'secp521r1',
  secp256k1: 'secp256k1',
  brainpool: 'brainpoolP256r1',
} as const

/** Kinds of key the minter makes. */
export type KeyKind = keyof typeof CURVES | 'ed25519' | 'ed448' | `rsa-${number}` | `rsa-pss-${number}`

/**
 * How many RSA keys of each kind all test files share: making one takes as long as making hundreds of the others. A test that
 * needs more keys that differ makes them itself.
 */
const SHARED: Readonly<Record<string, number>> = { 'rsa-1024': 3, 'rsa-2048': 6, 'rsa-3072': 2, 'rsa-pss-2048': 2 }

/** The shared keys, and how many of each kind this process has given out. */
let shared: Record<string, KeyObject[]> | undefined
const given = new Map<KeyKind, number>()

function sharedKeys(): Record<string, KeyObject[]> {
  const file = madeOnceSync('rsa-keys', createHash('sha256').update(JSON.stringify(SHARED)), (place) => {
    const made = Object.entries(SHARED).map(([kind, count]) => [
      kind,
      Array.from({ length: count }, () => makeKey(kind as KeyKind).export({ type: 'pkcs8', format: 'pem' })),
    ])
    writeFileSync(place, JSON.stringify(Object.fromEntries(made)), { mode: 0o600 })
  })
  const read = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>)
  return Object.fromEntries(read.map(([kind, keys]) => [kind, keys.map((key) => createPrivateKey(key))]))
}

/** A private key: a new one, or for RSA the next of the shared ones, so that keys made one after the other differ. */
export function newKey(kind: KeyKind = 'p256'): KeyObject {
  if (SHARED[kind] === undefined) return makeKey(kind)
  const keys = (shared ??= sharedKeys())[kind] ?? []
  const count = given.get(kind) ?? 0
  given.set(kind, count + 1)
  return keys[count % keys.length] ?? makeKey(kind)
}

/**
 * The key, read again. Node holds a lock of a key while it exports it as JWK or lists its details, and the job that made a
 * key takes the same lock when it is collected: if that happens meanwhile, the process hangs (Node 20, KeyGenJob).
 */
function makeKey(kind: KeyKind): KeyObject {
  const key = generateKey(kind).export({ type: 'pkcs8', format: 'der' })
  return createPrivateKey({ key, type: 'pkcs8', format: 'der' })
}

function generateKey(kind: KeyKind): KeyObject {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (kind === 'ed448') return generateKeyPairSync('ed448').privateKey
  const [, pss, bits] = /^rsa-(pss-)?(\d+)$/.exec(kind) ?? []
  const rsa = { modulusLength: Number(bits) }
  if (pss !== undefined) return generateKeyPairSync('rsa-pss', rsa).privateKey
  if (bits !== undefined) return generateKeyPairSync('rsa', rsa).privateKey
  return generateKeyPairSync('ec', { namedCurve: CURVES[kind as keyof typeof CURVES] }).privateKey
}

/** The public half, whichever half is given. */
export function publicHalf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key
}

export function spkiOf(key: KeyObject): Buffer {
  return publicHalf(key).export({ type: 'spki', format: 'der' })
}

interface SignatureRow {
  /** AlgorithmIdentifier, DER. */
  identifier: Buffer
  hash: string | null
  padding?: number
  saltLength?: number
}

const RSA = '1.2.840.113549.1.1.'
const pkcs1 = (arc: number, hash: string): SignatureRow => ({
  identifier: sequence(oid(`${RSA}${String(arc)}`), nullValue()),
  hash,
})
const ecdsa = (dotted: string, hash: string): SignatureRow => ({ identifier: sequence(oid(dotted)), hash })

function pss(hash: string, hashOid: string, saltLength: number): SignatureRow {
  const digest = sequence(oid(hashOid), nullValue())
  const parameters = sequence(
    context(0, digest),
    context(1, sequence(oid(`${RSA}8`), digest)),
    context(2, integer(saltLength)),
  )
  return {
    identifier: sequence(oid(`${RSA}10`), parameters),
    hash,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength,
  }
}

const SIGNATURES = {
  'ecdsa-sha1': ecdsa('1.2.840.10045.4.1', 'sha1'),
  'ecdsa-sha256': ecdsa('1.2.840.10045.4.3.2', 'sha256'),
  'ecdsa-sha384': ecdsa('1.2.840.10045.4.3.3', 'sha384'),
  'ecdsa-sha512': ecdsa('1.2.840.10045.4.3.4', 'sha512'),
  'rsa-md5': pkcs1(4, 'md5'),
  'rsa-sha1': pkcs1(5, 'sha1'),
  'rsa-sha224': pkcs1(14, 'sha224'),
  'rsa-sha256': pkcs1(11, 'sha256'),
  'rsa-sha384': pkcs1(12, 'sha384'),
  'rsa-sha512': pkcs1(13, 'sha512'),
  'rsa-pss-sha256': pss('sha256', '2.16.840.1.101.3.4.2.1', 32),
  'rsa-pss-sha256-salt-20': pss('sha256', '2.16.840.1.101.3.4.2.1', 20),
  'rsa-pss-sha384': pss('sha384', '2.16.840.1.101.3.4.2.2', 48),
  'rsa-pss-sha512': pss('sha512', '2.16.840.1.101.3.4.2.3', 64),
  ed25519: { identifier: sequence(oid('1.3.101.112')), hash: null },
  ed448: { identifier: sequence(oid('1.3.101.113')), hash: null },
} as const satisfies Record<string, SignatureRow>

export type SignatureName = keyof typeof SIGNATURES

/** What a key signs with when nothing is asked for. */
function usualSignature(key: KeyObject): SignatureName {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ecdsa-sha384' : 'ecdsa-sha256'
    case 'ed25519':
      return 'ed25519'
    case 'ed448':
      return 'ed448'
    case 'rsa-pss':
      return 'rsa-pss-sha256'
    default:
      return 'rsa-sha256'
  }
}

export function signatureIdentifier(name: SignatureName): Buffer {
  return SIGNATURES[name].identifier
}

function signBytes(name: SignatureName, key: KeyObject, data: Uint8Array): Buffer {
  const { hash, ...more }: SignatureRow = SIGNATURES[name]
  return sign(
    hash,
    data,
    more.padding === undefined ? key : { key, padding: more.padding, saltLength: more.saltLength },
  )
}

/** How a certificate or a CRL is signed. */
export interface SigningOptions {
  /** The issuer key's usual algorithm when left out. */
  signature?: SignatureName | undefined
  /** The algorithm named inside the signed part, where it shall differ; bytes are a whole AlgorithmIdentifier. */
  innerSignature?: SignatureName | Uint8Array | undefined
  /** The algorithm named outside the signed part, where it shall differ; bytes are a whole AlgorithmIdentifier. */
  outerSignature?: SignatureName | Uint8Array | undefined
  /** Changes the signature bits after signing. */
  tamperSignature?: ((signature: Buffer) => Buffer) | undefined
  /** Changes the signed part before signing, so that the signature fits the changed bytes. */
  tamperTbs?: ((tbs: Buffer) => Buffer) | undefined
  /** Changes the finished structure. */
  tamper?: ((der: Buffer) => Buffer) | undefined
}

/** SEQUENCE { signed part, algorithm, signature }, of a signed part that names its algorithm. */
export function signed(options: SigningOptions, key: KeyObject, part: (algorithm: Uint8Array) => Buffer): Buffer {
  const { signature = usualSignature(key), innerSignature = signature, outerSignature = signature } = options
  const identifier = (each: SignatureName | Uint8Array): Uint8Array =>
    typeof each === 'string' ? signatureIdentifier(each) : each
  const plain = part(identifier(innerSignature))
  const tbs = options.tamperTbs?.(plain) ?? plain
  const bits = signBytes(signature, key, tbs)
  const der = sequence(tbs, identifier(outerSignature), bitString(options.tamperSignature?.(bits) ?? bits))
  return options.tamper?.(der) ?? der
}
