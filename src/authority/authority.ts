/** The authority: a CA certificate and its key, and what can be done with them. */
import { inspect } from 'node:util'
import type { Credentials } from '../credentials/credentials.js'
import { checkOptions } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl.js'
import {
  type CreateAuthorityOptions,
  type CreateIntermediateOptions,
  crossSign,
  type CrossSignOptions,
  makeIntermediate,
  makeRoot,
  withCrossCertificate,
} from './ca.js'
import { issueCredentials } from './issue.js'
import { type AuthorityParts, type Issuer, issuerOf, ledgerEntry } from './issuer.js'
import type { RevokedEntry } from './ledger.js'
import { issueRefused } from './refuse.js'
import type { RequestInput } from './inspect-request.js'
import { type IssueRequest, readRequest } from './request.js'
import { issueCrl, type IssueCrlOptions, restoreRevocations, revoke, type RevokeOptions } from './revocation.js'
import { type SignedRequest, signRequest, type SignRequest } from './sign-request.js'

/** An authority as PEM text: what to keep, and to give to `loadAuthority` again. */
export interface AuthorityMaterial {
  /** The authority's certificate. */
  cert: string
  /** The authority's private key, PKCS#8: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` where a passphrase was given. */
  key: string
  /** The certificates above, up to the root; empty for a root. */
  chain: string
}

/**
 * A certificate authority for an etcd cluster and its clients. Made by `createAuthority` or `loadAuthority`.
 *
 * The private key is never printed: not by `console.log`, `JSON.stringify`, `String()` or `util.inspect`, and not in any
 * error. {@link Authority.export} is the one way out.
 */
export class Authority {
  readonly #issuer: Issuer

  /** @internal */
  constructor(parts: AuthorityParts) {
    this.#issuer = issuerOf(parts)
  }

  /** The authority's own certificate. */
  get certificate(): Certificate {
    return this.#issuer.certificate
  }

  /** The certificates above the authority's own, from its issuer to the root; empty for a root. */
  get chain(): readonly Certificate[] {
    return [...this.#issuer.chain]
  }

  /** What everybody has to trust: the root. */
  get trustAnchors(): readonly Certificate[] {
    return [...this.#issuer.trustAnchors]
  }

  /**
   * Makes a key and a certificate for one role, and checks them with the validator of this package before handing them
   * out. Server and peer certificates carry serverAuth and clientAuth, as etcd needs; client certificates clientAuth.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a request that is wrong in itself, such as an ambiguous host.
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the authority may not or cannot issue it: its own lifetime is over
   * or shorter than the `validity` asked for, or the certificate would be refused by a verifier (`details.findings`).
   */
  async issue(request: IssueRequest): Promise<Credentials> {
    const now = this.#issuer.settings.now()
    const credentials = await issueCredentials(this.#issuer, readRequest(request, now), now)
    await this.#issuer.settings.ledger.append([ledgerEntry(this.#issuer, credentials.chain[0], request.role)])
    return credentials
  }

  /**
   * Signs a certificate for the key of a request (PKCS #10) that somebody else made. Its proof of possession is verified,
   * and its key must be one that peers of etcd take. By default the certificate carries exactly what the caller names;
   * `allow` lets the request name something, within limits. What it asked for stands in `requested` of the result.
   *
   * @param csr PEM or DER. {@link inspectRequest} shows what it asks for before it is signed.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the request cannot be read, is not signed by its own key, asks for a CA
   * certificate or for a name that `allow` does not allow, or is for a weak key or the authority's own (`details.findings`),
   * and for whatever {@link Authority.issue} refuses.
   */
  async sign(csr: RequestInput, request: SignRequest): Promise<SignedRequest> {
    return signRequest(this.#issuer, csr, request)
  }

  /**
   * Makes a CA below this one, with a key of its own: to issue from day to day, so that this one's key can stay locked
   * away. What it issues carries its certificate along, and is trusted by whoever trusts this authority's root. It uses the
   * crypto, the ledger and the clock of this one, unless it is given its own.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the path length (`maxIntermediates`) or the lifetime of this authority
   * or of one above leaves no room, and which.
   */
  async createIntermediate(options: CreateIntermediateOptions): Promise<Authority> {
    return new Authority(await makeIntermediate(this.#issuer, options))
  }

  /**
   * Certifies the key of another CA under its own name: a cross-certificate (RFC 4949). Whoever trusts this authority then
   * trusts what the other one issues, once the certificate is sent along, see {@link Authority.withCrossCertificate}. That
   * is how a CA is rolled while some still trust the old one only.
   *
   * @param other The other CA's certificate, or the other authority.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the other is no CA, or this one may not certify it.
   */
  async crossSign(other: Certificate | Authority, options: CrossSignOptions = {}): Promise<Certificate> {
    return crossSign(this.#issuer, other instanceof Authority ? other.certificate : other, options)
  }

  /**
   * The same authority, sending along a certificate that another CA made of its name and key.
   *
   * @param above Where an intermediate made it: that one's certificate and those above, without the root. Default: none.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a certificate of another name or key, and for one above that did not
   * sign the one before.
   */
  withCrossCertificate(certificate: Certificate, above: readonly Certificate[] = []): Authority {
    return new Authority(withCrossCertificate(this.#issuer, certificate, above))
  }

  /**
   * Notes that a certificate counts no longer. etcd hears of it by the next list, see {@link Authority.issueCrl} and
   * `writeCrl`. Revoking what is revoked changes nothing.
   *
   * @param certificate One that this authority issued; or its serial number in hexadecimal, where the ledger knows it.
   * @returns What the ledger holds of it.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for the certificate of another authority, or a serial number that is not
   * in the ledger.
   */
  async revoke(certificate: Certificate | string, options: RevokeOptions = {}): Promise<RevokedEntry> {
    return revoke(this.#issuer, certificate, options)
  }

  /**
   * A full revocation list of everything that was revoked, signed and numbered, and noted in the ledger. Write it with
   * `writeCrl`, which puts it into the form that etcd reads.
   *
   * etcd looks at serial numbers alone, neither at who signed the list nor at its dates
   * (client/pkg/transport/listener_tls.go, checkCRL); this package and other verifiers do look.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the authority's keyUsage lacks cRLSign, or its key does not sign.
   */
  async issueCrl(options: IssueCrlOptions = {}): Promise<Crl> {
    return issueCrl(this.#issuer, options)
  }

  /**
   * Adds to the ledger what a CRL of this authority lists and the ledger lacks, and the number of that CRL: for a ledger
   * that was lost or damaged. Which keys were compromised a CRL does not say, so such keys are not refused afterwards.
   *
   * @returns How many revocations were added.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a CRL that this authority has not signed.
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`, `ERR_WRITE_FAILED` as the ledger.
   */
  async restoreRevocations(crl: Crl): Promise<number> {
    return restoreRevocations(this.#issuer, crl)
  }

  /**
   * The authority as PEM text. This is the deliberate way out of the private key: whoever has the result can issue
   * certificates in this authority's name. Without a `passphrase` the key is not encrypted.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where a signer holds the key.
   */
  export(options: { passphrase?: string | undefined } = {}): AuthorityMaterial {
    checkOptions('options', options, ['passphrase'])
    const { certificate, key, chain } = this.#issuer
    if (key === null) throw issueRefused("The authority's key is held by its signer and cannot be exported")
    return {
      cert: certificate.toPem(),
      key: options.passphrase === undefined ? key.exportPem() : key.exportPem({ passphrase: options.passphrase }),
      chain: chain.map((each) => each.toPem()).join(''),
    }
  }

  /**
   * What other files of this room issue with. Not exported from the package.
   *
   * @internal
   */
  get issuer(): Issuer {
    return this.#issuer
  }

  toString(): string {
    return `Authority ${this.#issuer.certificate.toString()}`
  }

  toJSON(): Record<string, unknown> {
    return { certificate: this.#issuer.certificate.toJSON(), chain: this.#issuer.chain.map((each) => each.toJSON()) }
  }

  [inspect.custom](): string {
    return `Authority { ${this.#issuer.certificate.toString()} }`
  }
}

/**
 * Makes a new root CA: a key and a self-signed certificate that may sign certificates and revocation lists, and nothing
 * else. It lives in memory; `authority.export()` gives it as PEM text.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the `crypto` given does not make such a key, or the `signer` does not
 * sign with its own.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  return new Authority(await makeRoot(options))
}
