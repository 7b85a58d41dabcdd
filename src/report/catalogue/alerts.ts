/**
 * The TLS alerts by their numbers (RFC 8446 section 6 and appendix B.2, RFC 5246 section 7.2, RFC 6066 section 9): what the server reports,
 * and what to do about it as a client of etcd. An alert reports what one side noticed, and not why.
 */
interface TlsAlert {
  readonly name: string
  /** What the server reports, as a clause. */
  readonly meaning: string
  readonly remedy: string
}

const CHANGED =
  "A proxy, a firewall or a VPN that inspects TLS changes such messages: compare with a connection to etcd's own port, from a machine next to it."
const LIBRARY =
  'Compare with tls.maxVersion "TLSv1.2". If that works, update the TLS library of the server or of the proxy in front of it.'
const CERTIFICATE =
  'Read the log of the server: it reports what it does not accept of the client certificate. "openssl x509 -noout -text -in client.crt" shows its names, usages and dates.'
const NEVER_BY_ETCD =
  "etcd never sends this alert. Read the log of the proxy or load balancer in front of it, or connect to etcd's own port."
const OBSOLETE =
  "No version of TLS that etcd supports uses this alert: check that the port is etcd's, and update what answers there."
const PARAMETERS =
  'Compare tls.minVersion, tls.maxVersion and tls.ciphers with what the server allows (etcd: --tls-min-version, --tls-max-version, --cipher-suites).'

const ALERTS: Readonly<Record<number, TlsAlert>> = {
  0: { name: 'close_notify', meaning: 'it closes the connection', remedy: NEVER_BY_ETCD },
  10: { name: 'unexpected_message', meaning: 'it received a message that it did not expect', remedy: CHANGED },
  20: { name: 'bad_record_mac', meaning: 'it could not decrypt what arrived there', remedy: CHANGED },
  21: { name: 'decryption_failed', meaning: 'it could not decrypt what arrived there', remedy: CHANGED },
  22: { name: 'record_overflow', meaning: 'it received a record that is too long', remedy: CHANGED },
  30: { name: 'decompression_failure', meaning: 'it could not decompress what arrived there', remedy: OBSOLETE },
  40: {
    name: 'handshake_failure',
    meaning: 'it accepts none of the parameters that the client offers, or not its certificate',
    remedy: PARAMETERS,
  },
  41: { name: 'no_certificate', meaning: 'it got no certificate', remedy: OBSOLETE },
  42: { name: 'bad_certificate', meaning: 'it does not accept a certificate', remedy: CERTIFICATE },
  43: { name: 'unsupported_certificate', meaning: 'it does not support a kind of certificate', remedy: CERTIFICATE },
  44: { name: 'certificate_revoked', meaning: 'a certificate is revoked', remedy: CERTIFICATE },
  45: { name: 'certificate_expired', meaning: 'a certificate is expired or not yet valid', remedy: CERTIFICATE },
  46: { name: 'certificate_unknown', meaning: 'it does not accept a certificate', remedy: CERTIFICATE },
  47: {
    name: 'illegal_parameter',
    meaning: 'a message of the client has a value that it does not accept',
    remedy: LIBRARY,
  },
  48: { name: 'unknown_ca', meaning: 'it does not trust the CA of a certificate', remedy: CERTIFICATE },
  49: {
    name: 'access_denied',
    meaning: 'a certificate is valid, and its access control refuses it',
    remedy:
      "etcd never sends this alert. Allow the certificate of this client in the access control of the proxy or service mesh in front of etcd, or connect to etcd's own port.",
  },
  50: {
    name: 'decode_error',
    meaning: 'it could not parse a message of the client, such as a certificate',
    remedy: `Check that Go parses the client certificate: validateChain reports what it does not parse. ${CHANGED}`,
  },
  51: {
    name: 'decrypt_error',
    meaning: 'a signature of the client does not match its certificate, or the handshake was changed',
    remedy: `Check that the key belongs to the certificate: "openssl x509 -noout -pubkey -in client.crt" and "openssl pkey -pubout -in client.key" print the same. ${CHANGED}`,
  },
  60: { name: 'export_restriction', meaning: 'it restricts the length of keys', remedy: OBSOLETE },
  70: { name: 'protocol_version', meaning: 'it supports none of the TLS versions of the client', remedy: PARAMETERS },
  71: { name: 'insufficient_security', meaning: 'it requires stronger cipher suites or keys', remedy: PARAMETERS },
  80: {
    name: 'internal_error',
    meaning:
      'the fault is on its side, and etcd sends it if it cannot load its --cert-file and --key-file or has no file descriptor left',
    remedy:
      'Read the log of the server. --cert-file and --key-file must exist and belong together ("openssl x509 -noout -pubkey" and "openssl pkey -pubout" print the same), and the key must not be encrypted. If the log has "too many open files", etcd has no file descriptor left: compare "ls /proc/PID/fd | wc -l" with "grep files /proc/PID/limits", and raise LimitNOFILE of its unit or close connections.',
  },
  86: { name: 'inappropriate_fallback', meaning: 'the client offers a lower TLS version than before', remedy: LIBRARY },
  90: { name: 'user_canceled', meaning: 'it gave the handshake up', remedy: NEVER_BY_ETCD },
  100: { name: 'no_renegotiation', meaning: 'it does not renegotiate', remedy: CHANGED },
  109: { name: 'missing_extension', meaning: 'the client did not send an extension that it requires', remedy: LIBRARY },
  110: { name: 'unsupported_extension', meaning: 'it received an extension that it does not allow', remedy: LIBRARY },
  111: { name: 'certificate_unobtainable', meaning: 'it could not fetch a certificate from a URL', remedy: OBSOLETE },
  112: { name: 'unrecognized_name', meaning: 'it has no certificate for the server name', remedy: NEVER_BY_ETCD },
  113: {
    name: 'bad_certificate_status_response',
    meaning: 'it does not accept an OCSP response',
    remedy: NEVER_BY_ETCD,
  },
  114: { name: 'bad_certificate_hash_value', meaning: 'the hash of a fetched certificate differs', remedy: OBSOLETE },
  115: { name: 'unknown_psk_identity', meaning: 'it does not know the pre-shared key', remedy: NEVER_BY_ETCD },
  116: { name: 'certificate_required', meaning: 'it requires a certificate', remedy: CERTIFICATE },
  120: { name: 'no_application_protocol', meaning: 'it does not support HTTP/2', remedy: NEVER_BY_ETCD },
  121: { name: 'ech_required', meaning: 'it requires an encrypted ClientHello', remedy: NEVER_BY_ETCD },
}

/** RFC 8446 section 6.2, internal_error. */
export const INTERNAL_ERROR = 80

/** Alerts that concern a certificate of the client, and so only one that was sent. */
const ABOUT_CERTIFICATE: ReadonlySet<number> = new Set([41, 42, 43, 44, 45, 46, 48, 49, 51, 111, 113, 114, 116])

/** `alert 42, bad_certificate`. */
export function nameAlert(alert: number): string {
  const known = ALERTS[alert]
  return `alert ${String(alert)}${known === undefined ? '' : `, ${known.name}`}`
}

/** The message and the remedy of an alert that ended a handshake with `endpoint`. */
export function describeAlert(endpoint: string, alert: number, isBeforeCertificate: boolean): [string, string] {
  const known = ALERTS[alert]
  if (isBeforeCertificate && ABOUT_CERTIFICATE.has(alert)) {
    return [
      `${endpoint} answered the first message of the handshake with ${nameAlert(alert)}. The client had not sent its certificate yet, so the alert is not about that.`,
      `Read the log of the server at ${endpoint}. It may be a proxy that passes on an alert of the server behind it, to which it presents its own certificate: check that one.`,
    ]
  }
  return known === undefined
    ? [
        `${endpoint} ended the handshake with TLS alert ${String(alert)}, which no TLS version defines.`,
        `Check that the port of ${endpoint} is etcd's, and read the log of the server there.`,
      ]
    : [`${endpoint} ended the handshake with ${nameAlert(alert)}: ${known.meaning}.`, known.remedy]
}
