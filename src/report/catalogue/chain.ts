/** Findings about the way from the leaf to a trust anchor: issuers, validity, CA rights, usage. */
import { type NoDetails, row } from '../row.js'

export const chain = {
  'chain/issuer-not-found': row<{ issuer: string; anchors: string[]; intermediates: string[] }>({
    severity: 'error',
    meaning:
      'No certificate given is the issuer: either an intermediate was left out, or it is another CA’s certificate. etcd says "certificate signed by unknown authority", Node UNABLE_TO_VERIFY_LEAF_SIGNATURE.',
    source: 'RFC 5280 section 6.1; Go crypto/x509 UnknownAuthorityError',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Node', words: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT' },
      { by: 'OpenSSL', words: 'unable to get local issuer certificate' },
    ],
    message: ({ issuer, anchors }, who) =>
      `${who} was issued by "${issuer}", and no certificate of that name was given; the trusted CAs are ${quoted(anchors)}.`,
    remedy: ({ issuer }) =>
      `If "${issuer}" is an intermediate, append its certificate to the leaf's file; if it is your CA, put it into the CA file; else use a certificate that a trusted CA issued.`,
  }),
  'chain/issuer-key-differs': row<{ issuer: string; found: string[]; wantedKeyIdentifier: string | null }>({
    severity: 'error',
    meaning:
      'A CA of the right name was given but its key did not sign the certificate: usually the CA was made anew under its old name. etcd says "certificate signed by unknown authority (possibly because of … verification failure while trying to verify candidate authority certificate …)".',
    source: 'RFC 5280 section 6.1.3 (a)(1); Go crypto/x509 UnknownAuthorityError',
    refusals: [
      {
        by: 'Go',
        words:
          'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
      },
      { by: 'Node', words: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
      { by: 'Node', words: 'CERT_SIGNATURE_FAILURE' },
      { by: 'OpenSSL', words: 'unable to get local issuer certificate' },
      { by: 'OpenSSL', words: 'certificate signature failure' },
    ],
    message: ({ issuer, found }, who) =>
      `${who} names "${issuer}" as its issuer, but the CA of that name which was given has another key (${found.join(', ')}).`,
    remedy: ({ wantedKeyIdentifier }) =>
      `The CA was probably made anew under its old name: give the CA certificate that issued this one${wantedKeyIdentifier === null ? '' : ` (its subject key identifier is ${wantedKeyIdentifier})`}, or issue the certificate anew.`,
  }),
  'chain/self-signed': row<{ anchors: string[] }>({
    severity: 'error',
    meaning: 'The certificate signed itself and is not among the trusted ones. Node says DEPTH_ZERO_SELF_SIGNED_CERT.',
    source: 'RFC 5280 section 6.1',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Node', words: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      { by: 'OpenSSL', words: 'self-signed certificate' },
    ],
    message: ({ anchors }, who) => `${who} is self-signed and is not trusted; the trusted CAs are ${quoted(anchors)}.`,
    remedy: () => 'Issue it from your CA; etcd’s --auto-tls makes such certificates, which are for trials only.',
  }),
  'chain/root-not-trusted': row<{ anchors: string[] }>({
    severity: 'error',
    meaning:
      'The chain is complete up to its root, and that root is not among the trusted ones. Node says SELF_SIGNED_CERT_IN_CHAIN.',
    source: 'RFC 5280 section 6.1',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Node', words: 'SELF_SIGNED_CERT_IN_CHAIN' },
      { by: 'OpenSSL', words: 'self-signed certificate in certificate chain' },
    ],
    message: ({ anchors }, who) =>
      `${who} is the root of the chain and is not trusted; the trusted CAs are ${quoted(anchors)}.`,
    remedy: () =>
      'If you know this CA, put its certificate into the CA file; else the certificate comes from a foreign CA.',
  }),
  'chain/no-trust-anchors': row<NoDetails>({
    severity: 'error',
    meaning: 'Without a trusted CA nothing can be verified. The system’s roots are never used in its place.',
    source: 'RFC 5280 section 6.1.1 (d)',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Node', words: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      { by: 'OpenSSL', words: 'unable to get local issuer certificate' },
    ],
    message: () => 'No trusted CA certificate was given.',
    remedy: () => 'Give the certificate of the CA that issues for your etcd as the CA (etcdctl calls it --cacert).',
  }),
  'chain/budget-exhausted': row<{ signatures: number; steps: number }>({
    severity: 'error',
    meaning:
      'The certificates given can be combined in too many ways; building was stopped, as a defence against chains made to exhaust the validator.',
    source: 'RustSec RUSTSEC-2023-0052; Go crypto/x509 maxChainSignatureChecks',
    message: ({ signatures, steps }) =>
      `No valid path was found within ${String(signatures)} signature checks and ${String(steps)} steps.`,
    remedy: () => 'Give only the certificates of one chain: the leaf, its intermediates, and the CAs to trust.',
  }),
  'chain/others-tried': row<{ paths: number }>({
    severity: 'info',
    meaning: 'More than one path was possible; the report explains the one that came furthest.',
    source: 'RFC 4158',
    message: ({ paths }) => `${String(paths)} other path${paths === 1 ? ' was' : 's were'} tried and failed too.`,
    remedy: () => 'Leave certificates of other chains out of the files to see this path alone.',
  }),
  'chain/order-wrong': row<{ issuer: string }>({
    severity: 'warning',
    meaning: 'TLS 1.2 asks for each certificate to be followed by its issuer; some peers do not sort.',
    source: 'RFC 5246 section 7.4.2; RFC 8446 section 4.4.2',
    message: ({ issuer }, who) =>
      `${who} is not followed by its issuer "${issuer}", which stands elsewhere in the file.`,
    remedy: () => 'Write the leaf first, then each issuer in turn, without the root.',
  }),
  'chain/certificate-unused': row<NoDetails>({
    severity: 'info',
    meaning: 'A certificate beside the leaf plays no part in the path; it is sent all the same.',
    source: 'RFC 8446 section 4.4.2',
    message: (_, who) => `${who} is not part of the path.`,
    remedy: () => 'Leave it out of the file.',
  }),
  'chain/root-sent': row<NoDetails>({
    severity: 'info',
    meaning: 'The root stands in the chain that is sent; the peer must have it already, so it only costs bytes.',
    source: 'RFC 8446 section 4.4.2',
    message: (_, who) => `${who} is a trust anchor and stands in the chain that is sent.`,
    remedy: () => 'Leave the root out of the certificate file.',
  }),
  'chain/anchor-not-self-signed': row<NoDetails>({
    severity: 'warning',
    meaning:
      'An intermediate is trusted as anchor. etcd and etcdctl accept that; Node by default does not (UNABLE_TO_GET_ISSUER_CERT), other clients neither.',
    source: 'RFC 5280 section 6.1.1 (d); OpenSSL X509_V_FLAG_PARTIAL_CHAIN',
    refusals: [
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT' },
      { by: 'OpenSSL', words: 'unable to get issuer certificate' },
    ],
    message: (_, who) => `${who} is trusted although it is not self-signed.`,
    remedy: () => 'Put the root CA into the CA file too, unless only this intermediate shall be trusted.',
  }),
  'chain/key-identifier-differs': row<{ wanted: string; found: string; issuer: string }>({
    severity: 'error',
    meaning:
      'The authority key identifier points to another key than the issuer’s. OpenSSL, and so Node, does not take it as the issuer then.',
    source: 'RFC 5280 section 4.2.1.1; OpenSSL X509_V_ERR_AKID_SKID_MISMATCH',
    refusals: [
      { by: 'Node', words: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
      { by: 'OpenSSL', words: 'unable to get local issuer certificate' },
    ],
    message: ({ wanted, found, issuer }, who) =>
      `${who} asks for an issuer with the key identifier ${wanted}, and "${issuer}" has ${found}.`,
    remedy: () => 'Give the CA certificate that issued it, or issue it anew from this CA.',
  }),

  'validity/expired': row<{ notAfter: Date; at: Date; ago: string }>({
    severity: 'error',
    meaning:
      'The certificate’s time is over. etcd answers alert 45, Node says CERT_HAS_EXPIRED, Go "certificate has expired or is not yet valid".',
    source: 'RFC 5280 section 4.1.2.5',
    refusals: [
      { by: 'Go', words: 'x509: certificate has expired or is not yet valid: current time … is after …' },
      { by: 'Go', words: 'remote error: tls: expired certificate' },
      { by: 'Node', words: 'CERT_HAS_EXPIRED' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'OpenSSL', words: 'certificate has expired' },
    ],
    message: ({ notAfter, ago }, who) => `${who} expired on ${notAfter.toISOString()}, ${ago} ago.`,
    remedy: () => 'Renew it; if it should still be valid, check the clock of this machine.',
  }),
  'validity/not-yet-valid': row<{ notBefore: Date; at: Date; ahead: string }>({
    severity: 'error',
    meaning: 'The certificate’s time has not begun. etcd answers alert 45, which reads "certificate expired".',
    source: 'RFC 5280 section 4.1.2.5',
    refusals: [
      { by: 'Go', words: 'x509: certificate has expired or is not yet valid: current time … is before …' },
      { by: 'Go', words: 'remote error: tls: expired certificate' },
      { by: 'Node', words: 'CERT_NOT_YET_VALID' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'OpenSSL', words: 'certificate is not yet valid' },
    ],
    message: ({ notBefore, ahead }, who) => `${who} is valid only from ${notBefore.toISOString()}, in ${ahead}.`,
    remedy: () => 'Check the clocks of this machine and of the one that issued it; else issue it anew.',
  }),
  'validity/clock-suspect': row<{ at: Date; earliest: Date }>({
    severity: 'warning',
    meaning: 'Every certificate is not yet valid: it is more likely that the clock of this machine is wrong.',
    source: 'etcd issue #9398 and others',
    message: ({ at, earliest }) =>
      `All certificates of the path begin after ${at.toISOString()}, the first on ${earliest.toISOString()}: the clock of this machine is probably slow.`,
    remedy: () => 'Set the clock ("timedatectl"), then try again.',
  }),
  'validity/inverted': row<{ notBefore: Date; notAfter: Date }>({
    severity: 'error',
    meaning: 'The certificate ends before it begins, so it is never valid.',
    source: 'RFC 5280 section 4.1.2.5',
    message: ({ notBefore, notAfter }, who) =>
      `${who} ends on ${notAfter.toISOString()}, before it begins on ${notBefore.toISOString()}.`,
    remedy: () => 'Issue it anew with notAfter behind notBefore.',
  }),
  'validity/expires-soon': row<{ notAfter: Date; left: string }>({
    severity: 'warning',
    meaning: 'The certificate ends within the warning window.',
    source: 'RFC 5280 section 4.1.2.5',
    message: ({ notAfter, left }, who) => `${who} expires on ${notAfter.toISOString()}, in ${left}.`,
    remedy: () => 'Renew it now.',
  }),
  'validity/outlives-issuer': row<{ notAfter: Date; issuerNotAfter: Date; issuer: string }>({
    severity: 'warning',
    meaning: 'The certificate promises to live longer than its issuer; it dies with the issuer.',
    source: 'RFC 5280 section 6.1.3 (a)(2)',
    message: ({ notAfter, issuerNotAfter, issuer }, who) =>
      `${who} lasts until ${notAfter.toISOString()}, but its issuer "${issuer}" only until ${issuerNotAfter.toISOString()}.`,
    remedy: () => 'Renew the CA before that day, and keep lifetimes inside the issuer’s.',
  }),
  'validity/lifetime-long': row<{ days: number }>({
    severity: 'warning',
    meaning: 'A leaf that lives for more than 825 days is a key that nobody practises to replace.',
    source: 'CA/Browser Forum Baseline Requirements 6.3.2 (as advice)',
    message: ({ days }, who) => `${who} is valid for ${String(days)} days.`,
    remedy: () => 'Issue for a year or less and renew automatically.',
  }),

  'constraints/not-a-ca': row<{ reason: 'no basicConstraints' | 'CA:FALSE' }>({
    severity: 'error',
    meaning:
      'Only a certificate whose basicConstraints say CA:TRUE may issue others; anything else would let every leaf act as a CA.',
    source: 'RFC 5280 section 6.1.4 (k)',
    refusals: [
      { by: 'Go', words: 'x509: certificate is not authorized to sign other certificates' },
      { by: 'Go', words: 'x509: invalid signature: parent certificate cannot sign this kind of certificate' },
      { by: 'Node', words: 'INVALID_CA' },
      { by: 'OpenSSL', words: 'invalid CA certificate' },
    ],
    message: ({ reason }, who) => `${who} issued a certificate but is not a CA (${reason}).`,
    remedy: () => 'Use a CA certificate with "basicConstraints = critical, CA:TRUE" as the issuer.',
  }),
  'constraints/path-too-long': row<{ allowed: number; found: number }>({
    severity: 'error',
    meaning: 'The CA limits how many intermediates may stand below it, and there are more.',
    source: 'RFC 5280 section 4.2.1.9',
    refusals: [
      { by: 'Go', words: 'x509: too many intermediates for path length constraint' },
      { by: 'Node', words: 'PATH_LENGTH_EXCEEDED' },
      { by: 'OpenSSL', words: 'path length constraint exceeded' },
    ],
    message: ({ allowed, found }, who) =>
      `${who} allows ${String(allowed)} intermediate CA${allowed === 1 ? '' : 's'} below it, and the path has ${String(found)}.`,
    remedy: () => 'Issue from a CA higher up, or give the CA a larger path length.',
  }),
  'constraints/too-many-intermediates': row<{ allowed: number; found: number }>({
    severity: 'error',
    meaning: 'The path has more intermediates than the caller allows.',
    source: 'option maxIntermediates',
    message: ({ allowed, found }) => `The path has ${String(found)} intermediates, and ${String(allowed)} are allowed.`,
    remedy: () => 'Raise maxIntermediates if such a chain is meant.',
  }),
  'constraints/not-critical': row<{ extension: string }>({
    severity: 'warning',
    meaning:
      'The extension restricts a CA and should be critical, so that a reader who does not know it refuses rather than ignores it.',
    source: 'RFC 5280 sections 4.2.1.9 and 4.2.1.10',
    message: ({ extension }, who) => `${who} carries ${extension} without marking it as critical.`,
    remedy: ({ extension }) => `Mark ${extension} as critical when the CA is renewed.`,
  }),
  'constraints/leaf-is-ca': row<NoDetails>({
    severity: 'warning',
    meaning:
      'The leaf is itself a CA: whoever steals its key from a server can issue certificates that the cluster trusts.',
    source: 'CA/Browser Forum Baseline Requirements 7.1.2.7 (as advice); Go and OpenSSL accept it',
    message: (_, who) => `${who} is used as a leaf and is a CA too.`,
    remedy: () => 'Issue a leaf with "basicConstraints = critical, CA:FALSE".',
  }),
  'constraints/path-length-without-ca': row<NoDetails>({
    severity: 'warning',
    meaning: 'A path length makes sense only in a CA certificate; strict validators refuse it elsewhere.',
    source: 'RFC 5280 section 4.2.1.9',
    message: (_, who) => `${who} sets a path length although it is not a CA.`,
    remedy: () => 'Leave "pathlen" out when it is renewed.',
  }),

  'usage/extended-key-usage-missing': row<{ wanted: string[]; missing: string[]; found: string[] }>({
    severity: 'error',
    meaning:
      'The extended key usage does not allow what the certificate is used for. etcd logs "certificate specifies an incompatible key usage" and answers alert 42, Node says INVALID_PURPOSE. Peers need serverAuth and clientAuth, since each member dials the others.',
    source: 'RFC 5280 section 4.2.1.12; etcd issue #9785; Go crypto/x509 VerifyOptions.KeyUsages',
    refusals: [
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
      { by: 'Node', words: 'INVALID_PURPOSE' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE' },
      { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
    ],
    message: ({ missing, found }, who) =>
      `${who} lacks ${missing.join(' and ')} in its extended key usage; it has ${found.join(', ')}.`,
    remedy: ({ wanted }) => `Issue it anew with "extendedKeyUsage = ${wanted.join(', ')}".`,
  }),
  'usage/extended-key-usage-nested': row<{ missing: string; found: string[] }>({
    severity: 'error',
    meaning:
      'A CA’s extended key usage limits everything below it. etcd logs "incompatible key usage" although the leaf itself is right.',
    source: 'Go crypto/x509 checkChainForKeyUsage; RFC 5280 section 4.2.1.12; etcd issue #9398',
    refusals: [
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
      { by: 'Node', words: 'INVALID_PURPOSE' },
      { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
    ],
    message: ({ missing, found }, who) =>
      `${who} limits the certificates below it to ${found.join(', ')}, which leaves out ${missing}.`,
    remedy: () => 'Issue the CA certificate anew without extendedKeyUsage, or with serverAuth and clientAuth.',
  }),
  'usage/gateway-client-auth-missing': row<{ found: string[] }>({
    severity: 'warning',
    meaning:
      'etcd’s gRPC gateway (/v3/…, on by default) dials its own client port and presents the server certificate as its client certificate. Without clientAuth every gateway request fails with 503 "remote error: tls: bad certificate"; gRPC clients are not affected. As a peer certificate it forms no quorum.',
    source: 'etcd issues #9785 and #9398; etcd server/embed/serve.go; kubeadm certlist.go',
    refusals: [
      {
        by: 'etcd',
        words:
          '{"code":14,"message":"connection error: desc = \\"error reading server preface: remote error: tls: bad certificate\\""}',
      },
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
    ],
    message: (_, who) =>
      `${who} has serverAuth but not clientAuth: etcd's gateway dials itself with this certificate as a client, and will answer 503.`,
    remedy: () =>
      'Issue it anew with "extendedKeyUsage = serverAuth, clientAuth"; or give etcd --client-cert-file and --client-key-file with a clientAuth certificate; or turn the gateway off with --enable-grpc-gateway=false.',
  }),
  'usage/any-extended-key-usage': row<NoDetails>({
    severity: 'error',
    meaning:
      'anyExtendedKeyUsage satisfies Go and etcd, but Node refuses such a server certificate with INVALID_PURPOSE.',
    source: 'OpenSSL purpose check; RFC 5280 section 4.2.1.12',
    refusals: [
      { by: 'Node', words: 'INVALID_PURPOSE' },
      { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
    ],
    message: (_, who) => `${who} relies on anyExtendedKeyUsage, which Node refuses for a server.`,
    remedy: () => 'Issue it anew with "extendedKeyUsage = serverAuth, clientAuth".',
  }),
  'usage/any-extended-key-usage-broad': row<NoDetails>({
    severity: 'warning',
    meaning: 'anyExtendedKeyUsage allows every purpose there is, which no member or client of etcd needs.',
    source: 'RFC 5280 section 4.2.1.12',
    message: (_, who) => `${who} may be used for anything (anyExtendedKeyUsage).`,
    remedy: () =>
      'Issue it with "extendedKeyUsage = clientAuth" (a member: serverAuth, clientAuth) when it is renewed.',
  }),
  'usage/extended-key-usage-absent': row<NoDetails>({
    severity: 'info',
    meaning: 'Without an extended key usage the certificate may be used for anything, as server and as client.',
    source: 'RFC 5280 section 4.2.1.12',
    message: (_, who) => `${who} has no extended key usage: it may be used for anything.`,
    remedy: () => 'Say what it is for when it is renewed.',
  }),
  'usage/extended-key-usage-critical': row<NoDetails>({
    severity: 'info',
    meaning: 'A critical extended key usage is allowed but unusual; the public web PKI forbids it.',
    source: 'CA/Browser Forum Baseline Requirements 7.1.2.7.10',
    message: (_, who) => `${who} marks its extended key usage as critical.`,
    remedy: () => 'Leave the mark out when it is renewed.',
  }),
  'usage/anchor-extended-key-usage': row<{ found: string[] }>({
    severity: 'info',
    meaning: 'The trust anchor carries an extended key usage, which limits everything below it in Go and OpenSSL.',
    source: 'CA/Browser Forum Baseline Requirements 7.1.2.1',
    message: ({ found }, who) => `${who} is a root with an extended key usage (${found.join(', ')}).`,
    remedy: () => 'Leave it out of the next root: it limits whatever is issued below.',
  }),
  'usage/cert-sign-missing': row<{ found: string[] }>({
    severity: 'error',
    meaning:
      'The CA’s key usage does not allow it to sign certificates. Node says "key usage does not include certificate signing".',
    source: 'RFC 5280 section 6.1.4 (n)',
    refusals: [
      { by: 'Go', words: 'x509: invalid signature: parent certificate cannot sign this kind of certificate' },
      { by: 'Node', words: 'INVALID_CA' },
      { by: 'OpenSSL', words: 'key usage does not include certificate signing' },
    ],
    message: ({ found }, who) =>
      `${who} issued a certificate, but its key usage (${found.join(', ')}) lacks keyCertSign.`,
    remedy: () => 'Issue the CA certificate anew with "keyUsage = critical, keyCertSign, cRLSign".',
  }),
  'usage/cert-sign-without-ca': row<NoDetails>({
    severity: 'warning',
    meaning: 'keyCertSign without CA:TRUE has no effect and breaks RFC 5280.',
    source: 'RFC 5280 section 4.2.1.3',
    message: (_, who) => `${who} has keyCertSign in its key usage although it is not a CA.`,
    remedy: () => 'Leave keyCertSign out when it is renewed.',
  }),
  'usage/digital-signature-missing': row<{ found: string[] }>({
    severity: 'error',
    meaning:
      'A TLS server signs the handshake. OpenSSL, and so Node, refuses a server whose key usage does not allow that; Go does not look.',
    source: 'RFC 8446 section 4.4.2.2; RFC 5280 section 4.2.1.3',
    refusals: [
      { by: 'Node', words: 'INVALID_PURPOSE' },
      { by: 'Node', words: 'ERR_SSL_ECC_CERT_NOT_FOR_SIGNING' },
      { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
    ],
    message: ({ found }, who) =>
      `${who} has a key usage (${found.join(', ')}) without digitalSignature, which a TLS server needs.`,
    remedy: () => 'Issue it anew with "keyUsage = critical, digitalSignature" (and keyEncipherment for an RSA key).',
  }),
  'usage/key-usage-unsuited': row<{ found: string[] }>({
    severity: 'warning',
    meaning: 'The key usage leaves out digitalSignature, which TLS 1.3 asks for; etcd does not look at it today.',
    source: 'RFC 8446 section 4.4.2.2',
    message: ({ found }, who) => `${who} has a key usage (${found.join(', ')}) without digitalSignature.`,
    remedy: () => 'Issue it with "keyUsage = critical, digitalSignature" when it is renewed.',
  }),
  'usage/key-usage-absent': row<NoDetails>({
    severity: 'info',
    meaning: 'A CA without key usage may use its key for anything.',
    source: 'RFC 5280 section 4.2.1.3',
    message: (_, who) => `${who} is a CA without a key usage.`,
    remedy: () => 'Add "keyUsage = critical, keyCertSign, cRLSign" when the CA is renewed.',
  }),
}

function quoted(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  const shown = names.slice(0, 5).map((name) => `"${name}"`)
  return names.length > 5 ? `${shown.join(', ')} and ${String(names.length - 5)} more` : shown.join(', ')
}
