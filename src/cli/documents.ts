/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { Finding, Unchecked } from '../report/finding.js'

export interface Documents {
  inspect: CheckDocument & { targets: InspectedTarget[] }
  /** The earliest end first. */
  expiry: CheckDocument & { certificates: ExpiringCertificate[] }
}

export interface CheckDocument {
  /** Whether there is no finding of severity error. */
  ok: boolean
  /** Whether everything was read and checked. */
  complete: boolean
  checkedAt: Date
  findings: Finding[]
  unchecked: Unchecked[]
}

export interface InspectedTarget {
  /** The file, the entry of a Secret, `standard input`, or the URL of a server. */
  name: string
  /** `certificate`, `bundle of 3 certificates`, `private key`, …, or the content that is none of these. */
  content: string
  /** Whether the chain is valid and leads to a CA of `--cacert`; null without that option. */
  verified: boolean | null
  items: InspectedItem[]
}

/** What is not there is null or empty. */
export interface InspectedItem {
  kind: 'certificate' | 'CA certificate' | 'certificate request' | 'CRL' | 'private key' | 'encrypted private key'
  /** Of a private key: the subject of its certificate, if one of the targets has that. */
  subject: string | null
  issuer: string | null
  /** Its place in the tree: 0 at the top, 1 for a certificate whose issuer is above it, … */
  depth: number
  notBefore: Date | null
  notAfter: Date | null
  /** The share of the lifetime that is over: 0 before it begins, more than 1 after its end. */
  lifetimeUsed: number | null
  /** `DNS:etcd-0`, `IP:10.0.0.1`, … */
  names: string[]
  usages: string[]
  publicKey: string | null
  serialNumber: string | null
  /** SHA-256 in hexadecimal: over the certificate, or over the public half of a private key (SubjectPublicKeyInfo). */
  sha256: string | null
  /** The number of revoked certificates that a CRL lists; null if they cannot be read. */
  revoked: number | null
}

export interface ExpiringCertificate {
  /** Where it is from, as in the document of `inspect`. */
  name: string
  subject: string
  issuer: string
  serialNumber: string
  notAfter: Date
  /** Less than 0 after the end. */
  secondsLeft: number
}
