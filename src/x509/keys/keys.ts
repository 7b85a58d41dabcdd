/** Private keys, which are never printed. */
import { createCipheriv, createPublicKey, KeyObject, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { inspect } from 'node:util'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import { publicKeyText, readPublicKeyInfo } from '../algorithms.js'
import type { Certificate } from '../certificate.js'
import { pemBlock } from '../signed.js'
import { bytesEqual, DerReader, Tag } from '../der.js'
import { NULL, octetString, oid, sequence, unsignedInteger } from '../der-writer.js'
import { readPkcs8 } from './ec-key.js'

/** Longest passphrase in bytes: OpenSSL's buffer for it (PEM_BUFSIZE). */
export const MAX_PASSPHRASE_BYTES = 1024

type Form = 'pkcs8' | 'sec1' | 'pkcs1'

/** `kind`: the key type of the form, by Node's name; null for any. */
const FORMS: Readonly<Record<Form, { readonly kind: string | null; readonly text: string }>> = {
  pkcs8: { kind: null, text: 'any' },
  sec1: { kind: 'ec', text: 'elliptic curve' },
  pkcs1: { kind: 'rsa', text: 'RSA' },
}

/** The own form of a key type. */
const FORM_OF: Readonly<Partial<Record<string, Form>>> = { ec: 'sec1', rsa: 'pkcs1' }

/** Maximum number of results that a key caches for its users. */
const MAX_DERIVED = 4

interface DerivedValue {
  readonly make: unknown
  readonly inputs: readonly unknown[]
  readonly value: unknown
}

/**
 * A private key. `console.log`, `util.inspect`, `JSON.stringify`, `String()` and `structuredClone` show only the
 * algorithm and the origin. {@link PrivateKey.exportPem} and {@link PrivateKey.toKeyObject} export the key.
 */
export class PrivateKey {
  /** `ECDSA P-256`, `RSA 2048`, `Ed25519`, … */
  readonly algorithm: string
  /** Where the key came from, for display: a file name, an option's name. */
  readonly origin: string
  readonly #spki: Uint8Array
  readonly #pkcs8: Uint8Array | null
  #keyObject: KeyObject | null
  #publicKey: KeyObject | null = null
  #derived: readonly DerivedValue[] = []

  private constructor(key: KeyObject | Uint8Array, spki: Uint8Array, origin: string) {
    this.#keyObject = key instanceof KeyObject ? key : null
    this.#pkcs8 = key instanceof KeyObject ? null : key
    this.#spki = spki
    this.algorithm = publicKeyText(readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key')))
    this.origin = origin
  }

  /**
   * Wraps a private key of `node:crypto`.
   *
   * @param origin Where the key came from, for display. Default: `'private key'`.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything but a private key.
   */
  static fromKeyObject(key: KeyObject, origin = 'private key'): PrivateKey {
    if (!(key instanceof KeyObject) || key.type !== 'private') {
      throw valueInvalid('key', key, 'a private KeyObject of node:crypto')
    }
    return new PrivateKey(key, createPublicKey(key).export({ type: 'spki', format: 'der' }), origin)
  }

  /**
   * A key with its public half in DER, which OpenSSL takes long to compute and to write. A new key is in DER too: most new
   * keys only go into a file, so reading it is left to the first use.
   *
   * @internal
   */
  static ofPair(key: KeyObject | Uint8Array, spki: Uint8Array, origin: string): PrivateKey {
    return new PrivateKey(key, spki, origin)
  }

  get #key(): KeyObject {
    if (this.#keyObject === null) {
      if (this.#pkcs8 === null) throw new TypeError('a private key without its bytes')
      this.#keyObject = readPkcs8(this.#pkcs8, this.#spki)
    }
    return this.#keyObject
  }

  /**
   * False: only the public half is known, so that no connection can present the certificate.
   *
   * @internal
   */
  get isHeld(): boolean {
    return this.#keyObject !== null || (this.#pkcs8 !== null && this.#pkcs8.length > 0)
  }

  /** The public half. */
  get publicKey(): KeyObject {
    this.#publicKey ??= createPublicKey(this.#key)
    return this.#publicKey
  }

  /** The public half as SubjectPublicKeyInfo in DER. */
  get spki(): Uint8Array {
    return Uint8Array.from(this.#spki)
  }

  /** Whether the certificate is for this key. */
  matches(certificate: Certificate): boolean {
    if (bytesEqual(this.#spki, certificate.spki)) return true
    try {
      const { publicKey } = certificate
      // Comparing different key types leaves an OpenSSL error behind in Node 20, and reading the next key fails.
      if (publicKey.asymmetricKeyType !== this.publicKey.asymmetricKeyType) return false
      // The same key has more than one encoding: a compressed point, explicit curve parameters.
      return this.publicKey.equals(publicKey)
    } catch {
      // OpenSSL cannot read the key of the certificate, or cannot compare such keys.
      return false
    }
  }

  /**
   * What `make` returned for the same inputs before, or else a new result. The key keeps the last four results, so that all
   * clients with this key share what is slow to make of it, and it ends with the key.
   *
   * @param make A function of a module, because a new closure has no earlier results.
   * @param inputs Compared by identity, lists by that of their members.
   * @internal
   */
  derive<I extends readonly unknown[], T>(make: (key: PrivateKey, ...inputs: I) => T, ...inputs: I): T {
    const known = this.#derived.find((each) => each.make === make && areSame(each.inputs, inputs))
    // The same function returned it.
    if (known !== undefined) return known.value as T
    const value = make(this, ...inputs)
    // The caller may change its lists.
    const kept = inputs.map((each: unknown): unknown => (Array.isArray(each) ? [...(each as unknown[])] : each))
    this.#derived = [{ make, inputs: kept, value }, ...this.#derived].slice(0, MAX_DERIVED)
    return value
  }

  /**
   * The key in PEM. With a passphrase it takes some tenths of a second.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an unknown option, a passphrase that is empty or too long, or a form
   * that is not for this kind of key.
   */
  exportPem(
    options: {
      /**
       * Encrypts the key (PBES2 with AES-256-CBC); only in the form `pkcs8`. etcd cannot read an encrypted key.
       *
       * @default not encrypted
       */
      passphrase?: string | undefined
      /**
       * `pkcs8` (`PRIVATE KEY`, RFC 5958) is for every key, `sec1` (`EC PRIVATE KEY`, RFC 5915) for elliptic curves,
       * `pkcs1` (`RSA PRIVATE KEY`, RFC 8017 appendix A.1.2) for RSA.
       *
       * @default 'pkcs8', which etcd, etcdctl, Go and Node all read
       */
      form?: 'pkcs8' | 'sec1' | 'pkcs1' | undefined
      /**
       * How the key is derived from the passphrase. `pbkdf2`: HMAC-SHA-256 with 600,000 rounds, which every program
       * supports. `scrypt`: N 16384, r 8, p 5, which is harder to attack; GnuTLS and Java do not support it.
       *
       * @default 'pbkdf2'
       */
      kdf?: 'pbkdf2' | 'scrypt' | undefined
    } = {},
  ): string {
    checkOptions('options', options, ['passphrase', 'form', 'kdf'])
    const { passphrase, kdf } = options
    const form = this.#readForm(options.form)
    if (kdf !== undefined && !isKeyDerivation(kdf)) {
      throw optionInvalid('kdf', `must be one of ${KEY_DERIVATIONS.join(', ')}`)
    }
    if (passphrase === undefined) {
      if (kdf !== undefined) throw optionInvalid('kdf', 'is of use only with a passphrase')
      if (form === 'pkcs8' && this.#pkcs8 !== null) return pemBlock('PRIVATE KEY', this.#pkcs8)
      return this.#key.export({ type: form, format: 'pem' }).toString()
    }
    if (typeof passphrase !== 'string' || passphrase === '') {
      throw optionInvalid('passphrase', 'must be a string that is not empty')
    }
    checkPassphrase('passphrase', passphrase)
    // The other forms only support the encryption of old OpenSSL, with one round of MD5.
    if (form !== 'pkcs8') throw optionInvalid('form', 'must be pkcs8 for a key that is encrypted')
    const plain = this.#key.export({ type: 'pkcs8', format: 'der' })
    const encrypted = encryptKey(plain, passphrase, kdf ?? 'pbkdf2')
    plain.fill(0)
    return pemBlock('ENCRYPTED PRIVATE KEY', encrypted)
  }

  /**
   * The unencrypted key in PEM, in the form that takes OpenSSL the least time: it tries all key types on PKCS#8.
   *
   * @internal
   */
  exportForOpenssl(): string {
    if (this.#pkcs8 !== null) return this.exportPem()
    const form = FORM_OF[this.#key.asymmetricKeyType ?? ''] ?? 'pkcs8'
    return this.exportPem({ form })
  }

  #readForm(form: unknown): Form {
    if (form === undefined) return 'pkcs8'
    if (!isForm(form)) throw optionInvalid('form', `must be one of ${Object.keys(FORMS).join(', ')}`)
    const { kind, text } = FORMS[form]
    if (kind === null || kind === this.#key.asymmetricKeyType) return form
    throw optionInvalid('form', `must be pkcs8: ${form} holds ${text} keys only, and this is ${this.algorithm}`)
  }

  /** The key for `node:crypto` and `node:tls`. */
  toKeyObject(): KeyObject {
    return this.#key
  }

  toString(): string {
    return `${this.algorithm} private key (${printable(this.origin)})`
  }

  toJSON(): { algorithm: string; origin: string } {
    return { algorithm: this.algorithm, origin: printable(this.origin) }
  }

  [inspect.custom](): string {
    return `PrivateKey { ${this.toString()} }`
  }
}

function areSame(some: readonly unknown[], others: readonly unknown[]): boolean {
  return (
    some.length === others.length &&
    some.every((each, index) => {
      const other = others[index]
      return each === other || (Array.isArray(each) && Array.isArray(other) && areSame(each, other))
    })
  )
}

function isForm(value: unknown): value is Form {
  return typeof value === 'string' && Object.hasOwn(FORMS, value)
}

/**
 * Refuses a passphrase of a wrong type, and one that OpenSSL would cut. The passphrase is in no message.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkPassphrase(option: string, passphrase: unknown): asserts passphrase is string | Uint8Array {
  if (typeof passphrase !== 'string' && !(passphrase instanceof Uint8Array)) {
    throw valueInvalid(option, passphrase, 'a string or a Buffer')
  }
  if (Buffer.byteLength(passphrase) > MAX_PASSPHRASE_BYTES) {
    throw optionInvalid(option, `must be at most ${String(MAX_PASSPHRASE_BYTES)} bytes long`)
  }
}

type KeyDerivation = 'pbkdf2' | 'scrypt'

const SALT_BYTES = 16
const KEY_BYTES = 32
/** As OWASP recommends for PBKDF2 with HMAC-SHA-256. OpenSSL's default, and that of Node's `KeyObject.export`, is 2,048. */
const ROUNDS = 600_000
/** As OWASP recommends, with 16 MiB of memory: OpenSSL refuses 32 MiB (crypto/evp/pbe_scrypt.c, SCRYPT_MAX_MEM). */
const SCRYPT = { cost: 2 ** 14, blockSize: 8, parallelization: 5 } as const

const PBES2 = oid('1.2.840.113549.1.5.13')
const PBKDF2 = oid('1.2.840.113549.1.5.12')
const SCRYPT_ID = oid('1.3.6.1.4.1.11591.4.11')
const HMAC_SHA256 = sequence(oid('1.2.840.113549.2.9'), NULL)
const AES_256_CBC = oid('2.16.840.1.101.3.4.1.42')

type Derive = (passphrase: string, salt: Uint8Array) => { identifier: Uint8Array; key: Buffer }

/** Each returns the derived key and the AlgorithmIdentifier with its parameters. */
const DERIVATIONS: Readonly<Record<KeyDerivation, Derive>> = {
  pbkdf2: (passphrase, salt) => ({
    identifier: sequence(PBKDF2, sequence(octetString(salt), whole(ROUNDS), HMAC_SHA256)),
    key: pbkdf2Sync(passphrase, salt, ROUNDS, KEY_BYTES, 'sha256'),
  }),
  scrypt: (passphrase, salt) => ({
    identifier: sequence(
      SCRYPT_ID,
      sequence(octetString(salt), whole(SCRYPT.cost), whole(SCRYPT.blockSize), whole(SCRYPT.parallelization)),
    ),
    key: scryptSync(passphrase, salt, KEY_BYTES, SCRYPT),
  }),
}

const KEY_DERIVATIONS = Object.keys(DERIVATIONS)

function isKeyDerivation(value: unknown): value is KeyDerivation {
  return typeof value === 'string' && Object.hasOwn(DERIVATIONS, value)
}

/**
 * The EncryptedPrivateKeyInfo (RFC 5958 section 3) around a PrivateKeyInfo, both in DER, with PBES2 (RFC 8018 section 6.2).
 * The derivation is slow by design, some tenths of a second.
 */
function encryptKey(pkcs8: Uint8Array, passphrase: string, derivation: KeyDerivation): Uint8Array {
  const { identifier, key } = DERIVATIONS[derivation](passphrase, randomBytes(SALT_BYTES))
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()])
  key.fill(0)
  const scheme = sequence(AES_256_CBC, octetString(iv))
  return sequence(sequence(PBES2, sequence(identifier, scheme)), octetString(encrypted))
}

function whole(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return unsignedInteger(bytes)
}
