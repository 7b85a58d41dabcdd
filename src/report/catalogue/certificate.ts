/** Findings about one certificate by itself: its encoding, its extensions, its key and its signature algorithm. */
import { type NoDetails, refusedByGoAlone, row, type Severity, type UsageDetails } from '../row.js'

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

function isUntrusted({ trusted }: { trusted: boolean }): boolean {
  return !trusted
}

export const certificate = {
  'certificate/malformed': row<{
    origin: string
    reason: string
    offset: number
    subject: string | null
    serialNumber: string | null
  }>({
    severity: 'error',
    message: ({ origin, reason, offset, subject, serialNumber }) =>
      subject === null
        ? `The certificate in ${origin} is not valid DER: ${reason}, at byte ${String(offset)}.`
        : `The certificate "${subject === '' ? `serial ${serialNumber ?? 'unknown'}` : subject}" in ${origin} is not valid DER: ${reason}, at byte ${String(offset)}.`,
    remedy: ({ subject }) =>
      subject === null
        ? 'Copy the file again as a whole. If it is complete, reissue the certificate: "openssl asn1parse -in FILE" shows how far it can be read.'
        : 'Copy the file again as a whole. If it is complete, write it again as DER ("openssl x509 -in FILE -out new.pem") or reissue the certificate.',
  }),
  'certificate/name-malformed': row<{ field: 'subject' | 'issuer'; attribute: string }>({
    severity: 'error',
    refusals: [{ by: 'Go', words: 'x509: invalid RDNSequence: invalid attribute value: …' }],
    message: ({ field, attribute }, who) =>
      `${who} has a value in its ${field} (attribute ${attribute}) that is not a string of its kind, or of a kind that Go does not read.`,
    remedy: () => 'Reissue the certificate with a subject in UTF8String or PrintableString.',
  }),
  'certificate/version-unsupported': row<{ version: number }>({
    severity: 'error',
    message: ({ version }, who) =>
      `${who} is of X.509 version ${String(version)}; only version 3 has the extensions that say what it may be used for.`,
    remedy: () => 'Reissue it as version 3. With openssl, pass "-extfile" and "-extensions" when signing.',
  }),
  'certificate/anchor-version-1': row<{ version: number }>({
    severity: 'warning',
    message: ({ version }, who) => `${who} is of X.509 version ${String(version)} and does not say that it is a CA.`,
    remedy: () => 'Replace it with a CA certificate of version 3 that has "basicConstraints = critical, CA:TRUE".',
  }),
  'certificate/serial-unusual': row<{ serialNumber: string; reason: string }>({
    severity: ({ reason }): Severity => (reason === 'is negative' ? 'error' : 'warning'),
    refusals: [{ by: 'Go', words: 'x509: negative serial number', when: ({ reason }) => reason === 'is negative' }],
    message: ({ serialNumber, reason }, who) => `${who} has a serial number that ${reason} (${serialNumber}).`,
    remedy: () => 'Reissue it with a random positive serial number of up to 20 bytes.',
  }),
  'certificate/name-empty': row<{ field: 'issuer' | 'subject' }>({
    severity: 'error',
    message: ({ field }, who) =>
      field === 'issuer' ? `${who} has an empty issuer.` : `${who} is a CA with an empty subject.`,
    remedy: () => 'Create a CA certificate with a subject, such as CN=etcd-ca, and reissue the certificates below it.',
  }),
  'certificate/algorithms-disagree': row<NoDetails>({
    severity: 'error',
    refusals: [{ by: 'Go', words: "x509: inner and outer signature algorithm identifiers don't match" }],
    message: (_, who) => `${who} names one signature algorithm inside its signed part and another outside.`,
    remedy: () => 'Do not use it. Reissue it.',
  }),
  'certificate/extension-malformed': row<{ extension: string; reason: string }>({
    severity: 'error',
    refusals: Object.entries(GO_ON_EXTENSIONS).map(([name, words]) => ({
      by: 'Go',
      words,
      when: ({ extension }) => extension === name,
    })),
    message: ({ extension, reason }, who) => `${who} has a malformed ${extension} extension: ${reason}.`,
    remedy: ({ extension }) => `Reissue it with a well-formed ${extension}.`,
  }),
  'certificate/distribution-point-relative': row<UsageDetails>({
    severity: refusedByGoAlone,
    refusals: [{ by: 'Go', words: 'x509: invalid CRL distribution point' }],
    message: (_, who) =>
      `${who} names the place of its CRL relative to the issuer; etcd does not read the certificate.`,
    remedy: () => 'Issue it again with a URI in crlDistributionPoints, or without that extension.',
  }),
  'certificate/extension-refused': row<{
    extension: string
    reason: 'occurs more than once' | 'is critical and unknown' | 'must not be critical'
  }>({
    severity: 'error',
    refusals: [
      {
        by: 'Go',
        words: 'x509: certificate contains duplicate extension with OID "…"',
        when: ({ reason }) => reason === 'occurs more than once',
      },
      ...(['Go', 'Node', 'OpenSSL'] as const).map((by) => ({
        by,
        words: by === 'Go' ? 'x509: unhandled critical extension' : 'unhandled critical extension',
        when: ({ reason }: { reason: string }) => reason === 'is critical and unknown',
      })),
      ...(['subject', 'authority'] as const).map((whose) => ({
        by: 'Go' as const,
        words: `x509: ${whose} key identifier incorrectly marked critical`,
        when: ({ extension, reason }: { extension: string; reason: string }) =>
          reason === 'must not be critical' && extension === `${whose}KeyIdentifier`,
      })),
    ],
    message: ({ extension, reason }, who) => `${who} has the extension ${extension}, which ${reason}.`,
    remedy: ({ extension, reason }) =>
      reason === 'occurs more than once'
        ? 'Reissue it with the extension once. With openssl, look for it in both the request and the extension file.'
        : `Reissue it with ${extension} not critical${reason === 'is critical and unknown' ? ', or without it' : ''}.`,
  }),
  'certificate/key-identifier-missing': row<{ extension: 'authorityKeyIdentifier' | 'subjectKeyIdentifier' }>({
    severity: 'warning',
    message: ({ extension }, who) =>
      extension === 'authorityKeyIdentifier'
        ? `${who} has no authority key identifier, which says which CA key signed it.`
        : `${who} is a CA without a subject key identifier.`,
    remedy: ({ extension }) =>
      `Add "${extension} = ${extension === 'authorityKeyIdentifier' ? 'keyid' : 'hash'}" when it is renewed.`,
  }),
  'certificate/authority-key-identifier-unusual': row<{ reason: string }>({
    severity: 'warning',
    refusals: [
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT', when: ({ reason }) => reason.startsWith('points to') },
      {
        by: 'OpenSSL',
        words: 'unable to get issuer certificate',
        when: ({ reason }) => reason.startsWith('points to'),
      },
    ],
    message: ({ reason }, who) => `${who} has an authority key identifier that ${reason}.`,
    remedy: () => 'Use "authorityKeyIdentifier = keyid" or leave it out when the CA is renewed.',
  }),
  'certificate/policy-extension-critical': row<{ extension: string }>({
    severity: 'warning',
    message: ({ extension }, who) =>
      `${who} carries the critical extension ${extension}, which etcd refuses if it was built with Go before 1.24.`,
    remedy: ({ extension }) => `Leave ${extension} out when it is renewed.`,
  }),
  'certificate/policy-constraints-not-critical': row<NoDetails>({
    severity: 'warning',
    refusals: [{ by: 'Go', words: 'x509: no valid chains built: … invalid policies' }],
    message: (_, who) => `${who} carries policyConstraints that are not marked as critical; they are not processed.`,
    remedy: () => 'Leave policyConstraints out when it is renewed.',
  }),
  'key/mismatch': row<{ keyAlgorithm: string; certificateAlgorithm: string; keyOrigin?: string | undefined }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'tls: private key does not match public key' },
      { by: 'Node', words: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' },
      { by: 'OpenSSL', words: 'key values mismatch' },
    ],
    message: ({ keyAlgorithm, certificateAlgorithm, keyOrigin }, who) =>
      `${who} does not belong to the private key ${keyOrigin === undefined ? 'given with it' : `in ${keyOrigin}`}: its public key is ${certificateAlgorithm}, the private key is ${keyAlgorithm}${certificateAlgorithm === keyAlgorithm ? ', of another pair' : ''}.`,
    remedy: () =>
      'Use the key that the certificate was requested with: "openssl x509 -noout -pubkey -in CERT" and "openssl pkey -pubout -in KEY" must print the same.',
  }),
  'key/weak': row<{ algorithm: string; wanted: string }>({
    severity: 'error',
    refusals: [
      { by: 'OpenSSL', words: 'ee key too small' },
      { by: 'OpenSSL', words: 'CA certificate key too weak' },
    ],
    message: ({ algorithm }, who) => `${who} has a public key that is too weak: ${algorithm}.`,
    remedy: ({ wanted }) => `Generate a new key (${wanted}) and reissue the certificate for it.`,
  }),
  'key/unsupported': row<{ algorithm: string; refusedBy: string }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: "tls: client didn't provide a certificate" },
      { by: 'Go', words: 'tls: failed to parse private key' },
      { by: 'Go', words: 'x509: unsupported elliptic curve' },
      { by: 'Go', words: 'tls: unsupported certificate curve (P-224)' },
      { by: 'Go', words: 'x509: RSA key missing NULL parameters' },
    ],
    message: ({ algorithm, refusedBy }, who) => `${who} has a public key that ${refusedBy}: ${algorithm}.`,
    remedy: () => 'Generate an ECDSA P-256 key and reissue the certificate for it.',
  }),
  'key/size-unusual': row<{ algorithm: string }>({
    severity: 'warning',
    message: ({ algorithm }, who) => `${who} has a key of an unusual size: ${algorithm}.`,
    remedy: () => 'Use RSA 2048, 3072 or 4096, or ECDSA P-256, when it is renewed.',
  }),
  'key/small-beyond-2030': row<{ algorithm: string; notAfter: Date }>({
    severity: 'warning',
    message: ({ algorithm, notAfter }, who) =>
      `${who} has a key that is too short after 2030 (${algorithm}), and is valid until ${notAfter.toISOString()}.`,
    remedy: () => 'Use RSA 3072 or ECDSA P-256 for the key at the next renewal.',
  }),
  'signature/invalid': row<{ issuer: string; issuerFingerprint256: string }>({
    severity: 'error',
    refusals: [
      {
        by: 'Go',
        words:
          'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
      },
      { by: 'Node', words: 'CERT_SIGNATURE_FAILURE' },
      { by: 'OpenSSL', words: 'certificate signature failure' },
    ],
    message: ({ issuer }, who) =>
      `${who} has a signature that the key of its issuer "${issuer}" did not make: it was altered or damaged.`,
    remedy: () => 'Do not use it. Copy it again from its source if the copy may be damaged; otherwise reissue it.',
  }),
  'signature/algorithm-weak': row<{ algorithm: string; trusted: boolean }>({
    severity: ({ trusted }): Severity => (trusted ? 'warning' : 'error'),
    refusals: [
      { by: 'Go', words: 'x509: cannot verify signature: insecure algorithm …', when: isUntrusted },
      { by: 'Node', words: 'ERR_SSL_CA_MD_TOO_WEAK', when: isUntrusted },
      { by: 'Node', words: 'UNSPECIFIED', when: isUntrusted },
      { by: 'OpenSSL', words: 'CA signature digest algorithm too weak', when: isUntrusted },
    ],
    message: ({ algorithm, trusted }, who) =>
      trusted ? `${who} is self-signed with ${algorithm}.` : `${who} is signed with ${algorithm}, which can be forged.`,
    remedy: () => 'Reissue it with SHA-256 ("openssl x509 -req -sha256").',
  }),
  'signature/anchor-algorithm-unsuited': row<{ algorithm: string; key: string }>({
    severity: 'warning',
    refusals: [
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT' },
      { by: 'OpenSSL', words: 'unable to get issuer certificate' },
    ],
    message: ({ algorithm, key }, who) =>
      `${who} has a signature that its own key cannot have made: the signature is ${algorithm}, the key is ${key}.`,
    remedy: () =>
      'Create the root certificate again, signed with its own key ("openssl req -x509 -key ca.key -out ca.crt").',
  }),
  'signature/algorithm-unsupported': row<{ algorithm: string }>({
    severity: 'error',
    refusals: [{ by: 'Go', words: 'x509: cannot verify signature: algorithm unimplemented' }],
    message: ({ algorithm }, who) => `${who} is signed with an algorithm that is not supported (${algorithm}).`,
    remedy: () => 'Reissue it with an ECDSA, RSA or Ed25519 CA key and SHA-256.',
  }),
  'signature/salt-length-unusual': row<{ algorithm: string; saltLength: number; expected: number } & UsageDetails>({
    severity: refusedByGoAlone,
    refusals: [{ by: 'Go', words: 'x509: cannot verify signature: algorithm unimplemented' }],
    message: ({ algorithm, saltLength, expected }, who) =>
      `${who} is signed with ${algorithm} and a salt of ${String(saltLength)} bytes; etcd verifies only a salt of ${String(expected)} bytes.`,
    remedy: () => 'Reissue it with a salt as long as the digest (openssl: "-sigopt rsa_pss_saltlen:digest").',
  }),
  'signature/key-mismatch': row<{ algorithm: string; issuerKey: string; issuer: string }>({
    severity: 'error',
    message: ({ algorithm, issuerKey, issuer }, who) =>
      `${who} is signed with ${algorithm}, but the key of its issuer "${issuer}" is ${issuerKey}.`,
    remedy: () => 'Pass the CA certificate whose key signed it, or reissue it.',
  }),
}
