/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { Finding } from '../report/finding.js'

export interface Documents {
  inspect: InspectDocument
  expiry: ExpiryDocument
}

interface Checked {
  /** Whether there is no finding of severity error. */
  ok: boolean
  checkedAt: Date
  findings: Finding[]
  /** What was not read or checked because of a limit. */
  unchecked: string[]
}

export interface InspectDocument extends Checked {
  targets: InspectedTarget[]
}

export interface InspectedTarget {
  /** The file, the entry of a Secret, `standard input`, or the URL of a server. */
  name: string
  source: 'file' | 'secret' | 'stdin' | 'server'
  /** `certificate`, `bundle of 3 certificates`, `private key`, …, or the content that is none of these. */
  content: string
  /** Whether the chain leads to a CA of `--cacert`; null without that option. */
  verified: boolean | null
  certificates: InspectedCertificate[]
  requests: InspectedRequest[]
  crls: InspectedCrl[]
  keys: InspectedKey[]
}

export interface InspectedCertificate {
  subject: string
  issuer: string
  serialNumber: string
  fingerprint256: string
  notBefore: Date
  notAfter: Date
  /** The share of the lifetime that is over: 0 before it begins, 1 or more at its end. */
  lifetimeUsed: number
  publicKey: string
  isCa: boolean
  /** `DNS:etcd-0`, `IP:10.0.0.1`, … */
  names: string[]
  keyUsage: string[]
  extendedKeyUsage: string[]
  /** The position of its issuer in this list, by name and key identifier; null if it is not there. */
  issuedBy: number | null
}

export interface InspectedRequest {
  subject: string
  publicKey: string
  names: string[]
  asksForCa: boolean
}

export interface InspectedCrl {
  issuer: string
  thisUpdate: Date
  nextUpdate: Date | null
  /** The number of revoked certificates; null if the list cannot be read. */
  entries: number | null
}

export interface InspectedKey {
  /** Null if the key is encrypted. */
  algorithm: string | null
  /** SHA-256 over the public half as SubjectPublicKeyInfo, as `sha256sum` prints it; null if the key is encrypted. */
  publicKeySha256: string | null
  /** The subjects of the certificates for this key among all targets. */
  certificates: string[]
}

export interface ExpiryDocument extends Checked {
  /** The earliest end first. */
  certificates: ExpiringCertificate[]
}

export interface ExpiringCertificate {
  /** Where it is from: a file, the entry of a Secret, `standard input`, or the URL of a server. */
  name: string
  subject: string
  issuer: string
  serialNumber: string
  fingerprint256: string
  isCa: boolean
  notAfter: Date
  /** Seconds until the end; less than 0 if it is over. */
  secondsLeft: number
}
