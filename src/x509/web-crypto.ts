/** The part of Web Crypto that is used. TypeScript has its types only in the DOM library. */

/**
 * A Web Crypto implementation, such as Node's `crypto.webcrypto` or @peculiar/webcrypto's `Crypto`. A key of one implementation
 * is never passed to another.
 */
export interface WebCrypto {
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

export type KeyAlgorithmParameters = Parameters<WebCrypto['subtle']['generateKey']>[0]
export type SignatureParameters = Parameters<WebCrypto['subtle']['sign']>[0]
