/** Findings about handshakes: what a TLS peer answered, in an alert, by closing, or by what it did not ask for. */
import type { CertificateRef } from '../certificate-ref.js'
import { row } from '../row.js'
import { listed, quoted } from '../words.js'

/** An alert that the server sent about our certificate. */
export interface AlertDetails {
  endpoint: string
  /** RFC 8446 section 6. */
  alert: number
  /** What we presented, the leaf first. */
  chain: CertificateRef[]
}

const DAY = 86_400_000
/** RFC 8446 section 6.2: certificate_revoked, certificate_expired, internal_error, certificate_required. */
const REVOKED = 44
const EXPIRED = 45
const INTERNAL_ERROR = 80
const REQUIRED = 116
const ETCD_LOG = 'etcd’s log says which, in the line "rejected connection on client endpoint" (field "error")'

const isAlert = ({ alert }: { alert: number | null }): boolean => alert !== null
const isBad = ({ alert }: AlertDetails): boolean => alert !== REVOKED && alert !== EXPIRED
const isExpired = ({ alert }: AlertDetails): boolean => alert === EXPIRED
const isInternal = ({ alert }: { alert: number | null }): boolean => alert === INTERNAL_ERROR
const isRequired = ({ alert }: AlertDetails): boolean => alert === REQUIRED
const isVersion = ({ versions }: { versions: object | null }): boolean => versions !== null
const isNotVersion = ({ versions }: { versions: object | null }): boolean => versions === null

export const handshake = {
  'handshake/server-certificate-refused': row<{ endpoint: string; reason: string; chain: CertificateRef[] }>({
    message: ({ endpoint, reason }) => `The certificate that ${endpoint} presented is refused (${reason}).`,
    remedy: ({ endpoint }) =>
      `Fix the server’s certificate or the trusted CAs, as the other findings describe. "openssl s_client -showcerts ${target(endpoint)} </dev/null" shows what the server sends.`,
  }),
  'handshake/client-ca-unknown': row<{
    endpoint: string
    /** 48, unknown_ca; null: the server did not say so, and refused a certificate that does not lead to a CA in `ca`. */
    alert: 48 | null
    /** What we presented, the leaf first. */
    chain: CertificateRef[]
    /** Who issued the last certificate that was sent. */
    issuer: string
    /** The CAs whose certificates the server says it accepts; null if it did not say (TLS 1.3 alone). */
    accepts: string[] | null
    /** Whether that issuer is among them, by name; null if the server did not say. */
    listed: boolean | null
    /** Whether that issuer is an intermediate whose certificate is in the CA file and was not sent. */
    notSent: boolean
  }>({
    refusals: {
      Go: 'remote error: tls: unknown certificate authority',
      Node: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      OpenSSL: 'tlsv1 alert unknown ca',
      when: isAlert,
    },
    message: ({ endpoint, alert, issuer, accepts, listed }, who) =>
      alert === null
        ? `${who} was issued by "${issuer}", which ${endpoint} most likely does not trust: it is not one of the CAs in ca, and the server refused the certificate.`
        : `${who} is refused by ${endpoint}: it does not trust its issuer "${issuer}" (alert ${String(alert)}, unknown CA). ${acceptance(accepts, listed)}`,
    remedy: ({ alert, issuer, listed, notSent }) => {
      if (alert === null)
        return `If "${issuer}" is an intermediate, append its certificate to the certificate file. Otherwise use a certificate of a CA in etcd’s --trusted-ca-file, or add "${issuer}" to that file and restart etcd.`
      if (notSent)
        return `Append the certificate of the intermediate "${issuer}" to the certificate file: it stands in the CA file alone, and only the certificate file is sent to the server.`
      return listed === true
        ? 'Compare the two CAs of that name: "openssl x509 -noout -ext authorityKeyIdentifier -in client.crt" must show the subjectKeyIdentifier of a CA in etcd’s --trusted-ca-file, and "openssl x509 -noout -enddate" an end of that CA that is not over. Have the certificate issued by that CA, or add the CA that issued it to the file and restart etcd, which reads it only at start.'
        : 'Compare "openssl x509 -noout -issuer -ext authorityKeyIdentifier -in client.crt" with the certificates in etcd’s --trusted-ca-file. Present a certificate of one of those CAs, with its intermediates in the same file; or add the CA to that file and restart etcd, which reads it only at start.'
    },
  }),
  'handshake/clock-compared': row<{
    /** Whose clock it is. */
    endpoint: string
    peerTime: Date
    ownTime: Date
    /** The server's clock minus this machine's, in milliseconds. */
    offset: number
    /** Whether that is more than the few seconds that the reading takes. */
    differs: boolean
    /** Whether the certificate would be accepted if the server's clock were right. */
    explains: boolean
  }>({
    severity: ({ differs }) => (differs ? 'warning' : 'info'),
    message: ({ endpoint, peerTime, ownTime, offset, differs, explains }) =>
      differs
        ? `The clock of ${endpoint} says ${peerTime.toISOString()}, and this machine’s ${ownTime.toISOString()}: they are ${span(Math.abs(offset))} apart${explains ? ', which explains the refusal' : ''}.`
        : `The clock of ${endpoint} agrees with this machine’s.`,
    remedy: ({ differs, explains }) =>
      differs
        ? `Compare both machines with a time server ("timedatectl timesync-status" or "chronyc tracking"), and set the clock that is wrong${explains ? '' : '; the certificate is to be renewed all the same'}.`
        : 'Renew the certificate that is out of its validity. If it is valid by "date -u", set the clock of the server that refused it.',
  }),
  'handshake/server-name': row<{
    endpoint: string
    /** 112, unrecognized_name: the server refused the name, or the lack of one; null: the name may be why the endpoint failed. */
    alert: number | null
    /** The name to cover. An IP address is not sent as a server name (SNI). */
    name: string
    sent: boolean
    /** The names that the server's certificate covers; empty if it is not known. */
    covered: string[]
  }>({
    severity: ({ alert }) => (alert === null ? 'info' : 'error'),
    message: ({ endpoint, alert, name, sent, covered }) => {
      if (alert !== null)
        return sent
          ? `The server at ${endpoint} has no certificate for the name ${name} (alert ${String(alert)}).`
          : `The server at ${endpoint} refuses a connection without a server name, and none was sent, because ${name} is an IP address (alert ${String(alert)}).`
      return `${sent ? `The server name "${name}" was sent to ${endpoint}` : `No server name was sent to ${endpoint}, because it is an IP address`}${covered.length === 0 ? '' : `; the certificate there covers ${listed(covered)}`}.`
    },
    remedy: ({ alert, covered }) => {
      if (alert !== null)
        return 'Set serverName to a name that the router or proxy before etcd serves, or reach etcd directly.'
      const name = covered.find((each) => !each.startsWith('*'))
      return `If a router that chooses by server name, a tunnel or a port-forward stands there, set serverName to the name of the etcd behind it${name === undefined ? '' : `, such as ${name}`}.`
    },
  }),
  'handshake/client-certificate-refused': row<
    AlertDetails & {
      commonName: string | null
      /** The subject alternative names. */
      names: string[]
      /** The begin of the validity that began last. */
      begin: Date
      /** How long that is ago, in milliseconds. */
      age: number
      /** For alert 45, "expired": the times of our certificates; null for every other alert. */
      validity: {
        /** The end of a validity that is nearest: the one that the server's clock is most likely beyond. */
        edge: 'not-before' | 'not-after'
        date: Date
        /** How far from now, in milliseconds. */
        distance: number
        /** What the certificates are by this machine's clock. */
        here: 'valid' | 'expired' | 'not-yet-valid'
      } | null
    }
  >({
    refusals: [
      {
        Go: 'remote error: tls: bad certificate',
        etcd: 'client certificate authentication failed',
        Node: ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE'],
        OpenSSL: 'ssl/tls alert bad certificate',
        when: isBad,
      },
      {
        Go: 'remote error: tls: expired certificate',
        Node: ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED'],
        OpenSSL: 'ssl/tls alert certificate expired',
        when: isExpired,
      },
    ],
    message: ({ endpoint, alert, validity }, who) =>
      `${who} is refused by ${endpoint}${alert === REVOKED ? ' as revoked' : validity !== null ? ' as expired or not yet valid' : ''} (alert ${String(alert)}).`,
    remedy: ({ alert, begin, age, commonName, names, validity }) => {
      if (alert === REVOKED) return 'Present a new certificate; a revoked one does not become valid again.'
      if (validity !== null) return expiryRemedy(validity)
      const list = `If etcd has --client-cert-allowed-hostname, a subject alternative name of the certificate (${quoted(names)}) must match it; if it has allowed-cn, the common name (${commonName === null ? 'none' : `"${commonName}"`}) must be listed. ${ETCD_LOG}.`
      if (alert !== 42 || age >= DAY) return list
      return `${list} If an OpenSSL server (haproxy, nginx) stands there, compare "date -u" on both machines: the certificate is valid only since ${begin.toISOString()}, and a clock that is slow by ${span(age)} or more has the same effect.`
    },
  }),
  'handshake/client-certificate-missing': row<
    AlertDetails & {
      /** The algorithm of our key, if it is why OpenSSL did not send our certificate; null if that is not known. */
      keyAlgorithm: string | null
    }
  >({
    refusals: [
      { Go: "tls: client didn't provide a certificate" },
      {
        Go: 'remote error: tls: certificate required',
        Node: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
        OpenSSL: 'tlsv13 alert certificate required',
        when: isRequired,
      },
    ],
    message: ({ endpoint, alert, keyAlgorithm }, who) =>
      keyAlgorithm === null
        ? `${endpoint} requires a client certificate and got none (alert ${String(alert)}).`
        : `${who} was not sent to ${endpoint}, because its key (${keyAlgorithm}) fits nothing that the server accepts; the server then refused the connection for want of a certificate.`,
    remedy: ({ keyAlgorithm }) =>
      keyAlgorithm === null
        ? 'Connect with credentials that hold a client certificate issued by a CA in etcd’s --trusted-ca-file.'
        : 'Issue the client certificate for an ECDSA P-256, RSA or Ed25519 key.',
  }),
  'handshake/client-certificate-not-asked': row<{
    endpoint: string
    /** The certificate that the server presented. */
    subject: string
    issuer: string
    /** What the server calls itself, as a proxy does and etcd never; null if it does not say. */
    server: string | null
  }>({
    severity: 'warning',
    message: ({ endpoint, subject, issuer, server }) =>
      `${endpoint} did not ask for a client certificate. ${server === null ? 'Either a proxy ends TLS in front of etcd, or etcd lets everyone in' : `The proxy "${server}" ends TLS in front of etcd`}. The certificate there is "${subject}" of "${issuer}".`,
    remedy: ({ server }) =>
      `${server === null ? 'If that is the certificate of a proxy, let' : 'Let'} the proxy pass TCP connections on, or verify client certificates itself.${server === null ? ' If it is etcd’s, start etcd with --client-cert-auth and --trusted-ca-file, and without --auto-tls.' : ''}`,
  }),
  'handshake/closed-without-alert': row<{ endpoint: string; protocol: string; chain: CertificateRef[] }>({
    refusals: {
      etcd: ['transport: certificate serial … revoked', 'tls: "…" does not match any of DNSNames […] (…)'],
      Go: 'x509: certificate is valid for …, not …',
    },
    message: ({ endpoint, protocol }, who) =>
      `${endpoint} closed the connection right after the ${protocol} handshake, without an alert. etcd does so if ${lowerFirst(who)} is revoked, or if its CRL file is missing or broken, which closes out every client; a proxy does so if it does not reach etcd.`,
    remedy: ({ chain }) =>
      `On the server, run "openssl crl -noout -text -in FILE" with the FILE of etcd’s --client-crl-file. If it lists the serial number${chain[0] === undefined ? '' : ` ${chain[0].serialNumber}`}, issue a new certificate. If it fails, fix the file (etcd 3.6 reads DER only). ${ETCD_LOG}. If a proxy stands there, check that it reaches etcd. Otherwise this is not a client port.`,
  }),
  'handshake/no-common-parameters': row<{
    endpoint: string
    alert: number | null
    /** The TLS versions that this client offers, if none of them suits the server; else null. */
    versions: { min: string; max: string } | null
  }>({
    refusals: [
      {
        Go: 'tls: client offered only unsupported versions: […]',
        Node: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
        when: isVersion,
      },
      {
        Go: 'tls: no cipher suite supported by both client and server',
        Node: ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
        when: isNotVersion,
      },
    ],
    message: ({ endpoint, alert, versions }) =>
      versions === null
        ? `${endpoint} found no cipher suite or signature algorithm in common with this client${alert === null ? '' : ` (alert ${String(alert)})`}.`
        : `${endpoint} does not support the TLS versions that the client offers (${versions.min === versions.max ? versions.min : `${versions.min} to ${versions.max}`}).`,
    remedy: ({ versions }) =>
      versions === null
        ? 'Compare tls.ciphers with etcd’s --cipher-suites; an ECDSA certificate of the server needs an ECDHE_ECDSA suite, an RSA one an RSA suite.'
        : 'Compare tls.minVersion and tls.maxVersion with etcd’s --tls-min-version and --tls-max-version (etcd 3.5.0 to 3.5.7 speak TLS 1.2 only).',
  }),
  'handshake/failed': row<{
    endpoint: string
    /** The TLS alert that the server sent; null: the handshake failed on this side. */
    alert: number | null
    errorCode: string
    detail: string
  }>({
    refusals: {
      Go: [
        'tls: private key does not match public key',
        'tls: failed to find any PEM data in certificate input',
        'tls: failed to parse private key',
      ],
      Node: 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR',
      OpenSSL: 'tlsv1 alert internal error',
      when: isInternal,
    },
    message: ({ endpoint, alert, errorCode, detail }) => {
      if (alert === null) return `The TLS handshake with ${endpoint} failed here (${errorCode}): ${detail}.`
      return alert === INTERNAL_ERROR
        ? `${endpoint} could not present its certificate (alert ${String(alert)}, internal error).`
        : `${endpoint} ended the handshake with TLS alert ${String(alert)}.`
    },
    remedy: ({ endpoint, alert }) => {
      if (alert === null)
        return `"openssl s_client ${target(endpoint)} -cert client.crt -key client.key -CAfile ca.crt </dev/null" shows the handshake step by step.`
      return alert === INTERNAL_ERROR
        ? 'Check on the server that --cert-file and --key-file exist, belong together ("openssl x509 -noout -pubkey" and "openssl pkey -pubout" print the same), and that the key is not encrypted.'
        : `Look at the server’s log for the cause; RFC 8446 section 6.2 defines alert ${String(alert)}.`
    },
  }),
  'handshake/context-refused': row<{ origin: string; errorCode: string; detail: string }>({
    refusals: { Node: ['ERR_SSL_CA_MD_TOO_WEAK', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'] },
    message: ({ origin, errorCode, detail }) =>
      `OpenSSL does not take the credentials from ${origin} (${errorCode}): ${detail}.`,
    remedy: () => 'Issue the certificate for an ECDSA P-256, RSA or Ed25519 key, signed with SHA-256 or better.',
  }),
}

function expiryRemedy(validity: {
  edge: 'not-before' | 'not-after'
  date: Date
  distance: number
  here: 'valid' | 'expired' | 'not-yet-valid'
}): string {
  const { edge, date, distance, here } = validity
  switch (here) {
    case 'expired':
      return 'Renew the certificate. If the client follows its source, as it does with fromFiles, fromEnv and fromKubernetesSecret, it takes the new one automatically; otherwise call client.tls.rotate().'
    case 'not-yet-valid':
      return 'Compare "date -u" on this machine and on the one that issued the certificate, and set the clock that is wrong; or wait until the certificate begins.'
    case 'valid':
      return `By this machine’s clock it is valid. So the server’s clock is ${edge === 'not-before' ? 'slow' : 'fast'} by ${span(distance)} or more (the nearest end of a validity is ${date.toISOString()}), this machine’s clock is wrong, or a CA that the server trusts has expired. Compare "date -u" on both machines, and set the clock that is wrong. Otherwise look at each certificate in the server’s CA file with "openssl x509 -noout -dates".`
  }
}

function acceptance(accepts: string[] | null, listed: boolean | null): string {
  if (accepts === null) return 'The server did not send the list of CAs it accepts.'
  if (accepts.length === 0) return 'It lists no CA at all: its --trusted-ca-file may hold no certificate.'
  const names = `It accepts certificates of ${quoted(accepts)}`
  return listed === true
    ? `${names}: that CA has another key, or has expired.`
    : `${names}; if one of these issued that CA, its certificate was not sent along.`
}

function span(milliseconds: number): string {
  const minutes = Math.ceil(milliseconds / 60_000)
  if (minutes < 120) return `${String(minutes)} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${String(hours)} h` : `${String(Math.floor(hours / 24))} days`
}

/** Where `openssl s_client` has to connect to. */
function target(endpoint: string): string {
  return endpoint.startsWith('unixs://')
    ? `-unix ${endpoint.slice('unixs://'.length)}`
    : `-connect ${endpoint.replace('https://', '')}`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
