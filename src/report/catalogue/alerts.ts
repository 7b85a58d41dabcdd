/**
 * The TLS alerts by their numbers (RFC 8446 section 6 and appendix B.2, RFC 5246 section 7.2, RFC 6066 section 9): what the server reports,
 * and what to do about it as a client of etcd. An alert reports what one side noticed, and not why.
 */

/** The meaning is what the server reports, as a clause. */
type TlsAlert = readonly [name: string, meaning: string, remedy: string]

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
  0: ['close_notify', 'it closes the connection', NEVER_BY_ETCD],
  10: ['unexpected_message', 'it received a message that it did not expect', CHANGED],
  20: ['bad_record_mac', 'it could not decrypt what arrived there', CHANGED],
  21: ['decryption_failed', 'it could not decrypt what arrived there', CHANGED],
  22: ['record_overflow', 'it received a record that is too long', CHANGED],
  30: ['decompression_failure', 'it could not decompress what arrived there', OBSOLETE],
  40: [
    'handshake_failure',
    'it accepts none of the parameters that the client offers, or not its certificate',
    PARAMETERS,
  ],
  41: ['no_certificate', 'it got no certificate', OBSOLETE],
  42: ['bad_certificate', 'it does not accept a certificate', CERTIFICATE],
  43: ['unsupported_certificate', 'it does not support a kind of certificate', CERTIFICATE],
  44: ['certificate_revoked', 'a certificate is revoked', CERTIFICATE],
  45: ['certificate_expired', 'a certificate is expired or not yet valid', CERTIFICATE],
  46: ['certificate_unknown', 'it does not accept a certificate', CERTIFICATE],
  47: ['illegal_parameter', 'a message of the client has a value that it does not accept', LIBRARY],
  48: ['unknown_ca', 'it does not trust the CA of a certificate', CERTIFICATE],
  49: [
    'access_denied',
    'a certificate is valid, and its access control refuses it',
    "etcd never sends this alert. Allow the certificate of this client in the access control of the proxy or service mesh in front of etcd, or connect to etcd's own port.",
  ],
  50: [
    'decode_error',
    'it could not parse a message of the client, such as a certificate',
    `Check that Go parses the client certificate: validateChain reports what it does not parse. ${CHANGED}`,
  ],
  51: [
    'decrypt_error',
    'a signature of the client does not match its certificate, or the handshake was changed',
    `Check that the key belongs to the certificate: "openssl x509 -noout -pubkey -in client.crt" and "openssl pkey -pubout -in client.key" print the same. ${CHANGED}`,
  ],
  60: ['export_restriction', 'it restricts the length of keys', OBSOLETE],
  70: ['protocol_version', 'it supports none of the TLS versions of the client', PARAMETERS],
  71: ['insufficient_security', 'it requires stronger cipher suites or keys', PARAMETERS],
  80: [
    'internal_error',
    'the fault is on its side, and etcd sends it if it cannot load its --cert-file and --key-file or has no file descriptor left',
    'Read the log of the server. --cert-file and --key-file must exist and belong together ("openssl x509 -noout -pubkey" and "openssl pkey -pubout" print the same), and the key must not be encrypted. If the log has "too many open files", etcd has no file descriptor left: compare "ls /proc/PID/fd | wc -l" with "grep files /proc/PID/limits", and raise LimitNOFILE of its unit or close connections.',
  ],
  86: ['inappropriate_fallback', 'the client offers a lower TLS version than before', LIBRARY],
  90: ['user_canceled', 'it gave the handshake up', NEVER_BY_ETCD],
  100: ['no_renegotiation', 'it does not renegotiate', CHANGED],
  109: ['missing_extension', 'the client did not send an extension that it requires', LIBRARY],
  110: ['unsupported_extension', 'it received an extension that it does not allow', LIBRARY],
  111: ['certificate_unobtainable', 'it could not fetch a certificate from a URL', OBSOLETE],
  112: ['unrecognized_name', 'it has no certificate for the server name', NEVER_BY_ETCD],
  113: ['bad_certificate_status_response', 'it does not accept an OCSP response', NEVER_BY_ETCD],
  114: ['bad_certificate_hash_value', 'the hash of a fetched certificate differs', OBSOLETE],
  115: ['unknown_psk_identity', 'it does not know the pre-shared key', NEVER_BY_ETCD],
  116: ['certificate_required', 'it requires a certificate', CERTIFICATE],
  120: ['no_application_protocol', 'it does not support HTTP/2', NEVER_BY_ETCD],
  121: ['ech_required', 'it requires an encrypted ClientHello', NEVER_BY_ETCD],
}

/** RFC 8446 section 6.2, internal_error. */
export const INTERNAL_ERROR = 80

/** Alerts that concern a certificate of the client, and so only one that was sent. */
const ABOUT_CERTIFICATE: ReadonlySet<number> = new Set([41, 42, 43, 44, 45, 46, 48, 49, 51, 111, 113, 114, 116])

/** `alert 42, bad_certificate`. */
export function nameAlert(alert: number): string {
  const known = ALERTS[alert]
  return `alert ${String(alert)}${known === undefined ? '' : `, ${known[0]}`}`
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
    : [`${endpoint} ended the handshake with ${nameAlert(alert)}: ${known[1]}.`, known[2]]
}
