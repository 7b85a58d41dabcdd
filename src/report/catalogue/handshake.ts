/** Findings about TLS handshakes: alerts, closed connections, and missing certificate requests. */
import { type CertificateRef, error, info, warning } from '../row.js'
import { listed, quoted } from '../words.js'
import { originInShell } from './place.js'
import { describeAlert, INTERNAL_ERROR, nameAlert } from './alerts.js'

/** An alert of the server about the client certificate. */
export interface AlertDetails {
  endpoint: string
  /** RFC 8446 section 6. */
  alert: number
  /** The certificates that the client presented, the leaf first. */
  chain: CertificateRef[]
}

const DAY = 86_400_000
/** RFC 8446 section 6.2: certificate_revoked, certificate_expired, certificate_required, unknown_ca. */
const REVOKED = 44
const EXPIRED = 45
const REQUIRED = 116
const UNKNOWN_CA = 48
const ETCD_LOG = 'etcd\'s log says which, in the line "rejected connection on client endpoint" (field "error")'

const isBad = ({ alert }: AlertDetails): boolean => alert !== REVOKED && alert !== EXPIRED
const isExpired = ({ alert }: AlertDetails): boolean => alert === EXPIRED
const isInternal = ({ alert }: { alert: number | null }): boolean => alert === INTERNAL_ERROR
const isRequired = ({ alert }: AlertDetails): boolean => alert === REQUIRED
const isVersion = ({ versions }: { versions: object | null }): boolean => versions !== null
const isNotVersion = ({ versions }: { versions: object | null }): boolean => versions === null

export interface ClientCaUnknown {
  endpoint: string
  /** The alert of the server, such as 48, unknown_ca; null if the CA is only the most likely cause, or if the server sent none. */
  alert: number | null
  /** The certificates that the client presented, the leaf first. */
  chain: CertificateRef[]
  /** The issuer of the last of them. */
  issuer: string
  /** The CAs that the server listed in its certificate request, at most 50; null if the list could not be read. */
  accepts: string[] | null
  /** Whether the list has the name of the issuer; null if there is no list. */
  listed: boolean | null
  /** The HTTP header `server` of the answer that refused the certificate, which proxies send and etcd does not; absent if there was none. */
  server?: string | undefined
  /**
   * What the client has of the issuer: its certificate as an intermediate in the CA file, which is not sent; the root that signed; or only
   * a certificate of that name with another key, which was sent. Null: nothing.
   */
  held: 'intermediate' | 'root' | 'another key' | null
}

export interface ClockCompared {
  endpoint: string
  peerTime: Date
  ownTime: Date
  /** The server's clock minus this machine's, in milliseconds. */
  offset: number
  /** Whether the offset is larger than the error of the measurement, a few seconds. */
  differs: boolean
  /** Whether the certificate would be valid if the server's clock were right. */
  explains: boolean
}

export interface ServerName {
  endpoint: string
  /** 112, unrecognized_name: the server refused the name, or that there was none; null if the name is only a possible cause. */
  alert: number | null
  /** The host that the certificate must cover. */
  name: string
  /** Whether it was sent as the server name (SNI); an IP address is not. */
  sent: boolean
  /** The names that the server certificate covers; empty if they are not known. */
  covered: string[]
  /** The server's certificate, if another server answered: it has names of other hosts only, and is not of a trusted CA; else null. */
  otherServer: string | null
}

export interface ClientCertificateRefused extends AlertDetails {
  commonName: string | null
  /** The subject alternative names. */
  names: string[]
  /** The latest notBefore of the chain. */
  begin: Date
  /** The time since `begin`, in milliseconds. */
  age: number
  /** For alert 45, certificate_expired; null for every other alert. */
  validity: {
    /** The limit of a validity nearest to now: the server's clock is most likely beyond it. */
    edge: 'not-before' | 'not-after'
    date: Date
    /** The time between now and `date`, in milliseconds. */
    distance: number
    /** The state of the certificates by this machine's clock. */
    here: 'valid' | 'expired' | 'not-yet-valid'
    /** Whether the clocks of both sides were compared, and agree. */
    clocksAgree: boolean
  } | null
  /** The TLS library of the server: `other` is not that of etcd. Null if it is not known. */
  library: 'Go' | 'other' | null
}

export interface ClosedWithoutAlert extends Pick<ClientCertificateRefused, 'library'> {
  endpoint: string
  protocol: string
  chain: CertificateRef[]
}

export interface ClientCertificateMissing extends AlertDetails {
  /** The key algorithm, if OpenSSL did not send the certificate because of it; else null. */
  keyAlgorithm: string | null
}

export interface ClientCertificateNotAsked {
  endpoint: string
  /** The certificate that the server presented. */
  subject: string
  issuer: string
  /** The HTTP header `server`, which proxies send and etcd does not; null if absent. */
  server: string | null
}

export interface NoCommonParameters {
  endpoint: string
  alert: number | null
  /** The TLS versions that the client offers, if the server supports none of them; else null. */
  versions: { min: string; max: string } | null
}

export interface Failed {
  endpoint: string
  /** The alert of the server; null if the handshake failed in the client. */
  alert: number | null
  /** Whether the client had sent its certificate; null if the handshake ended before it could be sent. */
  certificateSent: boolean | null
  errorCode: string
  detail: string
}

export const handshake = {
  'handshake/server-certificate-refused': error((d: { endpoint: string; reason: string; chain: CertificateRef[] }) => [
    `The certificate that ${d.endpoint} presented is refused (${d.reason}).`,
    WEAK.test(d.reason)
      ? `${strengthen(d.reason)} ${POLICY}`
      : `Reissue the server's certificate. "openssl s_client -showcerts ${connectArguments(d.endpoint)} </dev/null" shows what the server sends.`,
  ]).refusedAs({
    Node: ['EE certificate key too weak', 'CA certificate key too weak'],
    when: ({ reason }) => WEAK.test(reason),
  }),
  'handshake/client-ca-unknown': error((d: ClientCaUnknown, who, { inside }) => [
    unknownCaMessage(d, who, inside),
    unknownCaRemedy(d),
  ]).refusedAs({
    Go: 'remote error: tls: unknown certificate authority',
    Node: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    OpenSSL: 'tlsv1 alert unknown ca',
    when: ({ alert }) => alert === UNKNOWN_CA,
  }),
  'handshake/clock-compared': info((d: ClockCompared) => [
    d.differs
      ? `The clock of ${d.endpoint} says ${d.peerTime.toISOString()}, and this machine's ${d.ownTime.toISOString()}: they are ${durationText(Math.abs(d.offset))} apart${d.explains ? ', which explains the refusal' : ''}.`
      : `The clock of ${d.endpoint} agrees with this machine's.`,
    d.differs
      ? `Compare both machines with a time server ("timedatectl timesync-status" or "chronyc tracking"), and set the clock that is wrong${d.explains ? '' : '; then renew the certificate as well'}.`
      : 'Renew the certificate that is out of its validity. If it is valid by "date -u", set the clock of the server that refused it.',
  ]).or('warning', ({ differs }) => differs),
  'handshake/server-name': error((d: ServerName) => [serverNameMessage(d), serverNameRemedy(d)]).or(
    'info',
    ({ alert, otherServer }) => alert === null && otherServer === null,
  ),
  'handshake/client-certificate-refused': error((d: ClientCertificateRefused, who) => [
    `${who} is refused by ${d.endpoint}${d.alert === REVOKED ? ' as revoked' : d.validity !== null ? ' as expired or not yet valid' : ''} (${nameAlert(d.alert)})${refusedReason(d)}.`,
    refusedRemedy(d),
  ]).refusedAs([
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
  ]),
  'handshake/client-certificate-missing': error((d: ClientCertificateMissing, who) => [
    d.keyAlgorithm === null
      ? `${d.endpoint} requires a client certificate and got none (${nameAlert(d.alert)}).`
      : `${who} was not sent to ${d.endpoint}, because the server does not accept signatures of its key (${d.keyAlgorithm}). The server then refused the connection, because it got no certificate (${nameAlert(d.alert)}).`,
    d.keyAlgorithm === null
      ? "Connect with credentials that hold a client certificate issued by a CA in etcd's --trusted-ca-file."
      : 'Issue the client certificate for an ECDSA P-256, RSA or Ed25519 key.',
  ]).refusedAs([
    { Go: "tls: client didn't provide a certificate" },
    {
      Go: 'remote error: tls: certificate required',
      Node: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      OpenSSL: 'tlsv13 alert certificate required',
      when: isRequired,
    },
  ]),
  'handshake/client-certificate-not-asked': warning((d: ClientCertificateNotAsked) => [
    `${d.endpoint} did not request a client certificate: ${d.server === null ? 'etcd there has no --client-cert-auth and --trusted-ca-file, or a proxy terminates TLS in front of it' : `the proxy "${d.server}" terminates TLS in front of etcd`}. The certificate there is "${d.subject}" of "${d.issuer}".`,
    `${d.server === null ? 'If that is the certificate of a proxy, let' : 'Let'} the proxy forward TCP connections, or verify client certificates itself.${d.server === null ? " If it is etcd's, start etcd with --client-cert-auth and --trusted-ca-file, and without --auto-tls." : ''}`,
  ]),
  'handshake/closed-without-alert': error((d: ClosedWithoutAlert, _who, { inside }) =>
    d.library === 'other'
      ? [
          `${d.endpoint} is not etcd, but most likely a proxy that does not reach etcd: it closed the connection right after the ${d.protocol} handshake, without an alert.`,
          `Read the log of the proxy at ${d.endpoint}: etcd must run behind it, and must not refuse what it presents (a PROXY protocol header, or a certificate of its own). Or use the URLs of the members themselves.`,
        ]
      : [
          `${d.endpoint} closed the connection right after the ${d.protocol} handshake, without an alert, as etcd does if its --client-crl-file revokes ${inside}, or is missing or broken.`,
          `On the server, run "openssl crl -noout -text -in FILE" with the FILE of --client-crl-file. If it lists the serial number${d.chain[0] === undefined ? '' : ` ${d.chain[0].serialNumber}`}, issue a new certificate. If it fails, fix the file (etcd 3.6 reads DER only). ${ETCD_LOG}. ${d.library === null ? 'If a proxy is there, check that it reaches etcd. ' : ''}Otherwise this is not a client port.`,
        ],
  ).refusedAs({
    etcd: ['transport: certificate serial … revoked', 'tls: "…" does not match any of DNSNames […] (…)'],
    Go: 'x509: certificate is valid for …, not …',
  }),
  'handshake/no-common-parameters': error((d: NoCommonParameters) => [
    d.versions === null
      ? `${d.endpoint} found no cipher suite or signature algorithm in common with this client${d.alert === null ? '' : ` (${nameAlert(d.alert)})`}.`
      : `${d.endpoint} does not support the TLS versions that the client offers (${d.versions.min === d.versions.max ? d.versions.min : `${d.versions.min} to ${d.versions.max}`}).`,
    d.versions === null
      ? "Compare tls.ciphers with etcd's --cipher-suites; an ECDSA certificate of the server needs an ECDHE_ECDSA suite, an RSA one an RSA suite."
      : "Compare tls.minVersion and tls.maxVersion with etcd's --tls-min-version and --tls-max-version (etcd 3.5.0 to 3.5.7 speak TLS 1.2 only).",
  ]).refusedAs([
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
  ]),
  'handshake/failed': error((d: Failed) =>
    d.alert === null
      ? [
          `The TLS handshake with ${d.endpoint} failed here (${d.errorCode}): ${d.detail}.`,
          `"openssl s_client ${connectArguments(d.endpoint)} -cert client.crt -key client.key -CAfile ca.crt </dev/null" shows the handshake step by step.`,
        ]
      : describeAlert(d.endpoint, d.alert, d.certificateSent === null),
  ).refusedAs({
    Go: [
      'tls: private key does not match public key',
      'tls: failed to find any PEM data in certificate input',
      'tls: failed to parse private key',
      'open …: too many open files',
    ],
    Node: 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR',
    OpenSSL: 'tlsv1 alert internal error',
    when: isInternal,
  }),
  'handshake/context-refused': error((d: { origin: string; errorCode: string; detail: string }) => [
    `OpenSSL does not accept the credentials from ${d.origin} (${d.errorCode}): ${d.detail}.`,
    /_TOO_(?:SMALL|WEAK)$/.test(d.errorCode)
      ? `Issue the certificate for an ECDSA P-256 key, signed with SHA-256 or better. ${POLICY}`
      : 'Issue the certificate for an ECDSA P-256, RSA or Ed25519 key, signed with SHA-256 or better.',
  ]).refusedAs({ Node: ['ERR_SSL_CA_MD_TOO_WEAK', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'] }),
}

/** Messages of OpenSSL (crypto/x509/x509_txt.c) for certificates below its security level. */
const WEAK = /^(?:EE|CA) .*too weak/
const POLICY =
  'The OpenSSL of this Node has a security level (@SECLEVEL in the openssl.cnf that it loads; on RHEL, "update-crypto-policies --show") that requires stronger ones: level 3 requires RSA of 3072 bits.'

function strengthen(reason: string): string {
  if (reason.includes('digest')) return 'Reissue the certificate, signed with SHA-256 or better.'
  return reason.startsWith('EE')
    ? "Reissue the server's certificate with an ECDSA P-256 key."
    : 'Issue the certificates from a CA with an ECDSA P-256 key, and trust that CA.'
}

function exampleName(covered: string[]): string {
  const name = covered.find((each) => !each.startsWith('*'))
  return name === undefined ? '' : `, such as ${name}`
}

/** RFC 8446 section 6.2, bad_certificate: of OpenSSL for a certificate that is not yet valid, of etcd for one that its options do not allow. */
const BAD = 42

function refusedReason({ alert, library, begin, validity }: ClientCertificateRefused): string {
  if (validity?.here === 'valid' && validity.clocksAgree)
    return ', although it is valid and both clocks agree: a CA certificate that the server trusts has expired'
  if (alert !== BAD || library !== 'other') return ''
  return `, by a server that is not etcd, such as haproxy or nginx: most likely its clock is slow, and the certificate is valid only since ${begin.toISOString()}`
}

function refusedRemedy({ alert, validity, names, commonName, age, begin, library }: ClientCertificateRefused): string {
  if (alert === REVOKED) return 'Present a new certificate; a revoked one does not become valid again.'
  if (validity !== null) return expiryRemedy(validity)
  if (alert === BAD && library === 'other')
    return 'Compare "date -u" on this machine and on that of the proxy, and set the clock that is wrong. If they agree, the log of the proxy says what it does not accept.'
  const list = `If etcd has --client-cert-allowed-hostname, a subject alternative name of the certificate (${quoted(names)}) must match it; if it has allowed-cn, the common name (${commonName === null ? 'none' : `"${commonName}"`}) must be listed. ${ETCD_LOG}.`
  return alert !== BAD || age >= DAY || library === 'Go'
    ? list
    : `${list} If an OpenSSL server (haproxy, nginx) is there, compare "date -u" on both machines: the certificate is valid only since ${begin.toISOString()}, and a clock that is slow by ${durationText(age)} or more has the same effect.`
}

function expiryRemedy({
  edge,
  date,
  distance,
  here,
  clocksAgree,
}: NonNullable<ClientCertificateRefused['validity']>): string {
  switch (here) {
    case 'expired':
      return 'Renew the certificate. If the client follows its source, as it does with fromFiles, fromEnv and fromKubernetesSecret, the client uses the new one automatically. Otherwise call client.tls.rotate().'
    case 'not-yet-valid':
      return 'Compare "date -u" on this machine and on the one that issued the certificate, and set the clock that is wrong; or wait until the certificate begins.'
    case 'valid':
      if (clocksAgree)
        return 'Run "openssl x509 -noout -dates" for each certificate in the CA file of the server (etcd: --trusted-ca-file), replace the one that has expired, and restart etcd, which reads the file only at its start.'
      return `By this machine's clock it is valid. So the server's clock is ${edge === 'not-before' ? 'slow' : 'fast'} by ${durationText(distance)} or more (the nearest end of a validity is ${date.toISOString()}), this machine's clock is wrong, or a CA that the server trusts has expired. Compare "date -u" on both machines, and set the clock that is wrong. Otherwise look at each certificate in the server's CA file with "openssl x509 -noout -dates".`
  }
}

function unknownCaMessage(d: ClientCaUnknown, who: string, inside: string): string {
  const alert = d.alert === null ? '' : ` (${nameAlert(d.alert)})`
  if (d.alert === UNKNOWN_CA && isSelfSigned(d))
    return `${d.endpoint} does not trust ${inside}, which is self-signed${alert}. ${acceptedCas(d)}`
  if (d.alert === UNKNOWN_CA) {
    const key = d.held === 'another key' ? ': the certificate of that name that was sent with it has another key' : ''
    return `${d.endpoint} does not trust "${d.issuer}", the issuer of ${inside}${alert}${key}. ${acceptedCas(d)}`
  }
  return d.accepts === null
    ? `${who} was issued by "${d.issuer}", which ${d.endpoint} most likely does not trust: it is not one of the CAs in ca, and the server refused the certificate.`
    : `${d.endpoint} refuses ${inside}${alert}, and its issuer "${d.issuer}" is not in the list of CAs that the server accepts. ${acceptedCas(d)}`
}

function unknownCaRemedy(d: ClientCaUnknown): string {
  const showIdentifier = `"openssl x509 -noout -ext authorityKeyIdentifier -in ${clientFile(d)}"`
  if (d.alert !== UNKNOWN_CA && d.accepts === null)
    return `If "${d.issuer}" is an intermediate, append its certificate to the certificate file. Otherwise use a certificate of a CA in etcd's --trusted-ca-file (or in the CA file of a proxy there), or add "${d.issuer}" to that file and ${applyCaFile(d)}.`
  if (d.held === 'another key')
    return `Replace "${d.issuer}" in ${clientFile(d)} by the certificate of that name that signed the first one, whose subjectKeyIdentifier ${showIdentifier} shows.`
  if (d.held === 'intermediate')
    return `Append the certificate of the intermediate "${d.issuer}" to the certificate file. It is only in the CA file, which is not sent to the server.`
  if (d.listed === true)
    return `Compare the two CAs of that name. ${showIdentifier} must show the subjectKeyIdentifier of a CA in etcd's --trusted-ca-file, and that CA must not have expired ("openssl x509 -noout -enddate"). Reissue the client certificate by that CA. Or add the CA that issued it to the file and ${applyCaFile(d)}.`
  if (isSelfSigned(d))
    return "Issue the client's certificate from a CA in etcd's --trusted-ca-file: cert-manager's SelfSigned issuer and \"openssl req -x509\" use none."
  const append = `If "${d.issuer}" is an intermediate, append its certificate to ${clientFile(d)}: it was not sent. Otherwise compare`
  const file =
    d.server === undefined
      ? "etcd's --trusted-ca-file, or in the CA file of a proxy there"
      : `the CA file of the proxy "${d.server}"${isNginx(d) ? ' (ssl_client_certificate)' : ''}`
  return `${d.held === 'root' ? 'Compare' : append} "openssl x509 -noout -issuer -ext authorityKeyIdentifier -in ${clientFile(d)}" with the certificates in ${file}, and present a certificate of one of those CAs. Or add the CA to that file and ${applyCaFile(d)}.`
}

function serverNameMessage({ endpoint, alert, name, sent, covered, otherServer }: ServerName): string {
  if (otherServer !== null)
    return `Most likely another server answered at ${endpoint}, because no server name was sent to an IP address: its certificate "${otherServer}" is for other hosts, and not of a CA that the client trusts.`
  if (alert !== null)
    return sent
      ? `The server at ${endpoint} has no certificate for the name ${name} (${nameAlert(alert)}).`
      : `The server at ${endpoint} refuses a connection without a server name, and none was sent, because ${name} is an IP address (${nameAlert(alert)}).`
  const what = sent
    ? `The server name "${name}" was sent to ${endpoint}`
    : `No server name was sent to ${endpoint}, because it is an IP address`
  return `${what}${covered.length === 0 ? '' : `; the certificate there covers ${listed(covered)}`}.`
}

function serverNameRemedy({ alert, covered, otherServer }: ServerName): string {
  if (otherServer !== null)
    return 'If a router that selects by server name is there, set serverName to the name of the etcd behind it. Otherwise check the address and the port.'
  return alert !== null
    ? 'Set serverName to a name that the router or proxy in front of etcd serves, or connect to etcd directly.'
    : `If a router that selects by server name, a tunnel or a port-forward is there, set serverName to the name of the etcd behind it${exampleName(covered)}.`
}

function isNginx({ server }: ClientCaUnknown): boolean {
  return server !== undefined && /nginx|openresty/i.test(server)
}

/** Servers read the file of CAs only at their start. */
function applyCaFile(d: ClientCaUnknown): string {
  if (d.server !== undefined) return `reload the proxy${isNginx(d) ? ' ("nginx -s reload")' : ''}`
  return 'restart etcd or reload the proxy, which read the file only at their start'
}

function clientFile({ chain }: ClientCaUnknown): string {
  return originInShell(chain[0]?.origin, 'client.crt')
}

/** A certificate that is alone and has the name of its issuer. */
function isSelfSigned({ chain, issuer }: ClientCaUnknown): boolean {
  return chain.length === 1 && chain[0]?.subject === issuer
}

function acceptedCas(d: ClientCaUnknown): string {
  const { accepts, listed, held } = d
  if (accepts === null) return 'The list of CAs that the server accepts could not be read.'
  if (accepts.length === 0)
    return "It named no CA: etcd's --trusted-ca-file has no certificate, or is not set, and etcd trusts the CAs of its system."
  const names = `It accepts certificates of ${quoted(accepts)}`
  return listed === true
    ? `${names}: that CA has another key, or has expired.`
    : held !== null || isSelfSigned(d)
      ? `${names}.`
      : `${names}; if one of these issued it, it is an intermediate whose certificate was not sent.`
}

function durationText(milliseconds: number): string {
  const minutes = Math.ceil(milliseconds / 60_000)
  if (minutes < 120) return `${String(minutes)} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${String(hours)} h` : `${String(Math.floor(hours / 24))} days`
}

/** The arguments of `openssl s_client` for the endpoint. */
function connectArguments(endpoint: string): string {
  return endpoint.startsWith('unixs://')
    ? `-unix ${endpoint.slice('unixs://'.length)}`
    : `-connect ${endpoint.replace('https://', '')}`
}
