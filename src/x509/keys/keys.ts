/** Private keys that can be used and compared, and never print. */
import { createPublicKey, KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import { publicKeyText, readPublicKeyInfo } from '../algorithms.js'
import type { Certificate } from '../certificate.js'
import { pemBlock } from '../signed.js'
import { bytesEqual, DerReader, Tag } from '../der.js'
import { readPkcs8 } from './ec-key.js'
import { encryptKey, isKeyDerivation, KEY_DERIVATIONS } from './write-key.js'

/** Longest passphrase in bytes: OpenSSL's buffer for it (PEM_BUFSIZE). */
export const MAX_PASSPHRASE_OCTETS = 1024

/** The forms of PEM. */
type Form = 'pkcs8' | 'sec1' | 'pkcs1'

/** The kind of key that a form is for, by Node's name; null for any. */
const FORMS: Readonly<Record<Form, { readonly kind: string | null; readonly text: string }>> = {
  pkcs8: { kind: null, text: 'any' },
  sec1: { kind: 'ec', text: 'elliptic curve' },
  pkcs1: { kind: 'rsa', text: 'RSA' },
}

/**
 * A private key. It never prints: `console.log`, `util.inspect`, `JSON.stringify`, `String()` and `structuredClone` give
 * the algorithm and the origin only. {@link PrivateKey.exportPem} and {@link PrivateKey.toKeyObject} are the ways out.
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
   * A new key, its halves in DER. OpenSSL takes longer to read one half or to compute the other than to make both, and most
   * keys only go into a file, so that is left to the first use.
   *
   * @internal
   */
  static ofPair(pkcs8: Uint8Array, spki: Uint8Array, origin: string): PrivateKey {
    return new PrivateKey(pkcs8, spki, origin)
  }

  get #key(): KeyObject {
    if (this.#keyObject === null) {
      if (this.#pkcs8 === null) throw new TypeError('a private key without its octets')
      this.#keyObject = readPkcs8(this.#pkcs8, this.#spki)
    }
    return this.#keyObject
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

  /** Whether the certificate holds this key's public half. */
  matches(certificate: Certificate): boolean {
    if (bytesEqual(this.#spki, certificate.spki)) return true
    try {
      const { publicKey } = certificate
      // Not compared across kinds: Node 20 leaves OpenSSL's error about that behind, and reading the next key fails.
      if (publicKey.asymmetricKeyType !== this.publicKey.asymmetricKeyType) return false
      // The same key has more than one encoding: a compressed point, explicit curve parameters.
      return this.publicKey.equals(publicKey)
    } catch {
      // OpenSSL does not read the certificate's key, or cannot compare such keys.
      return false
    }
  }

  /**
   * The key in PEM. With a passphrase it takes some tenths of a second, by intent.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an unknown option, a passphrase that is empty or too long, or a form
   * that is not for this kind of key.
   */
  exportPem(
    options: {
      /**
       * Encrypts the key (PBES2 with AES-256-CBC); only in the form `pkcs8`. Default: not encrypted. Only a key that is not
       * encrypted can be read by etcd.
       */
      passphrase?: string | undefined
      /**
       * `pkcs8` (`PRIVATE KEY`, RFC 5958) holds a key of any kind; `sec1` (`EC PRIVATE KEY`, RFC 5915) one of an elliptic
       * curve, `pkcs1` (`RSA PRIVATE KEY`, RFC 8017 appendix A.1.2) one of RSA. Default: `'pkcs8'`, which etcd, etcdctl, Go
       * and Node all read.
       */
      form?: 'pkcs8' | 'sec1' | 'pkcs1' | undefined
      /**
       * How the passphrase becomes a key. `pbkdf2`: HMAC-SHA-256, 600,000 rounds, which everything that reads encrypted
       * keys knows. `scrypt`: N 16384, r 8, p 5, costlier to attack; GnuTLS and Java do not read it. Default: `'pbkdf2'`.
       */
      kdf?: 'pbkdf2' | 'scrypt' | undefined
    } = {},
  ): string {
    checkOptions('options', options, ['passphrase', 'form', 'kdf'])
    const { passphrase, kdf } = options
    const form = this.#readForm(options.form)
    if (kdf !== undefined && !isKeyDerivation(kdf)) {
      throw optionInvalid('options.kdf', `must be one of ${KEY_DERIVATIONS.join(', ')}`)
    }
    if (passphrase === undefined) {
      if (kdf !== undefined) throw optionInvalid('options.kdf', 'is of use only with a passphrase')
      if (form === 'pkcs8' && this.#pkcs8 !== null) return pemBlock('PRIVATE KEY', this.#pkcs8)
      return this.#key.export({ type: form, format: 'pem' }).toString()
    }
    if (typeof passphrase !== 'string' || passphrase === '') {
      throw optionInvalid('options.passphrase', 'must be a string that is not empty')
    }
    checkPassphrase('options.passphrase', passphrase)
    // The other forms know only the encryption of old OpenSSL: one round of MD5.
    if (form !== 'pkcs8') throw optionInvalid('options.form', 'must be pkcs8 for a key that is encrypted')
    const plain = this.#key.export({ type: 'pkcs8', format: 'der' })
    const encrypted = encryptKey(plain, passphrase, kdf ?? 'pbkdf2')
    plain.fill(0)
    return pemBlock('ENCRYPTED PRIVATE KEY', encrypted)
  }

  #readForm(form: unknown): Form {
    if (form === undefined) return 'pkcs8'
    if (!isForm(form)) throw optionInvalid('options.form', `must be one of ${Object.keys(FORMS).join(', ')}`)
    const { kind, text } = FORMS[form]
    if (kind === null || kind === this.#key.asymmetricKeyType) return form
    throw optionInvalid('options.form', `must be pkcs8: ${form} holds ${text} keys only, and this is ${this.algorithm}`)
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
  if (Buffer.byteLength(passphrase) > MAX_PASSPHRASE_OCTETS) {
    throw optionInvalid(option, `must be at most ${String(MAX_PASSPHRASE_OCTETS)} octets long`)
  }
}
