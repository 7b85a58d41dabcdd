/** The words of OpenSSL and BoringSSL, which openssl, curl, Node, Python, Ruby, nginx and gRPC core pass on, and the codes of Node. */
import { ALERTS } from './alerts.js'
import { DECIDE, type LineRow, NGINX_REFUSES, UNTRUSTED_SERVER } from './line.js'

const NOT_FOUND_LOCALLY = [
  'chain/issuer-not-found',
  'chain/no-trust-anchors',
  'chain/issuer-key-differs',
  'chain/anchor-not-self-signed',
  'chain/authority-differs',
  'chain/openssl-picks-other-path',
  'usage/key-usage-missing',
  'certificate/extension-refused',
] as const
const PURPOSE = [
  'usage/extended-key-usage-missing',
  'usage/any-extended-key-usage',
  'usage/key-usage-missing',
  'usage/netscape-type-unsuited',
] as const
const MISSING_CRL = [
  'revocation/no-crl',
  'revocation/crl-scope',
  'revocation/crl-unsupported',
  'revocation/crl-signer-differs',
  'revocation/crl-extension-refused',
] as const
const BAD_SIGNATURE = ['chain/issuer-key-differs', 'signature/invalid', 'chain/openssl-picks-other-path'] as const
const CRL_SIGNATURE = [
  'revocation/crl-signer-differs',
  'revocation/openssl-picks-other-crl',
  'revocation/crl-algorithm-refused',
] as const

type Code = LineRow['codes'][number]
type Verification = readonly [
  id: string,
  words: string,
  node: string | null,
  codes: readonly Code[],
  meaning: string,
  example: string,
]

/** Reasons for which OpenSSL refuses a chain, with Node's code for each. */
const VERIFICATIONS: readonly Verification[] = [
  [
    'issuer-not-local',
    'unable to get local issuer certificate',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    NOT_FOUND_LOCALLY,
    "No CA in the CA file issued the last certificate of the chain, or an intermediate is missing in the server's file.",
    'verify error:num=20:unable to get local issuer certificate',
  ],
  [
    'first-certificate',
    'unable to verify the first certificate',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    NOT_FOUND_LOCALLY,
    'The server sent one certificate, and no CA in the CA file issued it.',
    'verify error:num=21:unable to verify the first certificate',
  ],
  [
    'issuer',
    'unable to get issuer certificate',
    'UNABLE_TO_GET_ISSUER_CERT',
    [
      'chain/anchor-not-self-signed',
      'chain/issuer-not-found',
      'certificate/key-identifier-unusual',
      'signature/key-mismatch',
    ],
    'The CA file has an intermediate and not the root above it.',
    'verify error:num=2:unable to get issuer certificate',
  ],
  [
    'self-signed-in-chain',
    'self[- ]signed certificate in certificate chain',
    'SELF_SIGNED_CERT_IN_CHAIN',
    ['chain/root-not-trusted', 'chain/issuer-key-differs'],
    'The server sends its root, which is not in the CA file.',
    'verify error:num=19:self-signed certificate in certificate chain',
  ],
  [
    'self-signed',
    'self[- ]signed certificate(?! in (?:certificate )?chain)',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    ['chain/root-not-trusted', 'config/auto-tls'],
    "The server's certificate is self-signed, as with --auto-tls.",
    'verify error:num=18:self-signed certificate',
  ],
  [
    'expired',
    'certificate has expired(?! or is)',
    'CERT_HAS_EXPIRED',
    ['validity/expired', 'validity/clock-suspect', 'handshake/clock-compared'],
    'A certificate of the chain has expired, by the clock of this machine.',
    'verify error:num=10:certificate has expired',
  ],
  [
    'not-yet-valid',
    'certificate is not yet valid',
    'CERT_NOT_YET_VALID',
    ['validity/not-yet-valid', 'validity/clock-suspect', 'handshake/clock-compared'],
    'A certificate of the chain is not valid yet, by the clock of this machine.',
    'verify error:num=9:certificate is not yet valid',
  ],
  [
    'address',
    'IP address mismatch|no alternative certificate subject name matches target ipv[46] address',
    null,
    ['san/host-not-covered'],
    'The certificate does not have the IP address that was dialled.',
    'verify error:num=64:IP address mismatch',
  ],
  [
    'host',
    "[Hh]ostname mismatch|no alternative certificate subject name matches target|does not match target host|verify SAN list|does not match certificate's altnames",
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ['san/host-not-covered', 'handshake/server-name'],
    'The certificate does not have the host name that was dialled.',
    "SSL: no alternative certificate subject name matches target host name 'etcd-1'",
  ],
  [
    'purpose',
    '(?:unsuitable|unsupported) certificate purpose',
    'INVALID_PURPOSE',
    PURPOSE,
    'The certificate is not for servers: its extended key usage lacks serverAuth.',
    'verify error:num=26:unsuitable certificate purpose',
  ],
  [
    'digest',
    'CA signature digest algorithm too weak|(?<!certificate:)ca md too weak',
    'ERR_SSL_CA_MD_TOO_WEAK',
    ['signature/algorithm-refused', 'handshake/context-refused'],
    'A certificate is signed with SHA-1, which the security level of OpenSSL refuses.',
    'verify error:num=68:CA signature digest algorithm too weak',
  ],
  [
    'key-size',
    '(?:EE|CA) certificate key too weak|(?<!certificate:)ee key too small|dh key too small|certificate key too weak',
    null,
    ['key/weak', 'request/key-refused', 'handshake/server-certificate-refused'],
    'A key is shorter than the security level of OpenSSL allows, as under the crypto policy of RHEL or Debian.',
    'verify error:num=66:EE certificate key too weak',
  ],
  [
    'revoked',
    'certificate revoked',
    'CERT_REVOKED',
    ['revocation/revoked', 'revocation/openssl-picks-other-crl'],
    'The CRL lists the certificate.',
    'verify error:num=23:certificate revoked',
  ],
  [
    'crl-expired',
    'CRL has expired',
    'CRL_HAS_EXPIRED',
    ['revocation/crl-not-current'],
    'The next update of the CRL is in the past.',
    'verify error:num=12:CRL has expired',
  ],
  [
    'crl-early',
    'CRL is not yet valid',
    'CRL_NOT_YET_VALID',
    ['revocation/crl-not-current', 'validity/clock-suspect'],
    'The CRL is not valid yet, by the clock of this machine.',
    'verify error:num=11:CRL is not yet valid',
  ],
  [
    'crl-missing',
    'unable to get certificate CRL|different CRL scope',
    'UNABLE_TO_GET_CRL',
    MISSING_CRL,
    'Revocation is checked, and there is no CRL of the issuer.',
    'verify error:num=3:unable to get certificate CRL',
  ],
  [
    'crl-signature',
    'CRL signature failure',
    'CRL_SIGNATURE_FAILURE',
    CRL_SIGNATURE,
    'The CRL does not verify with the key of the CA of that name.',
    'verify error:num=8:CRL signature failure',
  ],
  [
    'crl-sign',
    'key usage does not include CRL signing',
    null,
    ['revocation/crl-sign-missing'],
    'The key usage of the CA does not allow it to sign CRLs.',
    'verify error:num=35:key usage does not include CRL signing',
  ],
  [
    'crl-extension',
    'unhandled critical CRL extension',
    null,
    ['revocation/crl-extension-refused'],
    'The CRL has a critical extension that OpenSSL does not know.',
    'verify error:num=36:unhandled critical CRL extension',
  ],
  [
    'signature',
    'certificate signature failure',
    'CERT_SIGNATURE_FAILURE',
    BAD_SIGNATURE,
    'A CA of that name has another key than the one that signed.',
    'verify error:num=7:certificate signature failure',
  ],
  [
    'invalid-ca',
    'invalid CA certificate',
    'INVALID_CA',
    ['constraints/not-a-ca', 'credentials/anchor-is-no-ca'],
    'The certificate that issued another one is not a CA.',
    'verify error:num=79:invalid CA certificate',
  ],
  [
    'cert-sign',
    'key usage does not include certificate signing',
    null,
    ['usage/key-usage-missing'],
    'The key usage of a CA lacks keyCertSign.',
    'verify error:num=32:key usage does not include certificate signing',
  ],
  [
    'path-length',
    'path length constraint exceeded|certificate chain too long',
    'PATH_LENGTH_EXCEEDED',
    ['constraints/path-too-long'],
    'A CA, or the depth limit of the client, does not allow as many intermediates as there are.',
    'verify error:num=25:path length constraint exceeded',
  ],
  [
    'name-constraints',
    '(?:permitted|excluded) subtree violation|unsupported name constraint type',
    null,
    ['name-constraints/name-refused', 'name-constraints/common-name-refused', 'name-constraints/name-unreadable'],
    'The name constraints of a CA do not allow a name of the certificate, or OpenSSL does not compare names of its kind.',
    'verify error:num=47:permitted subtree violation',
  ],
  [
    'extension',
    'unhandled critical extension|proxy subject name violation',
    null,
    ['certificate/extension-refused'],
    'A certificate has a critical extension that OpenSSL does not know.',
    'verify error:num=34:unhandled critical extension',
  ],
]

const VERIFICATION_LINES: readonly LineRow[] = VERIFICATIONS.flatMap(
  ([id, words, node, codes, meaning, example]): LineRow[] => {
    const shared = {
      direction: 'client-refuses-server',
      codes,
      meaning,
      decide: id.startsWith('crl-') ? DECIDE.crl : DECIDE.verifyServer,
    } as const
    const row: LineRow = {
      ...shared,
      id: `openssl/${id}`,
      program: 'OpenSSL',
      pattern: `^(?!.*(?:${NGINX_REFUSES})).*(?:${words})`,
      example,
    }
    if (node === null) return [row]
    const code: LineRow = {
      ...shared,
      id: `node/${id}`,
      program: 'Node',
      pattern: `\\b${node}\\b`,
      example: `code: '${node}'`,
    }
    return [code, row]
  },
)

/** The alerts of a server, by the names of OpenSSL and BoringSSL: `sslv3 alert bad certificate`, `SSLV3_ALERT_BAD_CERTIFICATE`. */
const ALERT_LINES: readonly LineRow[] = (Object.keys(ALERTS) as (keyof typeof ALERTS)[]).map((name) => {
  const alert = ALERTS[name]
  const words = name.replaceAll('_', ' ')
  return {
    id: `openssl/server-sent-${name.replaceAll('_', '-')}`,
    program: 'OpenSSL',
    // The alert for an unknown name has no "alert" before it in OpenSSL 3.
    pattern:
      name === 'unrecognized_name'
        ? 'unrecognized name|UNRECOGNIZED_NAME'
        : `alert ${words}|ALERT_${name.toUpperCase()}|TLSV1_${name.toUpperCase()}\\b`,
    direction: 'client-refused-by-server',
    meaning: alert.meaningClient,
    codes: alert.ofClient,
    decide: alert.decideClient,
    example:
      name === 'unrecognized_name'
        ? 'error:0A000458:SSL routines::tlsv1 unrecognized name:SSL alert number 112'
        : `error:0A000412:SSL routines::ssl/tls alert ${words}`,
  }
})

const OTHER_LINES: readonly LineRow[] = [
  {
    id: 'openssl/no-client-certificate',
    program: 'OpenSSL',
    pattern: 'peer did not return a certificate|PEER_DID_NOT_RETURN_A_CERTIFICATE',
    direction: 'server-refuses-client',
    meaning: 'A server with OpenSSL in front of etcd wrote this: the client sent no certificate.',
    codes: ['handshake/client-certificate-missing', 'key/unsupported', 'chain/client-ca-not-given'],
    decide: DECIDE.handshake,
    example: 'error:0A0000C7:SSL routines::peer did not return a certificate',
    source: 'https://github.com/openssl/openssl/blob/master/ssl/ssl_err.c',
  },
  {
    id: 'openssl/wrong-version',
    program: 'OpenSSL',
    pattern:
      'wrong version number|WRONG_VERSION_NUMBER|packet length too long|http request\\b|HTTP_REQUEST|https proxy request|unknown protocol',
    direction: 'no-refusal',
    meaning: "The client uses TLS, and the server answered in another protocol: the port is http, or is not etcd's.",
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'config/tls-unused'],
    decide: DECIDE.plaintext,
    example: 'error:0A00010B:SSL routines::wrong version number',
  },
  {
    id: 'openssl/closed',
    program: 'OpenSSL',
    pattern:
      'unexpected eof while reading|UNEXPECTED_EOF_WHILE_READING|EOF occurred in violation of protocol|SSL_ERROR_SYSCALL|Connection reset by peer in connection to|ssl handshake failure|SSL_connect: Connection reset|Error in the HTTP2 framing layer|Empty reply from server',
    direction: 'unclear',
    meaning:
      'The server closed the connection without an alert: it is stopping, it is a proxy without a backend, it does not use TLS, or its CRL lists the client.',
    codes: [
      'endpoint/closed',
      'handshake/closed-without-alert',
      'revocation/revoked',
      'endpoint/wrong-protocol',
      'config/crl-unreadable',
    ],
    decide: DECIDE.handshake,
    example: 'error:0A000126:SSL routines::unexpected eof while reading',
  },
  {
    id: 'openssl/unsupported-protocol',
    program: 'OpenSSL',
    pattern:
      ':unsupported protocol|no protocols available|UNSUPPORTED_PROTOCOL|no shared cipher|no suitable signature algorithm',
    direction: 'client-refuses-server',
    meaning: 'Client and server have no version of TLS, cipher suite or signature algorithm in common.',
    codes: ['handshake/no-common-parameters', 'config/tls-versions-disjoint', 'config/cipher-suites-unfit'],
    decide: DECIDE.handshake,
    example: 'error:0A000102:SSL routines::unsupported protocol',
  },
  {
    id: 'openssl/key-mismatch',
    program: 'OpenSSL',
    pattern: 'key values mismatch|KEY_VALUES_MISMATCH|key type mismatch|unable to set private key file',
    direction: 'no-refusal',
    meaning: "The client's key is not the key of its certificate, or its file has the certificates in the wrong order.",
    codes: ['key/mismatch', 'handshake/context-refused', 'credentials/leaf-not-first'],
    decide: DECIDE.keyFits,
    example: 'error:05800074:x509 certificate routines::key values mismatch',
  },
  {
    id: 'openssl/key-encrypted',
    program: 'OpenSSL',
    pattern: 'bad decrypt|BAD_DECRYPT|bad password read|interrupted or cancelled|Invalid private key',
    direction: 'no-refusal',
    meaning:
      "The client's key is encrypted and no passphrase, or a wrong one, was given; or its format is not one that the client reads.",
    codes: ['key/passphrase-refused', 'key/encryption-refused', 'key/malformed'],
    decide: DECIDE.file,
    example: 'error:1C800064:Provider routines::bad decrypt',
  },
  {
    id: 'openssl/no-pem',
    program: 'OpenSSL',
    pattern:
      'no start line|NO_START_LINE|PEM lib|PEM_LIB|bad base64 decode|error setting certificate (?:verify locations|file)|Could not load any root certificate|could not load PEM client certificate|client certificate not found|[Ee]rror opening [Cc]ertificate|[Ee]rror opening [Pp]rivate [Kk]ey|Could not (?:read|open|find) (?:any )?(?:certificate|client certificate|private key)|pem routines',
    direction: 'no-refusal',
    meaning: 'A file of the client is missing or is not the PEM that the option expects.',
    codes: [
      'input/unexpected-content',
      'file/missing',
      'file/empty',
      'pem/damaged',
      'chain/no-trust-anchors',
      'credentials/swapped',
    ],
    decide: DECIDE.file,
    example: 'error:0480006C:PEM routines::no start line',
  },
  {
    id: 'openssl/ecc-certificate',
    program: 'OpenSSL',
    pattern: 'BAD_ECC_CERT|ecc cert not for signing|ECC_CERT_NOT_FOR_SIGNING',
    direction: 'client-refuses-server',
    meaning:
      'The TLS library does not accept the elliptic curve key of the server: its curve (P-384 and P-521 in old gRPC), or a key usage without digitalSignature.',
    codes: ['usage/key-usage-missing', 'key/unsupported'],
    decide: DECIDE.showServer,
    example: 'error:1000006b:SSL routines:OPENSSL_internal:BAD_ECC_CERT',
    source: 'https://github.com/kragniz/python-etcd3/issues/792',
  },
  {
    id: 'openssl/curl-expired-alert',
    program: 'OpenSSL',
    pattern: 'SSL certificate verification failed',
    direction: 'client-refused-by-server',
    meaning:
      "curl writes this if the server sent the alert for an expired certificate: the client's certificate is outside its validity, and not the server's.",
    codes: [
      'validity/expired',
      'validity/not-yet-valid',
      'handshake/client-certificate-refused',
      'handshake/clock-compared',
    ],
    decide: DECIDE.clocks,
    example: 'curl: (60) SSL certificate verification failed',
  },
  {
    id: 'openssl/verify-failed',
    program: 'OpenSSL',
    pattern: 'certificate verify failed|CERTIFICATE_VERIFY_FAILED|server certificate verification failed',
    direction: 'client-refuses-server',
    meaning: "The client refuses the server's certificate, and the line does not have the reason.",
    codes: [...UNTRUSTED_SERVER, 'san/host-not-covered', 'validity/expired', 'usage/extended-key-usage-missing'],
    decide: DECIDE.verifyServer,
    example: '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:645)',
  },
]

export const OPENSSL_LINES: readonly LineRow[] = [...ALERT_LINES, ...VERIFICATION_LINES, ...OTHER_LINES]
