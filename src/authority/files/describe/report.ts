/** What a folder of certificates and keys holds. Plain data: dates are ISO 8601 texts, and no key material is in it. */
import type { Finding } from '../../../report/finding.js'
import type { Role } from '../../roles.js'

/**
 * A layout that was recognised: `etcd` and `kubeadm` of writeCluster, `kubernetes` for the rest of kubeadm's
 * `/etc/kubernetes/pki`, `secret` for a mounted Kubernetes secret, those of cfssl, step and `openssl ca`.
 */
export type DirectoryLayout = 'etcd' | 'kubeadm' | 'kubernetes' | 'secret' | 'cfssl' | 'step' | 'openssl'

/** A certificate, once, however many files hold it. */
export interface DescribedCertificate {
  /** Paths from the folder. */
  readonly files: readonly string[]
  /** RFC 4514, escaped for display. */
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  readonly fingerprint256: string
  readonly notBefore: string
  readonly notAfter: string
  readonly publicKey: string
  readonly ca: boolean
  /** The roles that it fits, by its usages; empty for a CA. */
  readonly roles: readonly Role[]
  /** Subject alternative names, as `dns:etcd-0`. At most 100. */
  readonly names: readonly string[]
  /** Fingerprint of the CA here that issued it, its own where it is self-signed; null where that is not here. */
  readonly signedBy: string | null
  /** Files with its private key. */
  readonly keys: readonly string[]
}

export interface DescribedKey {
  readonly file: string
  /** `ECDSA P-256`, …; null where it cannot be told: it is encrypted or damaged. */
  readonly algorithm: string | null
  readonly encrypted: boolean
  /** Permission bits in octal, as `0600`; null where the platform has none. */
  readonly mode: string | null
  /** User number; null where the platform has none. */
  readonly owner: number | null
  /** Fingerprints of the certificates here that it belongs to. */
  readonly certificates: readonly string[]
}

export interface DescribedRequest {
  readonly file: string
  readonly subject: string
  readonly publicKey: string
  readonly names: readonly string[]
  /** Whether the key that it is for has signed it. */
  readonly proven: boolean
  /** Files with its private key. */
  readonly keys: readonly string[]
}

export interface DescribedCrl {
  readonly file: string
  readonly form: 'pem' | 'der'
  readonly issuer: string
  readonly number: string | null
  readonly thisUpdate: string
  readonly nextUpdate: string | null
  /** How many are revoked; null where the entries cannot be read. */
  readonly revoked: number | null
  /** Fingerprint of the CA here that signed it; null where that is not here. */
  readonly signedBy: string | null
}

/** What `describeDirectory` gives. */
export interface DirectoryReport {
  /** False where a finding is an error. */
  readonly ok: boolean
  readonly directory: string
  readonly checkedAt: string
  /** Layouts, each with the path from the folder; empty where files lie together without a known order. */
  readonly layouts: readonly { readonly layout: DirectoryLayout; readonly path: string }[]
  readonly certificates: readonly DescribedCertificate[]
  readonly keys: readonly DescribedKey[]
  readonly requests: readonly DescribedRequest[]
  readonly crls: readonly DescribedCrl[]
  /** Files that are none of these, and what they are as far as it can be told. At most 1,000. */
  readonly others: readonly { readonly file: string; readonly is: string }[]
  /** Worst first. */
  readonly findings: readonly Finding[]
}
