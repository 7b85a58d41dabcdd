/** Findings about what belongs together in credentials: parts that are exchanged, and blocks next to what was meant. */
import type { Severity } from '../row.js'
import { row } from '../row.js'
import { type MaterialRole, type Place, the, wanted } from './place.js'
import { quoted } from '../words.js'

export const credentials = {
  'credentials/variable-missing': row<{ variable: string; role: MaterialRole; empty: boolean }>({
    severity: 'error',
    message: ({ variable, empty }) => `The environment variable ${variable} is ${empty ? 'empty' : 'not set'}.`,
    remedy: ({ variable, role }) => `Set ${variable} to the path of a file that holds ${wanted(role)}.`,
  }),
  'credentials/swapped': row<{ cert: Place; other: Place; role: 'key' | 'ca' }>({
    severity: 'error',
    message: ({ cert, other, role }) =>
      role === 'key'
        ? `Certificate and key are swapped: ${cert.origin} holds a private key, and ${other.origin} holds a certificate.`
        : `CA and certificate are swapped: ${cert.origin} holds a CA certificate, and ${other.origin} holds the end-entity certificate.`,
    remedy: ({ cert, other, role }) => `Exchange the two: "cert" is ${other.origin}, "${role}" is ${cert.origin}.`,
  }),
  'credentials/ca-instead-of-certificate': row<Place & { keyAlgorithm: string }>({
    severity: 'error',
    message: (place, who) =>
      `${who} in ${place.origin} is a CA and does not belong to the private key. It was given as "cert" instead of "ca".`,
    remedy: ({ keyAlgorithm }) =>
      `Pass the certificate that was issued for the private key (${keyAlgorithm}), followed by its intermediates.`,
  }),
  'credentials/anchor-is-no-ca': row<Place & { subjects: string[]; isOwn: boolean }>({
    severity: ({ isOwn }): Severity => (isOwn ? 'error' : 'warning'),
    message: ({ subjects, isOwn, ...place }) =>
      isOwn
        ? `${the(place)} holds no CA certificate, only the own certificate (${quoted(subjects)}).`
        : `${the(place)} holds no CA certificate, only end-entity certificates (${quoted(subjects)}). Only these certificates themselves are trusted.`,
    remedy: () =>
      'Pass the certificate of the CA that issued the peer’s certificate: "openssl x509 -noout -issuer -in CERT" prints its name.',
  }),
  'credentials/leaf-not-first': row<Place & { position: number; line: number }>({
    severity: 'error',
    message: ({ position, line, ...place }, who) =>
      `${who} belongs to the private key, but is certificate ${String(position)} in ${place.origin} (line ${String(line)}). It must be the first.`,
    remedy: () =>
      'Write the certificate first, then the CA that issued it, and so on: "cat tls.crt intermediate.crt > chain.crt".',
  }),
  'credentials/duplicate-certificate': row<Place & { line: number }>({
    severity: 'info',
    message: ({ line, ...place }, who) =>
      `${who} occurs in ${place.origin} again on line ${String(line)}; it is used once.`,
    remedy: () => 'No action is needed. Remove the copy when you write the file again.',
  }),
}
