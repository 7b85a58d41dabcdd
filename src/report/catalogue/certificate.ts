/** Findings about one certificate: its encoding, extensions, key and signature algorithm. */
import {
  error,
  info,
  type OpensslDetails,
  row,
  severityIfOnlyGoRefuses,
  severityIfOnlyOpensslRefuses,
  type UsageDetails,
  warning,
} from '../row.js'
import { listed } from '../words.js'
import { type Place, originText, shellArgument } from './place.js'

/** Messages of Go for an extension that it cannot parse. */
const GO_EXTENSION_ERRORS = {
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

function omitExtension({ extension }: { extension: string }): string {
  return `Omit ${extension} at the next renewal.`
}

const NEW_KEY =
  'Generate a new key ("(umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key)") and issue a certificate for it.'

export interface KeyMismatch {
  keyAlgorithm: string
  certificateAlgorithm: string
  keyOrigin?: string | undefined
  /** The files of both; absent if they are not known. */
  certFile?: string | undefined
  keyFile?: string | undefined
  /** The CA that the private key belongs to, as `"CN=etcd-ca" in ca.crt`; absent if no given CA has it. */
  keyOf?: string
}

function argument(file: string | undefined, otherwise: string): string {
  return file === undefined ? otherwise : shellArgument(file)
}

export const certificate = {
  'certificate/malformed': error(
    (d: { origin: string; reason: string; offset: number; subject: string | null; serialNumber: string | null }) => [
      `The certificate${d.subject === null ? '' : ` "${d.subject === '' ? `serial ${d.serialNumber ?? 'unknown'}` : d.subject}"`} in ${d.origin} is not valid DER: ${d.reason}, at byte ${String(d.offset)}.`,
      `Copy the file again as a whole. If it is complete, ${
        // openssl encodes the outer element again and copies the signed part, so it cannot fix faults in that part.
        d.reason.startsWith('the certificate is followed') || (d.offset === 0 && /^an indef|longer/.test(d.reason))
          ? 'write it again as DER: "openssl x509 -in FILE -out FILE.pem".'
          : 'reissue the certificate: "openssl asn1parse -in FILE" shows how far it can be read.'
      }`,
    ],
  ),
  'certificate/name-malformed': {
    empty: error((d: { field: 'issuer' | 'subject' }, who) => [
      d.field === 'issuer' ? `${who} has an empty issuer.` : `${who} is a CA with an empty subject.`,
      'Create a CA certificate with a subject, such as CN=etcd-ca, and reissue the certificates below it.',
    ]),
    malformed: error((d: { field: 'issuer' | 'subject'; attribute: string }, who) => [
      `${who} has a value in its ${d.field} (attribute ${d.attribute}) that is not a string of its kind, or of a kind that Go does not read.`,
      'Reissue the certificate with a subject in UTF8String or PrintableString.',
    ]).refusedAs({ Go: 'x509: invalid RDNSequence: invalid attribute value: …' }),
  },
  'certificate/version-unsupported': error((d: { version: number; trusted: boolean }, who) => [
    d.trusted
      ? `${who} is of X.509 version ${String(d.version)} and does not say that it is a CA.`
      : `${who} is of X.509 version ${String(d.version)}; only version 3 has the extensions that say what it may be used for.`,
    d.trusted
      ? 'Replace it with a CA certificate of version 3 that has "basicConstraints = critical, CA:TRUE".'
      : 'Reissue it as version 3. With openssl, pass "-extfile" and "-extensions" when signing.',
  ]).or('warning', ({ trusted }) => trusted),
  'certificate/serial-unusual': warning((d: { serialNumber: string; reason: string }, who) => [
    `${who} has a serial number that ${d.reason} (${d.serialNumber}).`,
    'Reissue it with a random positive serial number of up to 20 bytes.',
  ])
    .or('error', ({ reason }) => reason === 'is negative')
    .refusedAs({ Go: 'x509: negative serial number', when: ({ reason }) => reason === 'is negative' }),
  'certificate/extension-refused': {
    malformed: error((d: { extension: string; reason: string }, who) => [
      `${who} has a malformed ${d.extension} extension: ${d.reason}.`,
      `Reissue it with a well-formed ${d.extension}.`,
    ]).refusedAs(
      // Go accepts empty lists, and bytes after a value.
      Object.entries(GO_EXTENSION_ERRORS).map(([name, Go]) => ({
        Go,
        when: ({ extension, reason }) => extension === name && !/^an empty list|is followed by/.test(reason),
      })),
    ),
    repeated: error((d: { extension: string }, who) => [
      `${who} has the extension ${d.extension} more than once.`,
      'Reissue it with the extension once. With openssl, look for it in both the request and the extension file.',
    ]).refusedAs({ Go: 'x509: certificate contains duplicate extension with OID "…"' }),
    unknown: error((d: { extension: string }, who) => [
      `${who} has the extension ${d.extension}, which is critical and unknown.`,
      `Reissue it with ${d.extension} not critical, or without it.`,
    ]).refusedAs({ ...UNHANDLED_BY_GO, Node: 'unhandled critical extension', OpenSSL: 'unhandled critical extension' }),
    'wrongly critical': error((d: { extension: string }, who) => [
      `${who} has the extension ${d.extension}, which must not be critical.`,
      `Reissue it with ${d.extension} not critical.`,
    ]).refusedAs(
      (['subject', 'authority'] as const).map((whose) => ({
        Go: `x509: ${whose} key identifier incorrectly marked critical`,
        when: ({ extension }) => extension === `${whose}KeyIdentifier`,
      })),
    ),
    'relative name': row(severityIfOnlyGoRefuses, (_: UsageDetails & { extension: 'crlDistributionPoints' }, who) => [
      `${who} gives the location of its CRL relative to the issuer. etcd cannot read the certificate.`,
      'Reissue it with a URI in crlDistributionPoints, or without that extension.',
    ]).refusedAs({ Go: GO_EXTENSION_ERRORS.crlDistributionPoints }),
    proxy: row(severityIfOnlyOpensslRefuses, (_: OpensslDetails & { extension: 'proxyCertInfo' }, who) => [
      `${who} has the extension proxyCertInfo. OpenSSL, and so Node, refuses such a proxy certificate.`,
      'Reissue it without proxyCertInfo.',
    ]).refusedAs({
      OpenSSL: 'unable to get local issuer certificate',
      Node: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'proxy subject name violation'],
    }),
    'names unread by Go': row(
      severityIfOnlyGoRefuses,
      (d: UsageDetails & { extension: 'subjectAltName' | 'nameConstraints'; names: string[] }, who) => [
        d.extension === 'subjectAltName'
          ? `${who} marks its subject alternative name as critical, and it holds only names that etcd does not read (${listed(d.names)}). etcd refuses it.`
          : `${who} has critical name constraints of a kind that etcd does not compare (${listed(d.names)}). etcd refuses every certificate that it issues.`,
        d.extension === 'subjectAltName'
          ? 'Reissue it with a DNS name or an IP address in subjectAltName, or without "critical".'
          : 'Reissue the CA certificate with constraints on DNS names, IP addresses, mailboxes and URIs only.',
      ],
    ).refusedAs(UNHANDLED_BY_GO),
  },
  'certificate/key-identifier-unusual': {
    missing: warning((d: { extension: 'authorityKeyIdentifier' | 'subjectKeyIdentifier' }, who) => [
      d.extension === 'authorityKeyIdentifier'
        ? `${who} has no authority key identifier, which says which CA key signed it.`
        : `${who} is a CA without a subject key identifier.`,
      `Add "${d.extension} = ${d.extension === 'authorityKeyIdentifier' ? 'keyid' : 'hash'}" when it is renewed.`,
    ]),
    'of a root': warning((d: { reason: string }, who) => [
      `${who} has an authority key identifier that ${d.reason}.`,
      'Use "authorityKeyIdentifier = keyid" or leave it out when the CA is renewed.',
    ]).refusedAs({ ...NO_ISSUER, when: ({ reason }) => reason.startsWith('points to') }),
  },
  'certificate/criticality-unusual': {
    'of a CA': warning((d: { extension: 'basicConstraints' | 'nameConstraints' }, who) => [
      `${who} has ${d.extension} that is not critical.`,
      `Mark ${d.extension} as critical ("${d.extension} = critical, …") at the next renewal of the CA.`,
    ]),
    'of names': warning((d: { extension: 'subjectAltName'; critical: boolean }, who) => [
      d.critical
        ? `${who} marks its subject alternative name as critical although it has a subject.`
        : `${who} has an empty subject, and its subject alternative name is not critical.`,
      d.critical
        ? 'Remove "critical" from subjectAltName at the next renewal.'
        : 'Mark subjectAltName as critical, or set a subject, at the next renewal.',
    ]),
    'of usages': info((_: { extension: 'extendedKeyUsage' }, who) => [
      `${who} marks its extended key usage as critical.`,
      'Remove "critical" from extendedKeyUsage at the next renewal.',
    ]),
  },
  'certificate/policy-extension': {
    critical: warning((d: { extension: string }, who) => [
      `${who} has the critical extension ${d.extension}. etcd refuses it if it was built with Go before 1.24.`,
      omitExtension(d),
    ]),
    'not critical': row(
      (d: { extension: string; required: boolean } & UsageDetails) =>
        d.required ? severityIfOnlyGoRefuses(d) : 'warning',
      (d, who) => [
        d.required
          ? `${who} has the extension ${d.extension}, which is not critical and requires a policy. etcd refuses the chain if it was built with Go 1.24 or later.`
          : `${who} has the extension ${d.extension}, which is not critical and so is not processed.`,
        omitExtension(d),
      ],
    ).refusedAs({ Go: 'x509: no valid chains built: … invalid policies', when: ({ required }) => required }),
  },
  'key/mismatch': error((d: KeyMismatch, who) => [
    `${who} does not belong to the private key ${d.keyOrigin === undefined ? 'given with it' : `in ${d.keyOrigin}`}: ${d.keyOf === undefined ? `its public key is ${d.certificateAlgorithm}, the private key is ${d.keyAlgorithm}${d.certificateAlgorithm === d.keyAlgorithm ? ', of another pair' : ''}` : `that is the key of the CA ${d.keyOf}`}.`,
    `Use the key that the certificate was requested with: "openssl x509 -noout -pubkey -in ${argument(d.certFile, 'CERT')}" and "openssl pkey -pubout -in ${argument(d.keyFile, 'KEY')}" must print the same.${d.keyOf === undefined ? '' : ' Remove the key of the CA from this machine: only the CA itself uses it.'}`,
  ]).refusedAs({
    Go: 'tls: private key does not match public key',
    Node: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
    OpenSSL: 'key values mismatch',
  }),
  'key/weak': error((d: { algorithm: string; wanted: string }, who) => [
    `${who} has a public key that is too weak: ${d.algorithm}.`,
    `Generate a new key (${d.wanted}) and reissue the certificate for it.`,
  ]).refusedAs({ OpenSSL: ['ee key too small', 'CA certificate key too weak'] }),
  'key/unsupported': {
    'public key': error((d: { algorithm: string; refusedBy: string }, who) => [
      `${who} has a public key that ${d.refusedBy}: ${d.algorithm}.`,
      NEW_KEY,
    ]).refusedAs({
      Go: [
        "tls: client didn't provide a certificate",
        'tls: failed to parse private key',
        'x509: unsupported elliptic curve',
        'tls: unsupported certificate curve (P-224)',
        'x509: RSA key missing NULL parameters',
      ],
    }),
    'private key': error((d: Place & { algorithm: string }) => [
      `${originText(d)} holds a private key of a kind that no tested etcd supports: ${d.algorithm}.`,
      NEW_KEY,
    ]),
  },
  'key/size-unusual': {
    'no whole bytes': warning((d: { algorithm: string }, who) => [
      `${who} has a key of an unusual size: ${d.algorithm}.`,
      'Use RSA 2048, 3072 or 4096, or ECDSA P-256, when it is renewed.',
    ]),
    'short after 2030': warning((d: { algorithm: string; notAfter: Date }, who) => [
      `${who} has a key that is too short after 2030 (${d.algorithm}), and is valid until ${d.notAfter.toISOString()}.`,
      'Use RSA 3072 or ECDSA P-256 for the key at the next renewal.',
    ]),
  },
  'signature/invalid': error((d: { issuer: string; issuerFingerprint256: string }, who) => [
    `${who} has a signature that the key of its issuer "${d.issuer}" did not make: it was altered or damaged.`,
    'Do not use it. Copy it again from its source if the copy may be damaged; otherwise reissue it.',
  ]).refusedAs({
    Go: 'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
    Node: 'CERT_SIGNATURE_FAILURE',
    OpenSSL: 'certificate signature failure',
  }),
  'signature/algorithm-refused': {
    weak: error((d: { algorithm: string; trusted: boolean }, who) => [
      d.trusted
        ? `${who} is self-signed with ${d.algorithm}.`
        : `${who} is signed with ${d.algorithm}, which can be forged.`,
      'Reissue it with SHA-256 ("openssl x509 -req -sha256").',
    ])
      .or('warning', ({ trusted }) => trusted)
      .refusedAs({
        Go: 'x509: cannot verify signature: insecure algorithm …',
        Node: ['ERR_SSL_CA_MD_TOO_WEAK', 'CA signature digest algorithm too weak'],
        OpenSSL: 'CA signature digest algorithm too weak',
        when: ({ trusted }) => !trusted,
      }),
    unsupported: error((d: { algorithm: string }, who) => [
      `${who} is signed with ${d.algorithm}, which is not supported, so its signature was not verified.`,
      'Reissue it with an ECDSA, RSA or Ed25519 CA key and SHA-256.',
    ]).refusedAs({ Go: 'x509: cannot verify signature: algorithm unimplemented' }),
    'stated twice': error((_, who) => [
      `${who} names one signature algorithm inside its signed part and another outside.`,
      'Do not use it. Reissue it.',
    ]).refusedAs({ Go: "x509: inner and outer signature algorithm identifiers don't match" }),
    'salt length': row(
      severityIfOnlyGoRefuses,
      (d: UsageDetails & { algorithm: string; saltLength: number; expected: number }, who) => [
        `${who} is signed with ${d.algorithm} and a salt of ${String(d.saltLength)} bytes; etcd verifies only a salt of ${String(d.expected)} bytes.`,
        'Reissue it with a salt as long as the digest (openssl: "-sigopt rsa_pss_saltlen:digest").',
      ],
    ).refusedAs({ Go: 'x509: cannot verify signature: algorithm unimplemented' }),
  },
  'signature/key-mismatch': {
    issued: error((d: { algorithm: string; issuerKey: string; issuer: string }, who) => [
      `${who} is signed with ${d.algorithm}, but the key of its issuer "${d.issuer}" is ${d.issuerKey}.`,
      'Pass the CA certificate whose key signed it, or reissue it.',
    ]),
    root: warning((d: { algorithm: string; key: string }, who) => [
      `${who} has a signature that its own key cannot have made: the signature is ${d.algorithm}, the key is ${d.key}.`,
      'Create the root certificate again, signed with its own key ("openssl req -x509 -key ca.key -out ca.crt").',
    ]).refusedAs(NO_ISSUER),
  },
}
