/** The authority: a CA certificate and its key, and what can be done with them. */
import { inspect } from 'node:util'
import type { Credentials } from '../credentials/credentials.js'
import { checkOptions } from '../misuse.js'
import type { Certificate } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { issueCredentials, type Issuer } from './issue.js'
import type { Signer } from './keys.js'
import { type IssueRequest, readRequest } from './request.js'

/** What an authority is made of. */
export interface AuthorityParts {
  readonly crypto: WebCrypto
  readonly certificate: Certificate
  readonly key: PrivateKey
  readonly signer: Signer
  /** The certificates above, from the one that signed the authority's own to the root; empty for a root. */
  readonly chain: readonly Certificate[]
}

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
  readonly #parts: AuthorityParts
  readonly #issuer: Issuer

  /** @internal */
  constructor(parts: AuthorityParts) {
    this.#parts = parts
    const root = parts.chain.at(-1)
    this.#issuer = {
      crypto: parts.crypto,
      signer: parts.signer,
      certificate: parts.certificate,
      intermediates: root === undefined ? [] : [parts.certificate, ...parts.chain.slice(0, -1)],
      trustAnchors: [root ?? parts.certificate],
    }
  }

  /** The authority's own certificate. */
  get certificate(): Certificate {
    return this.#parts.certificate
  }

  /** The certificates above the authority's own, from its issuer to the root; empty for a root. */
  get chain(): readonly Certificate[] {
    return [...this.#parts.chain]
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
    const now = new Date()
    return issueCredentials(this.#issuer, readRequest(request, now), now)
  }

  /**
   * The authority as PEM text. This is the deliberate way out of the private key: whoever has the result can issue
   * certificates in this authority's name. Without a `passphrase` the key is not encrypted.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   */
  export(options: { passphrase?: string | undefined } = {}): AuthorityMaterial {
    checkOptions('options', options, ['passphrase'])
    const { certificate, key, chain } = this.#parts
    return {
      cert: certificate.toPem(),
      key: options.passphrase === undefined ? key.exportPem() : key.exportPem({ passphrase: options.passphrase }),
      chain: chain.map((each) => each.toPem()).join(''),
    }
  }

  toString(): string {
    return `Authority ${this.#parts.certificate.toString()}`
  }

  toJSON(): Record<string, unknown> {
    return { certificate: this.#parts.certificate.toJSON(), chain: this.#parts.chain.map((each) => each.toJSON()) }
  }

  [inspect.custom](): string {
    return `Authority { ${this.#parts.certificate.toString()} }`
  }
}
