/** The required part of Web Crypto: TypeScript has its types in the DOM library, which a Node program need not load. */

/**
 * A Web Crypto implementation, such as Node's `crypto.webcrypto` or @peculiar/webcrypto's `Crypto`. A key of one implementation
 * is never passed to another.
 */
export interface WebCrypto {
  /** The part of `SubtleCrypto` that is used. */
  readonly subtle: {
    generateKey(
      algorithm: {
        name: string
        namedCurve?: string
        modulusLength?: number
        publicExponent?: Uint8Array<ArrayBuffer>
        hash?: string
      },
      extractable: boolean,
      usages: ('sign' | 'verify')[],
    ): Promise<unknown>
    importKey(
      format: 'pkcs8' | 'spki',
      key: Uint8Array<ArrayBuffer>,
      algorithm: { name: string; namedCurve?: string; hash?: string },
      extractable: boolean,
      usages: ('sign' | 'verify')[],
    ): Promise<unknown>
    exportKey(format: 'pkcs8' | 'spki', key: object): Promise<unknown>
    sign(algorithm: { name: string; hash?: string }, key: object, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>
  }
  getRandomValues(array: Uint8Array<ArrayBuffer>): unknown
}

/** Parameters of key generation and import. */
export type KeyAlgorithmParameters = Parameters<WebCrypto['subtle']['generateKey']>[0]
/** Parameters of one signature. */
export type SignatureParameters = Parameters<WebCrypto['subtle']['sign']>[0]
