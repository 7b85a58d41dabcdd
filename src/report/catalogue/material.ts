/** Findings about material: what belongs together in credentials, and what is next to it. Files, PEM and keys have their own. */
import { row, rowByKind, type Severity } from '../row.js'
import { listed, quoted } from '../words.js'
import { file } from './file.js'
import { input } from './input.js'
import { key } from './key.js'
import { pem } from './pem.js'
import { type MaterialRole, type Place, the, wanted } from './place.js'

/** A PEM block of another kind next to what was meant. */
export interface Block extends Place {
  kind: 'among CA certificates' | 'unused' | 'next to a request'
  label: string
  line: number
  /** Whether it is a private key. */
  isKey: boolean
}

function warningOfKey({ isKey }: Block): Severity {
  return isKey ? 'warning' : 'info'
}

export const material = {
  ...file,
  ...input,
  ...pem,
  ...key,
  'input/several': rowByKind<{ kind: 'private keys' | 'certificate requests'; lines: number[] } & Place>({
    kinds: {
      'private keys': {
        severity: 'warning',
        message: ({ lines, ...place }) =>
          `${the(place)} holds ${String(lines.length)} private keys (lines ${listed(lines.map(String))}); the first is used.`,
        remedy: () => 'Keep only the key of the certificate in the file.',
      },
      'certificate requests': {
        message: ({ lines, ...place }) =>
          `${the(place)} holds ${String(lines.length)} certificate requests (lines ${listed(lines.map(String))}).`,
        remedy: () => 'Write each request to a separate file, and sign them one by one.',
      },
    },
  }),
  'input/other-block': rowByKind<Block>({
    kinds: {
      'among CA certificates': {
        message: ({ label, line, isKey, ...place }) =>
          `${the(place)} holds ${isKey ? 'a private key' : 'a block'} ("${label}", line ${String(line)}) next to the CA certificates.`,
        remedy: ({ label, isKey }) =>
          isKey
            ? 'Remove the key from the file. If it is the CA’s key and the file was ever copied, create a new CA and reissue all certificates.'
            : `Remove the block "${label}" from the file.`,
      },
      unused: {
        severity: warningOfKey,
        message: ({ label, line, ...place }) =>
          `${the(place)} holds a block "${label}" (line ${String(line)}), which is not used.`,
        remedy: ({ isKey }, { name }) =>
          isKey
            ? `Move the key to a separate file with mode 0600, or pass the same file as ${name('cert')} and ${name('key')}.`
            : 'No action is needed.',
      },
      'next to a request': {
        severity: warningOfKey,
        message: ({ label, line, isKey, ...place }) =>
          `${the(place)} holds ${isKey ? 'a private key' : 'another block'} ("${label}", line ${String(line)}) next to the request.`,
        remedy: ({ isKey }) =>
          isKey
            ? 'Create a new key and a new request on the machine that uses the certificate ("openssl req -new -newkey … -keyout KEY -out CSR"), and send only the request.'
            : 'No action is needed. Send only the request next time.',
      },
    },
  }),
  'credentials/variable-missing': row<{ variable: string; role: MaterialRole; empty: boolean }>({
    message: ({ variable, empty }) => `The environment variable ${variable} is ${empty ? 'empty' : 'not set'}.`,
    remedy: ({ variable, role }) => `Set ${variable} to the path of a file that holds ${wanted(role)}.`,
  }),
  'credentials/swapped': row<{ cert: Place; other: Place; role: 'key' | 'ca' }>({
    message: ({ cert, other, role }) =>
      role === 'key'
        ? `Certificate and key are swapped: ${cert.origin} holds a private key, and ${other.origin} holds a certificate.`
        : `CA and certificate are swapped: ${cert.origin} holds a CA certificate, and ${other.origin} holds the end-entity certificate.`,
    remedy: ({ cert, other, role }, { name }) =>
      `Exchange the two: ${name('cert')} is ${other.origin}, ${name(role)} is ${cert.origin}.`,
  }),
  'credentials/ca-instead-of-certificate': row<Place & { keyAlgorithm: string }>({
    message: (place, who, { name }) =>
      `${who} in ${place.origin} is a CA and does not belong to the private key. It was given as ${name('cert')} instead of ${name('ca')}.`,
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
