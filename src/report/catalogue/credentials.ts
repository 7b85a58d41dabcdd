/** Findings about what files and options hold together: right material in the wrong place, and what is missing. */
import { row } from '../row.js'
import { inShell, type MaterialRole, type Place, the, wanted } from './place.js'
import { listed, quoted } from '../words.js'

type Block = Place & { label: string; line: number }

export const credentials = {
  'credentials/variable-missing': row<{ variable: string; role: MaterialRole; empty: boolean }>({
    severity: 'error',
    meaning: 'A required environment variable, which names a file, is not set or is empty.',
    source: 'etcdctl/ctlv3/ctl.go: --cacert, --cert, --key',
    message: ({ variable, empty }) => `The environment variable ${variable} is ${empty ? 'empty' : 'not set'}.`,
    remedy: ({ variable, role }) => `Set ${variable} to the path of a file that holds ${wanted(role)}.`,
  }),
  'credentials/text-instead-of-file-name': row<Place & { role: MaterialRole }>({
    severity: 'error',
    meaning:
      'The option received the contents of a file instead of its name. They are not shown, because they may be a private key.',
    source: 'fromFiles, fromEnv and fromPem of this package',
    message: (place) => `${the(place)} must be the name of a file; it holds PEM text or other data.`,
    remedy: ({ role }) => `Pass the path of a file that holds ${wanted(role)}, or pass the text to fromPem.`,
  }),
  'credentials/no-certificate': row<Place & { role: 'ca' | 'cert'; found: string[] }>({
    severity: 'error',
    meaning: 'There are PEM blocks, but no certificate among them.',
    source: 'etcd: "failed to find any PEM data in certificate input"; Node: "no start line"',
    message: ({ found, ...place }) =>
      `${the(place)} holds no certificate; it holds ${listed(found, 'nothing that is recognized')}.`,
    remedy: ({ role }) => `Pass ${wanted(role)}: blocks "CERTIFICATE".`,
  }),
  'credentials/certificate-and-key-swapped': row<{ certificate: Place; key: Place }>({
    severity: 'error',
    meaning: 'The certificate was given as the key, and the key as the certificate.',
    source: 'etcd --cert-file and --key-file; Node options cert and key',
    message: ({ certificate, key }) =>
      `Certificate and key are swapped: ${certificate.origin} holds a private key, and ${key.origin} holds a certificate.`,
    remedy: ({ certificate, key }) => `Exchange the two: "cert" is ${key.origin}, "key" is ${certificate.origin}.`,
  }),
  'credentials/ca-and-certificate-swapped': row<{ ca: Place; certificate: Place }>({
    severity: 'error',
    meaning: 'The CA certificate was given as the own certificate, and the own certificate as the CA.',
    source: 'etcd --trusted-ca-file and --cert-file; Node options ca and cert',
    message: ({ ca, certificate }) =>
      `CA and certificate are swapped: ${certificate.origin} holds a CA certificate, and ${ca.origin} holds the end-entity certificate.`,
    remedy: ({ ca, certificate }) => `Exchange the two: "ca" is ${certificate.origin}, "cert" is ${ca.origin}.`,
  }),
  'credentials/key-instead-of-certificate': row<Place & { role: 'ca' | 'cert'; line: number }>({
    severity: 'error',
    meaning: 'A private key was given instead of a certificate.',
    source: 'etcd: "failed to find any PEM data in certificate input"',
    message: ({ line, ...place }) => `${the(place)} holds a private key (line ${String(line)}) and no certificate.`,
    remedy: ({ role }) => `Pass ${wanted(role)}. Pass the private key as "key".`,
  }),
  'credentials/certificate-instead-of-key': row<Place & { line: number }>({
    severity: 'error',
    meaning: 'A certificate was given instead of the private key.',
    source: 'etcd: "tls: found a certificate rather than a key in the PEM for the private key"',
    message: ({ line, ...place }) => `${the(place)} holds a certificate (line ${String(line)}) and no private key.`,
    remedy: () => 'Pass the file with the private key that the certificate was requested with.',
  }),
  'credentials/request-instead-of-certificate': row<Block & { role: 'ca' | 'cert' }>({
    severity: 'error',
    meaning:
      'A certificate request (CSR) was given instead of a certificate: the CA has not signed it yet, or its answer was not saved.',
    source: 'RFC 2986',
    message: ({ line, ...place }) =>
      `${the(place)} holds a certificate request (CSR, line ${String(line)}), not a certificate.`,
    remedy: ({ role, ...place }) =>
      role === 'ca'
        ? `Pass ${wanted(role)}.`
        : `Have the CA sign it ("openssl x509 -req -in ${inShell(place)} -CA ca.crt -CAkey ca.key -copy_extensions copy -out tls.crt"), and pass the certificate that it returns.`,
  }),
  'credentials/crl-instead-of-certificate': row<Block & { role: 'ca' | 'cert' }>({
    severity: 'error',
    meaning: 'A CRL was given instead of a certificate.',
    source: 'RFC 5280 section 5',
    message: ({ line, ...place }) => `${the(place)} holds a CRL (line ${String(line)}), not a certificate.`,
    remedy: ({ role }) => `Pass ${wanted(role)}. Pass the CRL as "crl".`,
  }),
  'credentials/public-key-instead-of-certificate': row<Block & { role: 'ca' | 'cert' }>({
    severity: 'error',
    meaning: 'A public key was given instead of a certificate. It has no name and no signature of a CA.',
    source: 'RFC 5280 section 4.1',
    message: ({ line, ...place }) => `${the(place)} holds a public key (line ${String(line)}), not a certificate.`,
    remedy: ({ role }) => `Pass ${wanted(role)}.`,
  }),
  'credentials/old-certificate-label': row<Block>({
    severity: 'error',
    meaning:
      'The label is one that only OpenSSL reads in this place. etcd and etcdctl skip the block in a certificate file, and refuse a "TRUSTED CERTIFICATE" among CAs ("x509: trailing data"), since it carries rules that nothing but OpenSSL obeys.',
    source: 'OpenSSL openssl-x509(1), trust settings; RFC 7468 section 5.1; Go crypto/tls X509KeyPair',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}), which only OpenSSL reads.`,
    remedy: (place) => `Convert it to a plain certificate: "openssl x509 -in ${inShell(place)} -out new.pem".`,
  }),
  'credentials/key-in-ca-file': row<Block>({
    severity: 'error',
    meaning:
      'A private key is in the file of CA certificates. That file is copied to every client, so the key must be considered compromised. etcd also refuses the file, because it reads every block as a certificate.',
    source: 'etcd client/pkg/tlsutil/tlsutil.go NewCertPool',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a private key ("${label}", line ${String(line)}) next to the CA certificates.`,
    remedy: () =>
      'Remove the key from the file. If it is the CA’s key and the file was ever copied, create a new CA and reissue all certificates.',
  }),
  'credentials/key-in-certificate-file': row<Block>({
    severity: 'warning',
    meaning: 'A private key is in the certificate’s file, which is usually readable by all users. It is not used.',
    source: 'Go crypto/tls X509KeyPair skips such blocks',
    message: ({ line, ...place }) =>
      `${the(place)} holds a private key (line ${String(line)}) next to the certificate; it is not used.`,
    remedy: () => 'Move the key to a separate file with mode 0600, or pass the same file as "cert" and "key".',
  }),
  'credentials/certificate-in-key-file': row<Block>({
    severity: 'info',
    meaning: 'A certificate is in the key’s file. Every reader skips it.',
    source: 'Go crypto/tls X509KeyPair skips such blocks',
    message: ({ line, ...place }) =>
      `${the(place)} holds a certificate (line ${String(line)}) next to the key; it is not used.`,
    remedy: () => 'No action is needed. To use the certificate, pass the same file as "cert" and "key".',
  }),
  'credentials/block-refused': row<Block>({
    severity: 'error',
    meaning:
      'A block among the CA certificates is not a certificate. etcd and etcdctl read every block of that file as one, and refuse the file.',
    source: 'etcd client/pkg/tlsutil/tlsutil.go NewCertPool',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}) among the CA certificates.`,
    remedy: ({ label }) => `Remove the block "${label}" from the file.`,
  }),
  'credentials/block-ignored': row<Block>({
    severity: 'info',
    meaning: 'Every reader skips the block in this file.',
    source: 'Go crypto/tls X509KeyPair skips such blocks',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}), which is not used.`,
    remedy: () => 'No action is needed.',
  }),
  'credentials/no-crl': row<Place & { found: string[] }>({
    severity: 'error',
    meaning: 'There are PEM blocks, but no revocation list among them.',
    source: 'RFC 5280 section 5',
    message: ({ found, ...place }) =>
      `${the(place)} holds no CRL; it holds ${listed(found, 'nothing that is recognized')}.`,
    remedy: () => 'Pass a CRL ("openssl ca -gencrl -out crl.pem" creates one), or omit "crl".',
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
  'credentials/certificate-instead-of-ca': row<Place & { subjects: string[] }>({
    severity: 'error',
    meaning:
      'The own certificate was given as the CA to trust. It is not a CA and not self-signed, so no other certificate leads to it.',
    source: 'RFC 5280 section 6.1.4 (k); Node: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    message: ({ subjects, ...place }) =>
      `${the(place)} holds no CA certificate, only the own certificate (${quoted(subjects)}).`,
    remedy: () =>
      'Pass the certificate of the CA that issued the peer’s certificate: "openssl x509 -noout -issuer -in CERT" prints its name.',
  }),
  'credentials/anchor-is-no-ca': row<Place & { subjects: string[] }>({
    severity: 'warning',
    meaning:
      'None of the certificates to trust is a CA or self-signed. Each is trusted for itself only, until the peer renews its certificate. Go and this package accept such an anchor; Node by default does not.',
    source: 'RFC 5280 section 6.1.1 (d); OpenSSL X509_V_FLAG_PARTIAL_CHAIN',
    message: ({ subjects, ...place }) =>
      `${the(place)} holds no CA certificate, only end-entity certificates (${quoted(subjects)}). Only these certificates themselves are trusted.`,
    remedy: () =>
      'Pass the certificate of the CA that issued them: "openssl x509 -noout -issuer -in CERT" prints its name.',
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
