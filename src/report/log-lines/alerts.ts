/** TLS alerts: who sends them, and why. In the words of Go, "remote" is the side that sent the alert. */
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

/** A TLS alert, with the causes for either side that sent it. */
interface Alert {
  /** The words of Go. */
  readonly words: string
  /** What does not follow the words: that would be another alert. */
  readonly unlike?: string
  /** Sent by a client that refuses a server; absent if clients do not send it. */
  readonly ofServer?: readonly FindingCode[]
  /** Sent by a server that refuses a client. */
  readonly ofClient?: readonly FindingCode[]
  readonly meaningServer?: string
  readonly meaningClient?: string
  readonly decideServer?: string
  readonly decideClient?: string
}

/** By their names in the RFC. OpenSSL, Java and Rust have names of their own for each. */
export const ALERTS = {
  bad_certificate: {
    words: 'bad certificate',
    ofServer: [
      'san/host-not-covered',
      ...UNTRUSTED_SERVER,
      'validity/expired',
      'validity/not-yet-valid',
      'usage/extended-key-usage-missing',
      'signature/algorithm-refused',
      'config/member-not-trusted',
      'config/auto-tls',
    ],
    ofClient: [
      'handshake/client-certificate-refused',
      'usage/extended-key-usage-missing',
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'validity/expired',
      'validity/not-yet-valid',
      'usage/gateway-client-auth-missing',
      'config/gateway-refused',
      'config/member-not-trusted',
      'config/member-not-allowed',
    ],
    meaningServer:
      'A client in Go sends this alert for every fault of a server certificate: a missing name, another CA, an expired certificate.',
    meaningClient:
      'Servers in Go before 1.21 send it for every fault of a client certificate. Later ones send it if clientAuth is missing, or if a list of allowed names does not have the client.',
    decideServer: DECIDE.verifyServer,
    decideClient: DECIDE.showClient,
  },
  unknown_ca: {
    words: 'unknown certificate authority',
    ofServer: [...UNTRUSTED_SERVER, 'config/member-not-trusted', 'config/auto-tls'],
    ofClient: UNTRUSTED_CLIENT,
    meaningServer: "No CA in the client's CA file issued the server's certificate.",
    meaningClient: "No CA in the server's --trusted-ca-file issued the client's certificate.",
    decideServer: DECIDE.verifyServer,
    decideClient: DECIDE.acceptedCas,
  },
  certificate_expired: {
    words: 'expired certificate',
    ofServer: ['validity/expired', 'validity/not-yet-valid', 'handshake/clock-compared', 'config/ca-expired'],
    ofClient: [
      'validity/expired',
      'validity/not-yet-valid',
      'handshake/client-certificate-refused',
      'handshake/clock-compared',
      'config/ca-expired',
    ],
    meaningServer: "The server's certificate is outside its validity, by the client's clock.",
    meaningClient:
      "The client's certificate is outside its validity, by the server's clock. Go sends the same alert if it is not valid yet.",
    decideServer: DECIDE.showServer,
    decideClient: DECIDE.clocks,
  },
  certificate_required: {
    words: 'certificate required',
    ofClient: [
      'handshake/client-certificate-missing',
      'key/unsupported',
      'input/unexpected-content',
      'chain/client-ca-not-given',
    ],
    meaningClient:
      'The client sent no certificate: it has none configured, or its TLS library does not use the one that it has.',
    decideClient: DECIDE.handshake,
  },
  certificate_unknown: {
    words: 'unknown certificate',
    unlike: ' authority',
    ofServer: [...UNTRUSTED_SERVER, 'san/host-not-covered', 'usage/extended-key-usage-missing', 'validity/expired'],
    ofClient: ['handshake/client-certificate-refused', 'handshake/client-ca-unknown', 'validity/expired'],
    meaningServer: 'Clients in Java send this alert for every fault of a server certificate, most often another CA.',
    meaningClient: 'A server in Java or a proxy sends it for every fault of a client certificate.',
    decideServer: DECIDE.verifyServer,
    decideClient: DECIDE.acceptedCas,
  },
  unsupported_certificate: {
    words: 'unsupported certificate',
    ofServer: [
      'usage/extended-key-usage-missing',
      'usage/any-extended-key-usage',
      'usage/key-usage-missing',
      'key/unsupported',
    ],
    ofClient: ['usage/extended-key-usage-missing', 'key/unsupported', 'handshake/client-certificate-refused'],
    meaningServer:
      "The server's certificate is not for servers (serverAuth), or of a kind that the client does not support.",
    meaningClient:
      "The client's certificate is not for clients (clientAuth), or of a kind that the server does not support.",
    decideServer: DECIDE.showServer,
    decideClient: DECIDE.showClient,
  },
  certificate_revoked: {
    words: 'revoked certificate',
    ofServer: ['revocation/revoked'],
    ofClient: ['revocation/revoked', 'handshake/client-certificate-refused'],
    meaningServer: "A CRL of the client lists the server's certificate.",
    meaningClient: "A CRL of the server lists the client's certificate. etcd itself never sends this alert.",
    decideServer: DECIDE.showServer,
    decideClient: DECIDE.serial,
  },
  protocol_version: {
    words: 'protocol version not supported',
    ofClient: ['handshake/no-common-parameters', 'config/tls-versions-disjoint'],
    meaningClient:
      'The two have no version of TLS in common: etcd from 3.6 on, and every etcd with --tls-min-version, requires TLS 1.2 or 1.3.',
    decideClient: DECIDE.handshake,
  },
  handshake_failure: {
    words: 'handshake failure',
    ofServer: ['handshake/no-common-parameters'],
    ofClient: ['handshake/no-common-parameters', 'handshake/client-certificate-missing', 'config/cipher-suites-unfit'],
    meaningServer: 'The client found no cipher suite or signature algorithm that both support.',
    meaningClient:
      'The two have no cipher suite in common. In TLS 1.2, OpenSSL and Go from 1.25 on also send it if the client sent no certificate.',
    decideServer: DECIDE.handshake,
    decideClient: DECIDE.handshake,
  },
  internal_error: {
    words: 'internal error',
    ofServer: ['handshake/failed'],
    ofClient: ['handshake/failed', 'key/mismatch', 'file/missing', 'config/key-not-readable', 'endpoint/silent'],
    meaningServer: 'The client failed for a reason of its own, which only its log shows.',
    meaningClient:
      'etcd cannot use its own certificate and key, which it reads at each handshake, or has no file descriptor left. Its log has the reason.',
    decideServer: DECIDE.handshake,
    decideClient: DECIDE.etcdLog,
  },
  unrecognized_name: {
    words: 'unrecognized name',
    ofClient: ['handshake/server-name'],
    meaningClient: 'A TLS proxy has no certificate for the name that the client sent. etcd never sends this alert.',
    decideClient: DECIDE.handshake,
  },
  no_application_protocol: {
    words: 'no application protocol',
    ofClient: ['endpoint/wrong-protocol'],
    meaningClient:
      'The port does not support HTTP/2 over TLS: it is a peer port, a metrics port or a proxy without HTTP/2.',
    decideClient: DECIDE.handshake,
  },
  decrypt_error: {
    words: 'error decrypting message',
    ofServer: ['chain/issuer-key-differs', 'signature/invalid', 'key/mismatch'],
    ofClient: ['key/mismatch', 'signature/invalid'],
    meaningServer:
      "A signature does not verify: the server's certificate was not signed by the CA of that name that the client has, or its key is not the key of the certificate.",
    meaningClient: 'A signature of the client does not verify: its key is not the key of its certificate.',
    decideServer: DECIDE.verifyServer,
    decideClient: DECIDE.keyFits,
  },
} as const satisfies Readonly<Record<string, Alert>>

export const ALERT_NAMES = Object.keys(ALERTS) as (keyof typeof ALERTS)[]

function alertRows(): LineRow[] {
  return ALERT_NAMES.flatMap((name): LineRow[] => {
    const alert: Alert = ALERTS[name]
    const example = `remote error: tls: ${alert.words}`
    const words = alert.unlike === undefined ? example : `${example}(?!${alert.unlike})`
    const id = name.replaceAll('_', '-')
    return [
      ...(alert.ofServer === undefined
        ? []
        : [
            {
              id: `etcd/client-sent-${id}`,
              program: 'etcd' as const,
              pattern: inServerLog(words),
              direction: 'server-refused-by-client' as const,
              meaning: `"remote" is the client at remote-addr. ${alert.meaningServer ?? ''}`,
              codes: alert.ofServer,
              decide: alert.decideServer ?? DECIDE.verifyServer,
              example: serverExample(example),
            },
          ]),
      ...(alert.ofClient === undefined
        ? []
        : [
            {
              id: `go/server-sent-${id}`,
              program: 'Go' as const,
              pattern: notInServerLog(words),
              direction: 'client-refused-by-server' as const,
              meaning: `"remote" is the server that was dialled. ${alert.meaningClient ?? ''}`,
              codes: alert.ofClient,
              decide: alert.decideClient ?? DECIDE.showClient,
              example: clientExample(example),
            },
          ]),
    ]
  })
}

/**
 * In TLS 1.3 a client of OpenSSL sends its alert without encryption, before its Finished message, and Go cannot read it
 * (crypto/tls/conn.go).
 */
const UNREADABLE_ALERT: LineRow = {
  id: 'etcd/client-sent-unreadable-alert',
  program: 'etcd',
  versions: 'TLS 1.3',
  pattern: inServerLog('local error: tls: bad record MAC'),
  direction: 'server-refused-by-client',
  meaning:
    'A client with OpenSSL (curl, Python, Node, openssl) refuses the certificate. Go does not read its alert, and the words do not mean that bytes were damaged.',
  codes: ALERTS.bad_certificate.ofServer,
  decide: DECIDE.verifyServer,
  example: serverExample('local error: tls: bad record MAC'),
}

/** Alerts in the words of Go. */
export const GO_ALERTS: readonly LineRow[] = [...alertRows(), UNREADABLE_ALERT]
