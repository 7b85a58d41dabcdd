/** The words of Go's crypto/x509 and crypto/tls. A server (etcd) and a client (etcdctl, kube-apiserver, a member that dials another one) have the same. */
import type { FindingCode } from '../finding.js'
import {
  clientExample,
  DECIDE,
  inServerLog,
  type LineRow,
  notInServerLog,
  serverExample,
  UNTRUSTED_CLIENT,
  UNTRUSTED_SERVER,
} from './line.js'

/** Words with which Go refuses a certificate. */
interface GoRefusal {
  readonly id: string
  readonly words: string
  readonly example: string
  readonly versions?: string
  readonly meaning: string
  /** The causes if a server refuses a client; absent if servers do not write these words. */
  readonly ofClient?: readonly FindingCode[]
  /** The causes if a client refuses a server; absent if clients do not write these words. */
  readonly ofServer?: readonly FindingCode[]
  readonly decideClient?: string
  readonly decideServer?: string
  readonly source?: string
}

const both = (...codes: FindingCode[]): Pick<GoRefusal, 'ofClient' | 'ofServer'> => ({
  ofClient: codes,
  ofServer: codes,
})

const REFUSALS: readonly GoRefusal[] = [
  {
    id: 'expired',
    words: 'certificate has expired or is not yet valid: current time \\S+ is after',
    example:
      'x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2026-01-01T00:00:00Z',
    versions: 'Go 1.14 and later',
    meaning: 'A certificate of the chain has expired, by the clock of the machine that wrote the line.',
    ofClient: [
      'validity/expired',
      'handshake/client-certificate-refused',
      'handshake/client-ca-unknown',
      'config/ca-expired',
      'validity/clock-suspect',
    ],
    ofServer: ['validity/expired', 'config/ca-expired', 'handshake/clock-compared', 'validity/clock-suspect'],
    decideClient: DECIDE.clocks,
    decideServer: DECIDE.showServer,
  },
  {
    id: 'not-yet-valid',
    words: 'certificate has expired or is not yet valid: current time \\S+ is before',
    example:
      'x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is before 2026-01-02T03:04:05Z',
    versions: 'Go 1.14 and later',
    meaning: 'A certificate of the chain is not valid yet: it is new and the clock of one machine is wrong.',
    ofClient: [
      'validity/not-yet-valid',
      'handshake/client-certificate-refused',
      'validity/clock-suspect',
      'config/ca-expired',
    ],
    ofServer: ['validity/not-yet-valid', 'handshake/clock-compared', 'validity/clock-suspect', 'config/ca-expired'],
    decideClient: DECIDE.clocks,
    decideServer: DECIDE.showServer,
  },
  {
    id: 'expired-or-early',
    words: 'certificate has expired or is not yet valid',
    example: 'x509: certificate has expired or is not yet valid',
    versions: 'Go before 1.14',
    meaning: 'A certificate of the chain is outside its validity, by the clock of the machine that wrote the line.',
    ofClient: [
      'validity/expired',
      'validity/not-yet-valid',
      'handshake/client-certificate-refused',
      'config/ca-expired',
    ],
    ofServer: ['validity/expired', 'validity/not-yet-valid', 'config/ca-expired', 'handshake/clock-compared'],
    decideClient: DECIDE.clocks,
    decideServer: DECIDE.showServer,
    source: 'https://github.com/ben1234560/k8s_PaaS/issues/42',
  },
  // Go writes these words inside those of an unknown authority.
  {
    id: 'insecure-algorithm',
    words: 'cannot verify signature: (?:insecure algorithm|algorithm unimplemented)',
    example: 'x509: cannot verify signature: insecure algorithm SHA1-RSA',
    meaning:
      'A certificate of the chain is signed with SHA-1 or MD5, which Go refuses, or with an algorithm that Go does not support.',
    ...both('signature/algorithm-refused'),
    decideClient: DECIDE.verifyClient,
    decideServer: DECIDE.showChain,
  },
  {
    id: 'candidate-authority',
    words: 'certificate signed by unknown authority \\(possibly because of(?! .?.x509: cannot verify signature)',
    example:
      'x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "etcd-ca")',
    meaning:
      'A trusted CA has the name of the issuer and another key. The CA was created again, and one side still has the old certificate or the old CA file.',
    ofClient: ['handshake/client-ca-unknown', 'chain/issuer-key-differs', 'signature/invalid'],
    ofServer: ['chain/issuer-key-differs', 'signature/invalid'],
    decideClient: DECIDE.verifyClient,
    decideServer: DECIDE.verifyServer,
  },
  {
    id: 'unknown-authority',
    words: 'certificate signed by unknown authority',
    example: 'x509: certificate signed by unknown authority',
    meaning:
      'The chain does not lead to a CA in the CA file of the side that wrote the line. etcd reads that file at its start.',
    ofClient: [...UNTRUSTED_CLIENT, 'pem/layout-unusual', 'chain/issuer-name-respelled'],
    ofServer: [
      ...UNTRUSTED_SERVER,
      'config/member-not-trusted',
      'config/client-and-peer-swapped',
      'pem/layout-unusual',
      'chain/issuer-name-respelled',
    ],
    decideClient: DECIDE.acceptedCas,
    decideServer: DECIDE.verifyServer,
  },
  {
    id: 'no-ip-sans',
    words: "cannot validate certificate for \\S+ because it doesn't contain any IP SANs",
    example: "x509: cannot validate certificate for 10.0.0.5 because it doesn't contain any IP SANs",
    meaning: 'An IP address was dialled, and the certificate has no IP address in subjectAltName.',
    ofServer: ['san/host-not-covered', 'san/name-unusable', 'handshake/server-name'],
    decideServer: DECIDE.showServer,
  },
  {
    id: 'valid-for-others',
    words: 'x509: certificate is valid for ',
    example: 'x509: certificate is valid for etcd-0, localhost, not etcd-1',
    meaning: 'The names of the certificate do not include the name or address of the other side.',
    ofClient: ['config/peer-address-unprovable', 'handshake/closed-without-alert', 'config/metrics-address-check'],
    ofServer: ['san/host-not-covered', 'handshake/server-name', 'config/advertise-unreachable'],
    decideClient: DECIDE.showClient,
    decideServer: DECIDE.showServer,
  },
  {
    id: 'no-names',
    words: 'certificate is not valid for any names, but wanted to match',
    example: 'x509: certificate is not valid for any names, but wanted to match localhost',
    meaning: 'The certificate has no subjectAltName.',
    ofServer: ['san/host-not-covered'],
    decideServer: DECIDE.showServer,
  },
  {
    id: 'common-name-only',
    words: 'certificate relies on legacy Common Name field',
    example: 'x509: certificate relies on legacy Common Name field, use SANs instead',
    versions: 'Go 1.15 and later',
    meaning: 'The host name is only in the common name, which Go ignores since 1.15.',
    ofServer: ['san/host-not-covered'],
    decideServer: DECIDE.showServer,
  },
  {
    id: 'key-usage',
    words: 'certificate specifies an incompatible key usage',
    example: 'x509: certificate specifies an incompatible key usage',
    meaning:
      "The extended key usage lacks clientAuth (of the side that dials) or serverAuth (of the side that is dialled). Members and etcd's gateway dial with server certificates, which therefore need both.",
    ofClient: ['usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'],
    ofServer: ['usage/extended-key-usage-missing'],
    decideClient: DECIDE.showClient,
    decideServer: DECIDE.showServer,
  },
  {
    id: 'name-constraints',
    words:
      'is not authorized to sign for this name|issuer has name constraints but leaf|is not permitted by any constraint|is excluded by constraint',
    example:
      'x509: a root or intermediate certificate is not authorized to sign for this name: DNS name "etcd-1.example" is not permitted by any constraint',
    meaning: 'The name constraints of a CA do not allow a name of the certificate.',
    ...both('name-constraints/name-refused', 'san/host-not-covered'),
    decideClient: DECIDE.verifyClient,
    decideServer: DECIDE.verifyServer,
  },
  {
    id: 'not-a-ca',
    words:
      'certificate is not authorized to sign other certificates|parent certificate cannot sign this kind of certificate',
    example: 'x509: certificate is not authorized to sign other certificates',
    meaning: 'A certificate that is not a CA, or whose key usage lacks keyCertSign, issued another one of the chain.',
    ...both('constraints/not-a-ca', 'usage/key-usage-missing', 'credentials/anchor-is-no-ca'),
    decideClient: DECIDE.verifyClient,
    decideServer: DECIDE.showChain,
  },
  {
    id: 'path-length',
    words: 'too many intermediates for path length constraint',
    example: 'x509: too many intermediates for path length constraint',
    meaning: 'A CA does not allow as many intermediates below it as there are.',
    ...both('constraints/path-too-long'),
    decideClient: DECIDE.verifyClient,
    decideServer: DECIDE.showChain,
  },
  {
    id: 'unhandled-extension',
    words: 'x509: unhandled critical extension',
    example: 'x509: unhandled critical extension',
    meaning: 'A certificate of the chain has a critical extension that Go does not know.',
    ...both('certificate/extension-refused'),
    decideClient: 'openssl x509 -in {cert} -noout -text',
    decideServer: DECIDE.showChain,
  },
  {
    id: 'policies',
    words: 'x509: no valid chains built',
    example: 'x509: no valid chains built: 1 candidate chain with invalid policies',
    versions: 'Go 1.24 and later',
    meaning: 'The certificate policies of the chain do not agree with the constraints of its CAs.',
    ...both('certificate/policy-extension'),
    decideClient: 'openssl x509 -in {cert} -noout -text',
    decideServer: DECIDE.showChain,
  },
  {
    id: 'platform-verifier',
    words: 'certificate is not (?:trusted|standards compliant)',
    example: 'x509: "etcd" certificate is not trusted',
    versions: 'Go on macOS',
    meaning:
      'The verifier of macOS refused the certificate: its CA is not in the keychain, or it is valid for more than 825 days.',
    ofServer: [...UNTRUSTED_SERVER, 'validity/lifetime-long', 'san/host-not-covered'],
    decideServer: DECIDE.verifyServer,
    source: 'Go crypto/x509/root_darwin.go',
  },
]

const UNREADABLE =
  'x509: (?:cannot parse|certificate contains duplicate|inner and outer|invalid|malformed|negative serial|RSA key|subject key identifier|authority key identifier|unsupported elliptic curve|trailing data)'

/** After every other row of a certificate: Go cannot read it at all. */
const UNREADABLE_ROW: GoRefusal = {
  id: 'unreadable-certificate',
  words: UNREADABLE,
  example: 'x509: negative serial number',
  meaning: 'Go does not read a certificate that OpenSSL may accept. The words name the field.',
  ...both(
    'certificate/extension-refused',
    'certificate/serial-unusual',
    'certificate/name-malformed',
    'certificate/malformed',
    'san/name-unusable',
    'name-constraints/name-unreadable',
    'signature/algorithm-refused',
    'key/unsupported',
    'chain/unused-unread-by-go',
  ),
  decideClient: 'openssl x509 -in {cert} -noout -text',
  decideServer: DECIDE.showChain,
}

/** The words of a refused certificate in the log of a server, and in that of a client. */
function refusalRows(refusals: readonly GoRefusal[]): LineRow[] {
  return refusals.flatMap(({ id, words, example, ofClient, ofServer, decideClient, decideServer, ...more }) => [
    ...(ofClient === undefined
      ? []
      : [
          {
            ...more,
            id: `etcd/${id}`,
            program: 'etcd' as const,
            pattern: inServerLog(`(?:${words})`),
            direction: 'server-refuses-client' as const,
            codes: ofClient,
            decide: decideClient ?? DECIDE.showClient,
            example: serverExample(example),
          },
        ]),
    ...(ofServer === undefined
      ? []
      : [
          {
            ...more,
            id: `go/${id}`,
            program: 'Go' as const,
            pattern: notInServerLog(`(?:${words})`),
            direction: 'client-refuses-server' as const,
            codes: ofServer,
            decide: decideServer ?? DECIDE.showServer,
            example: clientExample(`tls: failed to verify certificate: ${example}`),
          },
        ]),
  ])
}

export const GO_REFUSALS: readonly LineRow[] = refusalRows(REFUSALS)

/** Go puts the name of a file, not an address, before what it cannot read. The parts of a URL are not a path. */
const FILE_ROW: LineRow = {
  id: 'go/certificate-file',
  program: 'Go',
  pattern: `(?<![\\w/:.\\]~-])(?:/[^\\s:"']{1,255}|[\\w./~-]{1,255}\\.(?:crt|cert|cer|pem|key))["']?: (?:asn1: |${UNREADABLE})`,
  direction: 'no-refusal',
  meaning: 'Go does not read a certificate or key in a file of this machine: the file is damaged, or Go is stricter.',
  codes: [
    'certificate/malformed',
    'input/unexpected-content',
    'pem/layout-unusual',
    'pem/damaged',
    'certificate/extension-refused',
    'key/malformed',
  ],
  decide: 'head -1 {file}; openssl x509 -in {file} -noout -text',
  example: 'Error: /etc/kubernetes/pki/etcd/ca.crt: x509: malformed certificate',
  source: 'Go crypto/x509: ParseCertificate',
}

/** Behind the lines of etcd about CRLs, which have similar words. */
export const GO_UNREADABLE: readonly LineRow[] = [FILE_ROW, ...refusalRows([UNREADABLE_ROW])]
