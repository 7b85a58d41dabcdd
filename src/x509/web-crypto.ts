/**
 * What is asked of a Web Crypto implementation, as types of our own: the standard ones live in TypeScript's DOM library,
 * which a Node program need not load. Node's `crypto.webcrypto` and @peculiar/webcrypto's `Crypto` both fit.
 */

/** A key inside a Web Crypto implementation. What it is stays that implementation's business: never mix two of them. */
export type CryptoKeyHandle = object

/** Parameters of key generation and import. */
export interface KeyAlgorithmParameters {
  name: string
  namedCurve?: string
  modulusLength?: number
  publicExponent?: Uint8Array<ArrayBuffer>
  hash?: string
}

/** Parameters of one signature. */
export interface SignatureParameters {
  name: string
  hash?: string
}

/** The part of `SubtleCrypto` that is used. */
export interface WebSubtleCrypto {
  generateKey(algorithm: KeyAlgorithmParameters, extractable: boolean, usages: ('sign' | 'verify')[]): Promise<unknown>
  importKey(
    format: 'pkcs8' | 'spki',
    key: Uint8Array<ArrayBuffer>,
    algorithm: KeyAlgorithmParameters,
    extractable: boolean,
    usages: ('sign' | 'verify')[],
  ): Promise<unknown>
  exportKey(format: 'pkcs8' | 'spki', key: CryptoKeyHandle): Promise<unknown>
  sign(algorithm: SignatureParameters, key: CryptoKeyHandle, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>
}

/** A Web Crypto implementation. */
export interface WebCrypto {
  readonly subtle: WebSubtleCrypto
  getRandomValues(array: Uint8Array<ArrayBuffer>): unknown
}
