/** The contents that PEM labels announce. */
import type { Holds } from '../report/catalogue/contents.js'

export type BlockKind =
  | 'certificate'
  /** A certificate with a label that only OpenSSL accepts. */
  | 'old-certificate'
  | 'private-key'
  /** A private key in a form that TLS stacks do not read. */
  | 'foreign-key'
  | 'public-key'
  | 'request'
  | 'crl'
  | 'pkcs7'
  | 'openssh'
  | 'pgp'
  | 'age'
  | 'key-parameters'
  | 'other'

const KINDS: Readonly<Record<string, BlockKind>> = {
  CERTIFICATE: 'certificate',
  'X509 CERTIFICATE': 'old-certificate',
  'TRUSTED CERTIFICATE': 'old-certificate',
  'PRIVATE KEY': 'private-key',
  'ENCRYPTED PRIVATE KEY': 'private-key',
  'EC PRIVATE KEY': 'private-key',
  'RSA PRIVATE KEY': 'private-key',
  'DSA PRIVATE KEY': 'private-key',
  'OPENSSH PRIVATE KEY': 'openssh',
  'PUBLIC KEY': 'public-key',
  'RSA PUBLIC KEY': 'public-key',
  'CERTIFICATE REQUEST': 'request',
  'NEW CERTIFICATE REQUEST': 'request',
  'X509 CRL': 'crl',
  PKCS7: 'pkcs7',
  'PKCS #7 SIGNED DATA': 'pkcs7',
  CMS: 'pkcs7',
  'AGE ENCRYPTED FILE': 'age',
  'EC PARAMETERS': 'key-parameters',
  'DSA PARAMETERS': 'key-parameters',
}

const HOLDS: Readonly<Record<BlockKind, Holds>> = {
  certificate: 'certificate',
  'old-certificate': 'certificate under an old label',
  'private-key': 'private key',
  'foreign-key': 'private key',
  'public-key': 'public key',
  request: 'certificate request',
  crl: 'CRL',
  pkcs7: 'PKCS#7 bundle',
  openssh: 'SSH private key',
  pgp: 'OpenPGP block',
  age: 'age file',
  'key-parameters': 'other blocks',
  other: 'other blocks',
}

export function kindOfLabel(label: string): BlockKind {
  const known = KINDS[label]
  if (known !== undefined && Object.hasOwn(KINDS, label)) return known
  if (label.startsWith('PGP ')) return 'pgp'
  return label.endsWith('PRIVATE KEY') ? 'foreign-key' : 'other'
}

export function holdsOf({ label, bytes }: { readonly label: string; readonly bytes: Buffer }): Holds {
  const kind = kindOfLabel(label)
  return kind === 'openssh' && !isConvertible(bytes) ? 'SSH-only private key' : HOLDS[kind]
}

/** Whether ssh-keygen writes the key as PKCS#8. The name of its kind is in the public half, which comes first (PROTOCOL.key). */
function isConvertible(bytes: Buffer): boolean {
  return /ssh-rsa|ecdsa-sha2-/.test(bytes.toString('latin1', 0, 200))
}

/** The labels, quoted and without duplicates, for a message. */
export function labelsOf(blocks: readonly { label: string }[]): string[] {
  return [...new Set(blocks.map(({ label }) => `"${label}"`))]
}
