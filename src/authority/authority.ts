/** A certificate authority: a CA certificate and its key. */
import { inspect } from 'node:util'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { checkOptions } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import {
  type CreateAuthorityOptions,
  type CreateIntermediateOptions,
  crossSign,
  makeIntermediate,
  makeRoot,
  withCrossCertificate,
} from './create-ca.js'
import { issueCredentials } from './issue-certificate.js'
import { type AuthorityParts, type IssuingCa, issuingCaOf, ledgerEntry } from './issuing-ca.js'
import type { LedgerEntry, RevokeReason } from './ledger.js'
import { issueRefused } from './refuse.js'
import { authoritySource } from './authority-source.js'
import type { SourceOptions } from './renewing-source.js'
import { type IssueRequest, readIssueOptions } from './issue-options.js'
import { issueCrl, restoreRevocations, revoke } from './revocation.js'
import { type SignedRequest, signCsr, type SignRequest } from './sign-csr.js'
import { SOURCE } from './renewal-due.js'

/**
 * A certificate authority for an etcd cluster and its clients. `createAuthority`, `openAuthority` and `loadAuthority`
 * return one.
 *
 * The private key is never printed: not by `console.log`, `JSON.stringify`, `String()` or `util.inspect`, and not in any
 * error. Only {@link Authority.export} returns it.
 */
export class Authority {
  readonly #issuer: IssuingCa

  /** @internal */
  constructor(parts: AuthorityParts) {
    this.#issuer = issuingCaOf(parts)
  }

  /** The authority's own certificate. */
  get certificate(): Certificate {
    return this.#issuer.certificate
  }

  /** The certificates above the authority's own, from its issuer to the root; empty for a root. */
  get chain(): readonly Certificate[] {
    return [...this.#issuer.chain]
  }

  /** The root, which every peer must trust. */
  get trustAnchors(): readonly Certificate[] {
    return [...this.#issuer.trustAnchors]
  }

  /**
   * Creates a key and a certificate for one role, and validates them. Server and peer certificates have serverAuth and
   * clientAuth, as etcd requires. Client certificates have clientAuth.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong request, such as an ambiguous host.
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the authority may not or cannot issue it: it expires before the
   * requested `validity` ends, or a verifier would refuse the certificate (`details.findings`).
   */
  async issue(request: IssueRequest): Promise<Credentials> {
    const now = this.#issuer.settings.now()
    const credentials = await issueCredentials(this.#issuer, readIssueOptions(request, now), now)
    await this.#issuer.settings.ledger.append([ledgerEntry(this.#issuer, credentials.chain[0], request.role)])
    return credentials
  }

  /**
   * Signs a certificate for the key of a request (PKCS #10). The request must be signed by its own key, and etcd must
   * support that key. By default the certificate has exactly the names in the options. `allow` accepts names from the
   * request.
   *
   * @param csr PEM or DER. `inspectRequest` shows its contents.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the request cannot be read, is not signed by its own key, asks for a CA
   * certificate or for a name that `allow` does not allow, has a weak key or the authority's own (`details.findings`), and
   * for whatever {@link Authority.issue} refuses.
   */
  async sign(csr: string | Uint8Array | CertificateRequest, request: SignRequest): Promise<SignedRequest> {
    return signCsr(this.#issuer, csr, request)
  }

  /**
   * Creates a CA below this one, so that the key of this one can stay offline. Its certificates include the chain, so
   * programs that trust this authority's root accept them. It uses the ledger and the clock of this one,
   * unless you pass others.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the path length (`maxIntermediates`) or the lifetime of this authority or
   * of one above does not allow it.
   */
  async createIntermediate(options: CreateIntermediateOptions): Promise<Authority> {
    return new Authority(await makeIntermediate(this.#issuer, options))
  }

  /**
   * Certifies the name and the key of another CA: a cross-certificate (RFC 4949). Peers that trust this authority then
   * trust certificates of the other one that are sent together with it, see {@link Authority.withCrossCertificate}. It is
   * used while a CA is replaced and some peers trust only the old one.
   *
   * @param other The other CA's certificate, or the other authority.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the other one is not a CA, or this one may not certify it.
   */
  async crossSign(
    other: Certificate | Authority,
    options: {
      /**
       * Lifetime from now.
       *
       * @default until the other CA's certificate or this authority's own expires, whichever is first
       */
      validity?: string | undefined
      /**
       * The names that the other CA may issue for, as accepted by those who trust this one.
       *
       * @default the name constraints of its own certificate
       */
      permittedNames?: readonly string[] | undefined
      /** The number of CAs that are allowed below the other one. @default 0 */
      maxIntermediates?: number | undefined
    } = {},
  ): Promise<Certificate> {
    return crossSign(this.#issuer, other instanceof Authority ? other.certificate : other, options)
  }

  /**
   * The same authority, whose certificates include a certificate that another CA made for its name and key.
   *
   * @param above If an intermediate made it: its certificate and those above, without the root. Default: none.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a certificate of another name or key, and for one above that did not
   * sign the one before.
   */
  withCrossCertificate(certificate: Certificate, above: readonly Certificate[] = []): Authority {
    return new Authority(withCrossCertificate(this.#issuer, certificate, above))
  }

  /**
   * Records in the ledger that a certificate is revoked. etcd reads it from the next CRL, see {@link Authority.issueCrl}
   * and `writeCrl`. Revoking a certificate again changes nothing.
   *
   * @param certificate A certificate of this authority, or its serial number in hexadecimal if the ledger has it.
   * @returns The entry in the ledger.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for the certificate of another authority, or a serial number that is not
   * in the ledger.
   */
  async revoke(
    certificate: Certificate | string,
    options: {
      /** @default 'unspecified' */
      reason?: RevokeReason | undefined
      /** The time of the revocation, not in the future. @default now */
      at?: Date | undefined
    } = {},
  ): Promise<Extract<LedgerEntry, { kind: 'revoked' }>> {
    return revoke(this.#issuer, certificate, options)
  }

  /**
   * A full CRL of all revoked certificates, signed, numbered and recorded in the ledger. `writeCrl` writes it in the form
   * that etcd reads.
   *
   * etcd checks only serial numbers, not the issuer or the dates of the CRL (client/pkg/transport/listener_tls.go,
   * checkCRL); this package and other verifiers check them.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the authority's keyUsage lacks cRLSign, or its key does not sign.
   */
  async issueCrl(
    options: {
      /**
       * How long the CRL is valid: issue the next one before. etcd does not check it, but other verifiers, such as this
       * package, refuse an outdated CRL.
       *
       * @default '7d'
       */
      nextUpdate?: string | undefined
      /**
       * Issues the CRL although the CA's keyUsage lacks cRLSign, as that of kubeadm's CA: etcd, which does not check
       * the signature, accepts it, and every other verifier refuses it.
       *
       * @default false
       */
      allowWithoutCrlSign?: boolean | undefined
      /**
       * The CRL that is in force. The call fails if the ledger is older than it or the new list would lack a
       * certificate that it names and that has not expired: a ledger restored from an old backup would undo
       * revocations.
       *
       * @default not checked
       */
      previous?: Crl | undefined
    } = {},
  ): Promise<Crl> {
    return issueCrl(this.#issuer, options)
  }

  /**
   * Adds the revocations and the number of a CRL of this authority to a ledger that was lost or damaged. A CRL does not
   * name compromised keys, so such keys are not refused afterwards.
   *
   * @returns How many revocations were added.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a CRL that this authority has not signed.
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`, `ERR_WRITE_FAILED` as the ledger.
   */
  async restoreRevocations(crl: Crl): Promise<number> {
    return restoreRevocations(this.#issuer, crl)
  }

  /**
   * The authority in PEM. This is the only way to export the private key, which can issue certificates in this
   * authority's name. Without a `passphrase` the key is not encrypted.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if a signer holds the key.
   */
  export(options: { passphrase?: string | undefined } = {}): {
    /** The authority's certificate. */
    cert: string
    /** The authority's private key, PKCS #8: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` if a passphrase was given. */
    key: string
    /** The certificates above, up to the root; empty for a root. */
    chain: string
  } {
    checkOptions('options', options, ['passphrase'])
    const { certificate, key, chain, keyState } = this.#issuer
    if (key === null) throw issueRefused("The authority's key is held by its signer and cannot be exported")
    keyState.isKept = true
    return {
      cert: certificate.toPem(),
      key: options.passphrase === undefined ? key.exportPem() : key.exportPem({ passphrase: options.passphrase }),
      chain: chain.map((each) => each.toPem()).join(''),
    }
  }

  /** @internal */
  get issuer(): IssuingCa {
    return this.#issuer
  }

  /** @internal */
  [SOURCE](request: IssueRequest, options: SourceOptions): WatchableSource {
    return authoritySource(this.#issuer, request, options)
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
 * Creates a new root CA in memory. Its key is lost with the process, and with it the renewal of every certificate, unless you
 * save what `authority.export()` returns. {@link openAuthority} keeps a CA in a directory.
 *
 * @example
 * ```ts
 * const authority = await createAuthority({ name: 'etcd CA' })
 * const credentials = await authority.issue({ role: 'client', name: 'app' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the `signer` does not sign with its own key.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  return new Authority(await makeRoot(options))
}
