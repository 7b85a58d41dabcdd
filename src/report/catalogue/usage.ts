/** Findings about key usage and extended key usage, and what etcd asks beyond TLS. */
import { type NoDetails, row, type Severity } from '../row.js'
import { listed } from '../words.js'

const WRONG_PURPOSE = [
  { by: 'Node', words: 'INVALID_PURPOSE' },
  { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
] as const

function isRefused({ refused }: { refused: boolean }): boolean {
  return refused
}

function errorIfRefused({ refused }: { refused: boolean }): Severity {
  return refused ? 'error' : 'warning'
}

export const usage = {
  'usage/extended-key-usage-missing': row<{ wanted: string[]; missing: string[]; found: string[] }>({
    severity: 'error',
    meaning:
      'The extended key usage does not allow what the certificate is used for. etcd logs "certificate specifies an incompatible key usage" and sends alert 42; Node reports INVALID_PURPOSE. Peers need serverAuth and clientAuth, since each member dials the others.',
    source: 'RFC 5280 section 4.2.1.12; etcd issue #9785; Go crypto/x509 VerifyOptions.KeyUsages',
    refusals: [
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
      { by: 'Node', words: 'INVALID_PURPOSE' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE' },
      { by: 'Node', words: 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE' },
      { by: 'OpenSSL', words: 'unsuitable certificate purpose' },
    ],
    message: ({ missing, found }, who) =>
      `${who} does not have ${listed(missing)} in its extended key usage; it has ${listed(found)}.`,
    remedy: ({ wanted }) => `Reissue it with "extendedKeyUsage = ${wanted.join(', ')}".`,
  }),
  'usage/extended-key-usage-nested': row<{ missing: string; found: string[]; leaf: string }>({
    severity: 'error',
    meaning:
      'A CA’s extended key usage limits everything below it. etcd logs "incompatible key usage" although the leaf itself is right.',
    source: 'Go crypto/x509 checkChainForKeyUsage; RFC 5280 section 4.2.1.12; etcd issue #9398',
    refusals: [
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
      ...WRONG_PURPOSE,
    ],
    message: ({ missing, found, leaf }, who) =>
      `${who} limits the certificates below it to ${listed(found)}, and "${leaf}" needs ${missing}.`,
    remedy: ({ leaf }) =>
      `Reissue the CA certificate without extendedKeyUsage, or with serverAuth and clientAuth. Or reissue "${leaf}" from another CA.`,
  }),
  'usage/gateway-client-auth-missing': row<{ found: string[]; ofCa: boolean }>({
    severity: 'warning',
    meaning:
      'etcd’s gRPC gateway (/v3/…, on by default) dials its own client port and presents the server certificate as its client certificate. Without clientAuth, or below a CA that limits certificates to serverAuth, every gateway request fails with 503 "remote error: tls: bad certificate"; gRPC clients are not affected. As a peer certificate it forms no quorum.',
    source:
      'etcd issues #9785 and #9398; etcd server/embed/serve.go; Go crypto/x509 checkChainForKeyUsage; kubeadm certlist.go',
    refusals: [
      { by: 'etcd', words: 'error reading server preface: remote error: tls: bad certificate' },
      { by: 'Go', words: 'x509: certificate specifies an incompatible key usage' },
    ],
    message: ({ found, ofCa }, who) =>
      `${who} ${ofCa ? `limits the certificates below it to ${listed(found)}` : 'has serverAuth but not clientAuth'}. etcd's gateway, which presents ${ofCa ? 'the server certificate' : 'it'} as a client, answers 503.`,
    remedy: ({ ofCa }) =>
      `Reissue ${ofCa ? 'the CA certificate without extendedKeyUsage, or' : 'it'} with "extendedKeyUsage = serverAuth, clientAuth". Or start etcd with --client-cert-file and --client-key-file of a clientAuth certificate, or with --enable-grpc-gateway=false.`,
  }),
  'usage/any-extended-key-usage': row<{ refused: boolean }>({
    severity: errorIfRefused,
    meaning:
      'anyExtendedKeyUsage allows every purpose, which no member or client of etcd needs. It satisfies Go and etcd, but Node refuses a server certificate that relies on it with INVALID_PURPOSE.',
    source: 'OpenSSL purpose check; RFC 5280 section 4.2.1.12',
    refusals: [...WRONG_PURPOSE.map((each) => ({ ...each, when: isRefused }))],
    message: ({ refused }, who) =>
      refused
        ? `${who} relies on anyExtendedKeyUsage, which Node refuses for a server.`
        : `${who} is valid for every purpose (anyExtendedKeyUsage).`,
    remedy: () => 'Reissue it with "extendedKeyUsage = clientAuth" (for a member: serverAuth, clientAuth).',
  }),
  'usage/extended-key-usage-absent': row<NoDetails>({
    severity: 'info',
    meaning: 'A certificate without an extended key usage is valid for every purpose, as server and as client.',
    source: 'RFC 5280 section 4.2.1.12',
    message: (_, who) => `${who} has no extended key usage, so it is valid for every purpose.`,
    remedy: () => 'Add "extendedKeyUsage = clientAuth" (for a member: serverAuth, clientAuth) at the next renewal.',
  }),
  'usage/extended-key-usage-critical': row<NoDetails>({
    severity: 'info',
    meaning: 'A critical extended key usage is allowed but unusual; the public web PKI forbids it.',
    source: 'CA/Browser Forum Baseline Requirements 7.1.2.7.10',
    message: (_, who) => `${who} marks its extended key usage as critical.`,
    remedy: () => 'Remove "critical" from extendedKeyUsage at the next renewal.',
  }),
  'usage/anchor-extended-key-usage': row<{ found: string[] }>({
    severity: 'info',
    meaning: 'The trust anchor carries an extended key usage, which limits everything below it in Go and OpenSSL.',
    source: 'CA/Browser Forum Baseline Requirements 7.1.2.1',
    message: ({ found }, who) => `${who} is a root with an extended key usage (${listed(found)}).`,
    remedy: () => 'Omit extendedKeyUsage in the next root: it limits every certificate below.',
  }),
  'usage/cert-sign-missing': row<{ found: string[] }>({
    severity: 'error',
    meaning:
      'The CA’s key usage does not allow it to sign certificates. OpenSSL, and so Node, does not accept it as the issuer.',
    source: 'RFC 5280 section 6.1.4 (n)',
    refusals: [
      { by: 'Go', words: 'x509: invalid signature: parent certificate cannot sign this kind of certificate' },
      { by: 'Node', words: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      { by: 'Node', words: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
      { by: 'OpenSSL', words: 'unable to get local issuer certificate' },
      { by: 'OpenSSL', words: 'key usage does not include certificate signing' },
    ],
    message: ({ found }, who) => `${who} issued a certificate, but its key usage (${listed(found)}) lacks keyCertSign.`,
    remedy: () => 'Reissue the CA certificate with "keyUsage = critical, keyCertSign, cRLSign".',
  }),
  'usage/digital-signature-missing': row<{ found: string[]; refused: boolean }>({
    severity: errorIfRefused,
    meaning:
      'The key usage omits digitalSignature, which TLS 1.3 requires of a certificate that signs the handshake (RFC 8446 section 4.4.2.2). Neither Go nor OpenSSL enforces that rule. OpenSSL, and so Node, refuses a server whose key usage has none of digitalSignature, keyEncipherment and keyAgreement. In TLS 1.2, to which etcd 3.5.0 to 3.5.7 is limited, Node refuses such a server if its key is of an elliptic curve.',
    source:
      'OpenSSL check_purpose_ssl_server (KU_TLS) and ssl_check_srvr_ecc_cert_and_alg; RFC 8446 section 4.4.2.2; RFC 5280 section 4.2.1.3',
    refusals: [
      ...WRONG_PURPOSE.map((each) => ({ ...each, when: isRefused })),
      { by: 'Node', words: 'ERR_SSL_ECC_CERT_NOT_FOR_SIGNING', when: ({ refused }) => !refused },
    ],
    message: ({ found, refused }, who) =>
      `${who} has a key usage (${listed(found)}) without digitalSignature, which ${refused ? 'a TLS server needs' : 'TLS 1.3 requires'}.`,
    remedy: () => 'Reissue it with "keyUsage = critical, digitalSignature" (and keyEncipherment for an RSA key).',
  }),
  'usage/netscape-type-unsuited': row<NoDetails>({
    severity: 'error',
    meaning:
      'The certificate carries nsCertType, the predecessor of extendedKeyUsage, without "server". OpenSSL, and so Node, still checks it; Go does not.',
    source: 'OpenSSL purpose check (ns_reject); x509v3_config(5), Netscape Certificate Type',
    refusals: WRONG_PURPOSE,
    message: (_, who) => `${who} has a Netscape certificate type (nsCertType) without "server".`,
    remedy: () => 'Reissue it without nsCertType.',
  }),
  'usage/key-usage-absent': row<NoDetails>({
    severity: 'info',
    meaning: 'A CA without a key usage can use its key for every purpose.',
    source: 'RFC 5280 section 4.2.1.3',
    message: (_, who) => `${who} is a CA without a key usage.`,
    remedy: () => 'Add "keyUsage = critical, keyCertSign, cRLSign" at the next renewal of the CA.',
  }),
}
