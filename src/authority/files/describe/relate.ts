/** Who signed whom, and which key belongs to which certificate. */
import type { Certificate } from '../../../x509/certificate.js'
import type { Crl } from '../../../x509/crl.js'
import type { Contents, HeldCertificate, HeldKey } from './contents.js'

/** CAs of one name that are tried for one certificate, and signatures that are verified in all. */
const MOST_OF_ONE_NAME = 16
const MOST_SIGNATURES = 5000

export class Relations {
  readonly #cas = new Map<string, HeldCertificate[]>()
  readonly #signers = new Map<Certificate, HeldCertificate | null>()
  readonly #keys = new Map<string, HeldKey[]>()
  readonly #certificates = new Map<string, HeldCertificate[]>()
  readonly #requested = new Set<string>()
  #signatures = MOST_SIGNATURES

  constructor(contents: Contents) {
    const all = [...contents.certificates.values()]
    for (const held of all) {
      const { certificate } = held
      add(this.#certificates, textOf(certificate.spki), held)
      if (certificate.isCa || certificate.isSelfIssued) add(this.#cas, certificate.subject.key, held)
    }
    for (const held of contents.keys) if (held.key !== null) add(this.#keys, textOf(held.key.spki), held)
    for (const { request } of contents.requests) this.#requested.add(textOf(request.spki))
    for (const spki of contents.publicKeys) this.#requested.add(textOf(spki))
    for (const { certificate } of all) this.#signers.set(certificate, this.#findSigner(certificate))
  }

  /** The certificate here that signed it, itself where it is self-signed; null where there is none. */
  signerOf(certificate: Certificate): HeldCertificate | null {
    return this.#signers.get(certificate) ?? null
  }

  signerOfList(crl: Crl): HeldCertificate | null {
    return this.#tryEach(this.#cas.get(crl.issuer.key), (ca) => crl.isSignedBy(ca))
  }

  /** Whether a CA of the issuer's name is here, whoever signed. */
  knowsName(certificate: Certificate): boolean {
    return this.#cas.has(certificate.issuer.key)
  }

  /** The certificates above, from the one that signed it, as far as they are here. */
  chainOf(certificate: Certificate): Certificate[] {
    const chain: Certificate[] = []
    const seen = new Set<Certificate>([certificate])
    for (
      let at = this.signerOf(certificate);
      at !== null && !seen.has(at.certificate);
      at = this.signerOf(at.certificate)
    ) {
      seen.add(at.certificate)
      chain.push(at.certificate)
    }
    return chain
  }

  /** CAs by name, for names that are there more than once. */
  get repeatedNames(): HeldCertificate[][] {
    return [...this.#cas.values()].filter(
      (cas) => new Set(cas.map(({ certificate }) => textOf(certificate.spki))).size > 1,
    )
  }

  keysOf(spki: Uint8Array): readonly HeldKey[] {
    return this.#keys.get(textOf(spki)) ?? []
  }

  certificatesOf({ key }: HeldKey): readonly HeldCertificate[] {
    return key === null ? [] : (this.#certificates.get(textOf(key.spki)) ?? [])
  }

  /** Whether a request or a public key of this key is here: then its certificate is on its way, or it needs none. */
  isWaiting({ key }: HeldKey): boolean {
    return key !== null && this.#requested.has(textOf(key.spki))
  }

  #findSigner(certificate: Certificate): HeldCertificate | null {
    return this.#tryEach(this.#cas.get(certificate.issuer.key), (ca) => certificate.isSignedBy(ca))
  }

  #tryEach(
    cas: readonly HeldCertificate[] | undefined,
    isSigner: (ca: Certificate) => boolean,
  ): HeldCertificate | null {
    for (const held of cas?.slice(0, MOST_OF_ONE_NAME) ?? []) {
      if (this.#signatures <= 0) return null
      this.#signatures -= 1
      if (isSigner(held.certificate)) return held
    }
    return null
  }
}

function add<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function textOf(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
}
