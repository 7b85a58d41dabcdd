/** Findings about what belongs together in credentials: parts that are exchanged, and blocks next to what was meant. */
import type { Severity } from '../row.js'
import { row } from '../row.js'
import { type MaterialRole, type Place, the, wanted } from './place.js'
import { quoted } from '../words.js'

export interface Block extends Place {
  label: string
  line: number
  /** Whether it is a private key. */
  isKey: boolean
}

export const credentials = {
  'credentials/variable-missing': row<{ variable: string; role: MaterialRole; empty: boolean }>({
    severity: 'error',
    meaning: 'A required environment variable, which names a file, is not set or is empty.',
    source: 'etcdctl/ctlv3/ctl.go: --cacert, --cert, --key',
    message: ({ variable, empty }) => `The environment variable ${variable} is ${empty ? 'empty' : 'not set'}.`,
    remedy: ({ variable, role }) => `Set ${variable} to the path of a file that holds ${wanted(role)}.`,
  }),
  'credentials/swapped': row<{ cert: Place; other: Place; role: 'key' | 'ca' }>({
    severity: 'error',
    meaning: 'Certificate and key, or certificate and CA, were exchanged.',
    source: 'etcd --cert-file, --key-file and --trusted-ca-file; Node options cert, key and ca',
    message: ({ cert, other, role }) =>
      role === 'key'
        ? `Certificate and key are swapped: ${cert.origin} holds a private key, and ${other.origin} holds a certificate.`
        : `CA and certificate are swapped: ${cert.origin} holds a CA certificate, and ${other.origin} holds the end-entity certificate.`,
    remedy: ({ cert, other, role }) => `Exchange the two: "cert" is ${other.origin}, "${role}" is ${cert.origin}.`,
  }),
  'credentials/block-refused': row<Block>({
    severity: 'error',
    meaning:
      'A block among the CA certificates is not a certificate. etcd and etcdctl read every block of that file as one, and refuse the file. If it is a private key, it must be considered compromised, because the file is copied to every client.',
    source: 'etcd client/pkg/tlsutil/tlsutil.go NewCertPool',
    message: ({ label, line, isKey, ...place }) =>
      `${the(place)} holds ${isKey ? 'a private key' : 'a block'} ("${label}", line ${String(line)}) next to the CA certificates.`,
    remedy: ({ label, isKey }) =>
      isKey
        ? 'Remove the key from the file. If it is the CA’s key and the file was ever copied, create a new CA and reissue all certificates.'
        : `Remove the block "${label}" from the file.`,
  }),
  'credentials/block-unused': row<Block>({
    severity: ({ isKey }): Severity => (isKey ? 'warning' : 'info'),
    meaning:
      'A block of another kind is in the file of the certificate, the key or the CRL. Every reader skips it. A private key next to the certificate is a warning, because that file is usually readable by all users.',
    source: 'Go crypto/tls X509KeyPair skips such blocks',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}), which is not used.`,
    remedy: ({ isKey }) =>
      isKey
        ? 'Move the key to a separate file with mode 0600, or pass the same file as "cert" and "key".'
        : 'No action is needed.',
  }),
  'credentials/ca-instead-of-certificate': row<Place & { keyAlgorithm: string }>({
    severity: 'error',
    meaning:
      'The first certificate is a CA, and the private key is not its key: the CA file was given as the certificate.',
    source: 'Node: "key values mismatch"; etcd: "tls: private key does not match public key"',
    message: (place, who) =>
      `${who} in ${place.origin} is a CA and does not belong to the private key. It was given as "cert" instead of "ca".`,
    remedy: ({ keyAlgorithm }) =>
      `Pass the certificate that was issued for the private key (${keyAlgorithm}), followed by its intermediates.`,
  }),
  'credentials/anchor-is-no-ca': row<Place & { subjects: string[]; isOwn: boolean }>({
    severity: ({ isOwn }): Severity => (isOwn ? 'error' : 'warning'),
    meaning:
      'None of the certificates to trust is a CA or self-signed. Each is trusted for itself only, until the peer renews its certificate. Go and this package accept such an anchor; Node by default does not. It is an error if it is the own certificate, because then no other certificate leads to it.',
    source: 'RFC 5280 sections 6.1.1 (d) and 6.1.4 (k); OpenSSL X509_V_FLAG_PARTIAL_CHAIN',
    message: ({ subjects, isOwn, ...place }) =>
      isOwn
        ? `${the(place)} holds no CA certificate, only the own certificate (${quoted(subjects)}).`
        : `${the(place)} holds no CA certificate, only end-entity certificates (${quoted(subjects)}). Only these certificates themselves are trusted.`,
    remedy: () =>
      'Pass the certificate of the CA that issued the peer’s certificate: "openssl x509 -noout -issuer -in CERT" prints its name.',
  }),
  'credentials/leaf-not-first': row<Place & { position: number; line: number }>({
    severity: 'error',
    meaning:
      'The certificate of the private key is not the first of its file. Order is part of the format, and a guess would hide a mix-up: Node says "key values mismatch", etcd and etcdctl "tls: private key does not match public key".',
    source: 'RFC 8446 section 4.4.2; Go crypto/tls X509KeyPair',
    message: ({ position, line, ...place }, who) =>
      `${who} belongs to the private key, but is certificate ${String(position)} in ${place.origin} (line ${String(line)}). It must be the first.`,
    remedy: () =>
      'Write the certificate first, then the CA that issued it, and so on: "cat tls.crt intermediate.crt > chain.crt".',
  }),
  'credentials/duplicate-certificate': row<Place & { line: number }>({
    severity: 'info',
    meaning: 'The same certificate occurs more than once. It is used once.',
    source: 'RFC 8446 section 4.4.2',
    message: ({ line, ...place }, who) =>
      `${who} occurs in ${place.origin} again on line ${String(line)}; it is used once.`,
    remedy: () => 'No action is needed. Remove the copy when you write the file again.',
  }),
}
