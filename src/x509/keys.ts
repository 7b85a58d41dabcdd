/** Private keys that can be used and compared, and never print. */
import { createPublicKey, KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { checkOptions, optionInvalid } from '../misuse.js'
import { printable } from '../report/printable.js'
import { publicKeyText, readPublicKeyInfo } from './algorithms.js'
import type { Certificate } from './certificate.js'
import { bytesEqual, DerReader, Tag } from './der.js'

/** Longest passphrase in octets: OpenSSL's buffer for it (PEM_BUFSIZE). */
export const MAX_PASSPHRASE_OCTETS = 1024

/** How {@link PrivateKey.exportPem} writes the key. */
export interface ExportPemOptions {
  /** Encrypts the key (PKCS#8, PBES2 with AES-256-CBC). Default: not encrypted. Only a key that is not encrypted can be read by etcd. */
  passphrase?: string | undefined
}

/**
 * A private key. It never prints: `console.log`, `util.inspect`, `JSON.stringify`, `String()` and `structuredClone` give
 * the algorithm and the origin only. {@link PrivateKey.exportPem} and {@link PrivateKey.toKeyObject} are the ways out.
 */
export class PrivateKey {
  /** `ECDSA P-256`, `RSA 2048`, `Ed25519`, … */
  readonly algorithm: string
  /** Where the key came from, for people: a file name, an option's name. */
  readonly origin: string
  readonly #key: KeyObject
  readonly #publicKey: KeyObject
  readonly #spki: Uint8Array

  private constructor(key: KeyObject, origin: string) {
    this.#key = key
    this.#publicKey = createPublicKey(key)
    this.#spki = this.#publicKey.export({ type: 'spki', format: 'der' })
    this.algorithm = describeSpki(this.#spki)
    this.origin = origin
  }

  /**
   * Takes over a private key of `node:crypto`.
   *
   * @param origin Where the key came from, for people. Default: `'private key'`.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything else than a private key.
   */
  static fromKeyObject(key: KeyObject, origin = 'private key'): PrivateKey {
    if (!(key instanceof KeyObject) || key.type !== 'private') {
      throw optionInvalid('key', 'must be a private KeyObject of node:crypto')
    }
    return new PrivateKey(key, origin)
  }

  /** The public half. */
  get publicKey(): KeyObject {
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
      // Never compared across kinds: Node 20 leaves OpenSSL's error about that behind, and the next key that is read fails.
      if (publicKey.asymmetricKeyType !== this.#publicKey.asymmetricKeyType) return false
      // The same key can be written in more than one way: a compressed point, explicit curve parameters.
      return this.#publicKey.equals(publicKey)
    } catch {
      // OpenSSL does not read the certificate's key, or cannot compare such keys: it is not known to be the same.
      return false
    }
  }

  /**
   * The key as PKCS#8 in PEM: one of the two deliberate ways out.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an unknown option, or a passphrase that is empty or too long.
   */
  exportPem(options: ExportPemOptions = {}): string {
    checkOptions('options', options, ['passphrase'])
    const { passphrase } = options
    if (passphrase === undefined) return this.#key.export({ type: 'pkcs8', format: 'pem' }).toString()
    if (typeof passphrase !== 'string' || passphrase === '') {
      throw optionInvalid('options.passphrase', 'must be a string that is not empty')
    }
    checkPassphrase('options.passphrase', passphrase)
    return this.#key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString()
  }

  /** The key for `node:crypto` and `node:tls`: one of the two deliberate ways out. */
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

/**
 * Refuses a passphrase of a wrong type, and one that OpenSSL would cut. The passphrase is in no message.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkPassphrase(option: string, passphrase: unknown): asserts passphrase is string | Uint8Array {
  if (typeof passphrase !== 'string' && !(passphrase instanceof Uint8Array)) {
    throw optionInvalid(option, 'must be a string or a Buffer')
  }
  if (Buffer.byteLength(passphrase) > MAX_PASSPHRASE_OCTETS) {
    throw optionInvalid(option, `must be at most ${String(MAX_PASSPHRASE_OCTETS)} octets long`)
  }
}

/** What kind of key it is, whichever half is given: `ECDSA P-256`, `RSA 2048`, `Ed25519`, … The same words as for a certificate's key. */
export function describeKey(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return describeSpki(publicKey.export({ type: 'spki', format: 'der' }))
}

function describeSpki(spki: Uint8Array): string {
  return publicKeyText(readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key')))
}
