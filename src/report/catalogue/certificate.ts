/** Findings about one certificate by itself: its encoding, its extensions, its key and its signature algorithm. */
import { refusedByGoAlone, row, rowByKind, type Severity, type UsageDetails } from '../row.js'
import { listed } from '../words.js'
import { type Place, the } from './place.js'

/** Go's words on an extension that it cannot read. */
const GO_ON_EXTENSIONS = {
  authorityInfoAccess: 'x509: invalid authority info access',
  authorityKeyIdentifier: 'x509: invalid authority key identifier',
  basicConstraints: 'x509: invalid basic constraints',
  certificatePolicies: 'x509: invalid certificate policies',
  crlDistributionPoints: 'x509: invalid CRL distribution point',
  extendedKeyUsage: 'x509: invalid extended key usages',
  keyUsage: 'x509: invalid key usage',
  nameConstraints: 'x509: invalid NameConstraints extension',
  subjectAltName: 'x509: invalid subject alternative names',
  subjectKeyIdentifier: 'x509: invalid subject key identifier',
}

const NO_ISSUER = { Node: 'UNABLE_TO_GET_ISSUER_CERT', OpenSSL: 'unable to get issuer certificate' }
const UNHANDLED_BY_GO = { Go: 'x509: unhandled critical extension' }

function leaveOut({ extension }: { extension: string }): string {
  return `Leave ${extension} out when it is renewed.`
}

const NEW_KEY =
  'Generate a new key ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key") and issue a certificate for it.'

export const certificate = {
  'certificate/malformed': row<{
    origin: string
    reason: string
    offset: number
    subject: string | null
    serialNumber: string | null
  }>({
    message: ({ origin, reason, offset, subject, serialNumber }) => {
      const name = subject === null ? '' : ` "${subject === '' ? `serial ${serialNumber ?? 'unknown'}` : subject}"`
      return `The certificate${name} in ${origin} is not valid DER: ${reason}, at byte ${String(offset)}.`
    },
    remedy: ({ subject }) =>
      `Copy the file again as a whole. If it is complete, ${
        subject === null
          ? 'reissue the certificate: "openssl asn1parse -in FILE" shows how far it can be read.'
          : 'write it again as DER ("openssl x509 -in FILE -out new.pem") or reissue the certificate.'
      }`,
  }),
  'certificate/name-malformed': rowByKind<
    | { kind: 'empty'; field: 'issuer' | 'subject' }
    | { kind: 'malformed'; field: 'issuer' | 'subject'; attribute: string }
  >({
    kinds: {
      empty: {
        message: ({ field }, who) =>
          field === 'issuer' ? `${who} has an empty issuer.` : `${who} is a CA with an empty subject.`,
        remedy: () =>
          'Create a CA certificate with a subject, such as CN=etcd-ca, and reissue the certificates below it.',
      },
      malformed: {
        refusals: { Go: 'x509: invalid RDNSequence: invalid attribute value: …' },
        message: ({ field, attribute }, who) =>
          `${who} has a value in its ${field} (attribute ${attribute}) that is not a string of its kind, or of a kind that Go does not read.`,
        remedy: () => 'Reissue the certificate with a subject in UTF8String or PrintableString.',
      },
    },
  }),
  'certificate/version-unsupported': row<{ version: number; trusted: boolean }>({
    severity: ({ trusted }): Severity => (trusted ? 'warning' : 'error'),
    message: ({ version, trusted }, who) =>
      trusted
        ? `${who} is of X.509 version ${String(version)} and does not say that it is a CA.`
        : `${who} is of X.509 version ${String(version)}; only version 3 has the extensions that say what it may be used for.`,
    remedy: ({ trusted }) =>
      trusted
        ? 'Replace it with a CA certificate of version 3 that has "basicConstraints = critical, CA:TRUE".'
        : 'Reissue it as version 3. With openssl, pass "-extfile" and "-extensions" when signing.',
  }),
  'certificate/serial-unusual': row<{ serialNumber: string; reason: string }>({
    severity: ({ reason }): Severity => (reason === 'is negative' ? 'error' : 'warning'),
    refusals: { Go: 'x509: negative serial number', when: ({ reason }) => reason === 'is negative' },
    message: ({ serialNumber, reason }, who) => `${who} has a serial number that ${reason} (${serialNumber}).`,
    remedy: () => 'Reissue it with a random positive serial number of up to 20 bytes.',
  }),
  'certificate/extension-refused': rowByKind<
    | { kind: 'malformed'; extension: string; reason: string }
    | { kind: 'repeated' | 'unknown' | 'wrongly critical'; extension: string }
    | ({ kind: 'relative name'; extension: 'crlDistributionPoints' } & UsageDetails)
    | ({
        kind: 'names unread by Go'
        extension: 'subjectAltName' | 'nameConstraints'
        names: string[]
      } & UsageDetails)
  >({
    kinds: {
      malformed: {
        refusals: Object.entries(GO_ON_EXTENSIONS).map(([name, Go]) => ({
          Go,
          when: ({ extension }) => extension === name,
        })),
        message: ({ extension, reason }, who) => `${who} has a malformed ${extension} extension: ${reason}.`,
        remedy: ({ extension }) => `Reissue it with a well-formed ${extension}.`,
      },
      repeated: {
        refusals: { Go: 'x509: certificate contains duplicate extension with OID "…"' },
        message: ({ extension }, who) => `${who} has the extension ${extension}, which occurs more than once.`,
        remedy: () =>
          'Reissue it with the extension once. With openssl, look for it in both the request and the extension file.',
      },
      unknown: {
        refusals: { ...UNHANDLED_BY_GO, Node: 'unhandled critical extension', OpenSSL: 'unhandled critical extension' },
        message: ({ extension }, who) => `${who} has the extension ${extension}, which is critical and unknown.`,
        remedy: ({ extension }) => `Reissue it with ${extension} not critical, or without it.`,
      },
      'wrongly critical': {
        refusals: (['subject', 'authority'] as const).map((whose) => ({
          Go: `x509: ${whose} key identifier incorrectly marked critical`,
          when: ({ extension }) => extension === `${whose}KeyIdentifier`,
        })),
        message: ({ extension }, who) => `${who} has the extension ${extension}, which must not be critical.`,
        remedy: ({ extension }) => `Reissue it with ${extension} not critical.`,
      },
      'relative name': {
        severity: refusedByGoAlone,
        refusals: { Go: GO_ON_EXTENSIONS.crlDistributionPoints },
        message: (_, who) =>
          `${who} names the place of its CRL relative to the issuer; etcd does not read the certificate.`,
        remedy: () => 'Issue it again with a URI in crlDistributionPoints, or without that extension.',
      },
      'names unread by Go': {
        severity: refusedByGoAlone,
        refusals: UNHANDLED_BY_GO,
        message: ({ extension, names }, who) =>
          extension === 'subjectAltName'
            ? `${who} marks its subject alternative name as critical, and it holds only names that etcd does not read (${listed(names)}). etcd refuses it.`
            : `${who} has critical name constraints of a kind that etcd does not compare (${listed(names)}). etcd refuses every certificate that it issues.`,
        remedy: ({ extension }) =>
          extension === 'subjectAltName'
            ? 'Reissue it with a DNS name or an IP address in subjectAltName, or without "critical".'
            : 'Reissue the CA certificate with constraints on DNS names, IP addresses, mailboxes and URIs only.',
      },
    },
  }),
  'certificate/key-identifier-unusual': rowByKind<
    | { kind: 'missing'; extension: 'authorityKeyIdentifier' | 'subjectKeyIdentifier' }
    | { kind: 'of a root'; reason: string }
  >({
    kinds: {
      missing: {
        severity: 'warning',
        message: ({ extension }, who) =>
          extension === 'authorityKeyIdentifier'
            ? `${who} has no authority key identifier, which says which CA key signed it.`
            : `${who} is a CA without a subject key identifier.`,
        remedy: ({ extension }) =>
          `Add "${extension} = ${extension === 'authorityKeyIdentifier' ? 'keyid' : 'hash'}" when it is renewed.`,
      },
      'of a root': {
        severity: 'warning',
        refusals: { ...NO_ISSUER, when: ({ reason }) => reason.startsWith('points to') },
        message: ({ reason }, who) => `${who} has an authority key identifier that ${reason}.`,
        remedy: () => 'Use "authorityKeyIdentifier = keyid" or leave it out when the CA is renewed.',
      },
    },
  }),
  'certificate/criticality-unusual': rowByKind<
    | { kind: 'of a CA'; extension: 'basicConstraints' | 'nameConstraints' }
    | { kind: 'of names'; extension: 'subjectAltName'; critical: boolean }
    | { kind: 'of usages'; extension: 'extendedKeyUsage' }
  >({
    kinds: {
      'of a CA': {
        severity: 'warning',
        message: ({ extension }, who) => `${who} has ${extension} that is not critical.`,
        remedy: ({ extension }) =>
          `Mark ${extension} as critical ("${extension} = critical, …") at the next renewal of the CA.`,
      },
      'of names': {
        severity: 'warning',
        message: ({ critical }, who) =>
          critical
            ? `${who} marks its subject alternative name as critical although it has a subject.`
            : `${who} has an empty subject, and its subject alternative name is not critical.`,
        remedy: ({ critical }) =>
          critical
            ? 'Remove "critical" from subjectAltName at the next renewal.'
            : 'Mark subjectAltName as critical, or set a subject, at the next renewal.',
      },
      'of usages': {
        severity: 'info',
        message: (_, who) => `${who} marks its extended key usage as critical.`,
        remedy: () => 'Remove "critical" from extendedKeyUsage at the next renewal.',
      },
    },
  }),
  'certificate/policy-extension': rowByKind<{ kind: 'critical' | 'not critical'; extension: string }>({
    kinds: {
      critical: {
        severity: 'warning',
        message: ({ extension }, who) =>
          `${who} carries the critical extension ${extension}, which etcd refuses if it was built with Go before 1.24.`,
        remedy: leaveOut,
      },
      'not critical': {
        severity: 'warning',
        refusals: { Go: 'x509: no valid chains built: … invalid policies' },
        message: ({ extension }, who) =>
          `${who} carries ${extension} that are not marked as critical; they are not processed.`,
        remedy: leaveOut,
      },
    },
  }),
  'key/mismatch': row<{ keyAlgorithm: string; certificateAlgorithm: string; keyOrigin?: string | undefined }>({
    refusals: {
      Go: 'tls: private key does not match public key',
      Node: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
      OpenSSL: 'key values mismatch',
    },
    message: ({ keyAlgorithm, certificateAlgorithm, keyOrigin }, who) =>
      `${who} does not belong to the private key ${keyOrigin === undefined ? 'given with it' : `in ${keyOrigin}`}: its public key is ${certificateAlgorithm}, the private key is ${keyAlgorithm}${certificateAlgorithm === keyAlgorithm ? ', of another pair' : ''}.`,
    remedy: () =>
      'Use the key that the certificate was requested with: "openssl x509 -noout -pubkey -in CERT" and "openssl pkey -pubout -in KEY" must print the same.',
  }),
  'key/weak': row<{ algorithm: string; wanted: string }>({
    refusals: { OpenSSL: ['ee key too small', 'CA certificate key too weak'] },
    message: ({ algorithm }, who) => `${who} has a public key that is too weak: ${algorithm}.`,
    remedy: ({ wanted }) => `Generate a new key (${wanted}) and reissue the certificate for it.`,
  }),
  'key/unsupported': rowByKind<
    { kind: 'public key'; algorithm: string; refusedBy: string } | ({ kind: 'private key'; algorithm: string } & Place)
  >({
    kinds: {
      'public key': {
        refusals: {
          Go: [
            "tls: client didn't provide a certificate",
            'tls: failed to parse private key',
            'x509: unsupported elliptic curve',
            'tls: unsupported certificate curve (P-224)',
            'x509: RSA key missing NULL parameters',
          ],
        },
        message: ({ algorithm, refusedBy }, who) => `${who} has a public key that ${refusedBy}: ${algorithm}.`,
        remedy: () => NEW_KEY,
      },
      'private key': {
        message: ({ algorithm, ...place }) =>
          `${the(place)} holds a private key of a kind that etcd's TLS does not support: ${algorithm}.`,
        remedy: () => NEW_KEY,
      },
    },
  }),
  'key/size-unusual': rowByKind<
    { kind: 'no whole bytes'; algorithm: string } | { kind: 'short after 2030'; algorithm: string; notAfter: Date }
  >({
    kinds: {
      'no whole bytes': {
        severity: 'warning',
        message: ({ algorithm }, who) => `${who} has a key of an unusual size: ${algorithm}.`,
        remedy: () => 'Use RSA 2048, 3072 or 4096, or ECDSA P-256, when it is renewed.',
      },
      'short after 2030': {
        severity: 'warning',
        message: ({ algorithm, notAfter }, who) =>
          `${who} has a key that is too short after 2030 (${algorithm}), and is valid until ${notAfter.toISOString()}.`,
        remedy: () => 'Use RSA 3072 or ECDSA P-256 for the key at the next renewal.',
      },
    },
  }),
  'signature/invalid': row<{ issuer: string; issuerFingerprint256: string }>({
    refusals: {
      Go: 'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
      Node: 'CERT_SIGNATURE_FAILURE',
      OpenSSL: 'certificate signature failure',
    },
    message: ({ issuer }, who) =>
      `${who} has a signature that the key of its issuer "${issuer}" did not make: it was altered or damaged.`,
    remedy: () => 'Do not use it. Copy it again from its source if the copy may be damaged; otherwise reissue it.',
  }),
  'signature/algorithm-refused': rowByKind<
    | { kind: 'weak'; algorithm: string; trusted: boolean }
    | { kind: 'unsupported'; algorithm: string }
    | { kind: 'stated twice' }
    | ({ kind: 'salt length'; algorithm: string; saltLength: number; expected: number } & UsageDetails)
  >({
    kinds: {
      weak: {
        severity: ({ trusted }): Severity => (trusted ? 'warning' : 'error'),
        refusals: {
          Go: 'x509: cannot verify signature: insecure algorithm …',
          Node: ['ERR_SSL_CA_MD_TOO_WEAK', 'UNSPECIFIED'],
          OpenSSL: 'CA signature digest algorithm too weak',
          when: ({ trusted }) => !trusted,
        },
        message: ({ algorithm, trusted }, who) =>
          trusted
            ? `${who} is self-signed with ${algorithm}.`
            : `${who} is signed with ${algorithm}, which can be forged.`,
        remedy: () => 'Reissue it with SHA-256 ("openssl x509 -req -sha256").',
      },
      unsupported: {
        refusals: { Go: 'x509: cannot verify signature: algorithm unimplemented' },
        message: ({ algorithm }, who) => `${who} is signed with an algorithm that is not supported (${algorithm}).`,
        remedy: () => 'Reissue it with an ECDSA, RSA or Ed25519 CA key and SHA-256.',
      },
      'stated twice': {
        refusals: { Go: "x509: inner and outer signature algorithm identifiers don't match" },
        message: (_, who) => `${who} names one signature algorithm inside its signed part and another outside.`,
        remedy: () => 'Do not use it. Reissue it.',
      },
      'salt length': {
        severity: refusedByGoAlone,
        refusals: { Go: 'x509: cannot verify signature: algorithm unimplemented' },
        message: ({ algorithm, saltLength, expected }, who) =>
          `${who} is signed with ${algorithm} and a salt of ${String(saltLength)} bytes; etcd verifies only a salt of ${String(expected)} bytes.`,
        remedy: () => 'Reissue it with a salt as long as the digest (openssl: "-sigopt rsa_pss_saltlen:digest").',
      },
    },
  }),
  'signature/key-mismatch': rowByKind<
    | { kind: 'issued'; algorithm: string; issuerKey: string; issuer: string }
    | { kind: 'root'; algorithm: string; key: string }
  >({
    kinds: {
      issued: {
        message: ({ algorithm, issuerKey, issuer }, who) =>
          `${who} is signed with ${algorithm}, but the key of its issuer "${issuer}" is ${issuerKey}.`,
        remedy: () => 'Pass the CA certificate whose key signed it, or reissue it.',
      },
      root: {
        severity: 'warning',
        refusals: NO_ISSUER,
        message: ({ algorithm, key }, who) =>
          `${who} has a signature that its own key cannot have made: the signature is ${algorithm}, the key is ${key}.`,
        remedy: () =>
          'Create the root certificate again, signed with its own key ("openssl req -x509 -key ca.key -out ca.crt").',
      },
    },
  }),
}
