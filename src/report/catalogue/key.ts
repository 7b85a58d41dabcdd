/** Findings about private keys: encryption, passphrases, kinds that cannot be used. */
import { row } from '../row.js'
import { inShell, type Place, the } from './place.js'
import { listed } from '../words.js'

export const key = {
  'key/several': row<Place & { lines: number[] }>({
    severity: 'warning',
    meaning: 'There is more than one private key. The first is used, as Node, etcd and etcdctl do.',
    source: 'Go crypto/tls X509KeyPair',
    message: ({ lines, ...place }) =>
      `${the(place)} holds ${String(lines.length)} private keys (lines ${listed(lines.map(String))}); the first is used.`,
    remedy: () => 'Keep only the key of the certificate in the file.',
  }),
  'key/passphrase-missing': row<Place & { encryption: string }>({
    severity: 'error',
    meaning: 'The private key is encrypted and no passphrase was given.',
    source: 'RFC 5958; etcd: "tls: failed to parse private key"',
    message: ({ encryption, ...place }) =>
      `${the(place)} holds an encrypted private key (${encryption}) and no passphrase was given.`,
    remedy: (place) =>
      `Set the option "passphrase", or decrypt the key: "openssl pkey -in ${inShell(place)} -out new.key" (etcd and etcdctl read no encrypted keys).`,
  }),
  'key/passphrase-wrong': row<Place & { encryption: string; passphrase: 'empty' | 'ends with a line break' | 'given' }>(
    {
      severity: 'error',
      meaning: 'The passphrase does not decrypt the private key. A damaged file looks the same.',
      source: 'OpenSSL: "bad decrypt"',
      message: ({ encryption, passphrase, ...place }) =>
        `${the(place)} holds an encrypted private key (${encryption}) that the passphrase does not decrypt${passphrase === 'given' ? '' : `; the passphrase ${passphrase === 'empty' ? 'is empty' : passphrase}`}.`,
      remedy: ({ passphrase, ...place }) =>
        passphrase === 'ends with a line break'
          ? 'Remove the line break from the end of the passphrase: call .trimEnd() after reading it from a file.'
          : `Check the passphrase: "openssl pkey -noout -in ${inShell(place)}" prompts for it. If it is right, the file is damaged.`,
    },
  ),
  'key/passphrase-unneeded': row<Place>({
    severity: 'warning',
    meaning: 'A passphrase was given, but the private key is stored unencrypted.',
    source: 'RFC 5958',
    message: (place) => `${the(place)} holds a private key that is not encrypted, though a passphrase was given.`,
    remedy: (place) =>
      `Encrypt the key ("openssl pkcs8 -topk8 -v2 aes256 -in ${inShell(place)} -out new.key"), or omit the passphrase.`,
  }),
  'key/encryption-unsupported': row<Place & { encryption: string }>({
    severity: 'error',
    meaning: 'The private key is encrypted in a way that OpenSSL 3, and so Node, no longer decrypts.',
    source: 'OpenSSL 3 migration guide: legacy provider',
    message: ({ encryption, ...place }) =>
      `${the(place)} holds a private key encrypted with ${encryption}, which Node does not decrypt.`,
    remedy: (place) =>
      `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -provider legacy -provider default -in ${inShell(place)} -out new.key".`,
  }),
  'key/encryption-too-costly': row<Place & { encryption: string; excess: string }>({
    severity: 'error',
    meaning: 'Deriving the key from the passphrase would block the process for seconds or indefinitely.',
    source: 'RFC 8018 section 4.2; RFC 7914 section 2; limits of this package',
    message: ({ encryption, excess, ...place }) =>
      `${the(place)} holds a private key encrypted with ${encryption}, which requires ${excess}.`,
    remedy: (place) =>
      `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -iter 600000 -in ${inShell(place)} -out new.key".`,
  }),
  'key/encryption-weak': row<Place & { encryption: string }>({
    severity: 'warning',
    meaning:
      'The private key is encrypted as OpenSSL did before PKCS#8: one round of MD5 turns the passphrase into the key, so guessing is cheap.',
    source: 'RFC 1421; OpenSSL PEM_read_bio, "PEM encryption format"',
    message: ({ encryption, ...place }) =>
      `${the(place)} holds a private key in an old, weak encryption (${encryption}).`,
    remedy: (place) => `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -in ${inShell(place)} -out new.key".`,
  }),
  'key/algorithm-unsupported': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning: 'The private key is of a kind that does not sign TLS handshakes, or that Node does not support.',
    source: 'RFC 8446 section 4.2.3; RFC 8422 section 5.1',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a private key of a kind that etcd's TLS does not support: ${algorithm}.`,
    remedy: () =>
      'Generate a new key ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key") and issue a certificate for it.',
  }),
  'key/malformed': row<Place & { line: number; reason: string }>({
    severity: 'error',
    meaning: 'The data of a private key does not match its label: it is damaged or has the wrong label.',
    source: 'RFC 5958; RFC 5915; RFC 8017 appendix A.1.2',
    message: ({ line, reason, ...place }) =>
      `${the(place)} holds a damaged private key (line ${String(line)}): ${reason}.`,
    remedy: (place) =>
      `Restore the key from a backup or generate a new one. "openssl pkey -noout -in ${inShell(place)}" must accept it.`,
  }),
  'key/inconsistent': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning:
      'The private half of the key does not belong to its public half: some bytes were changed. OpenSSL reads such a key, and the handshake fails later.',
    source: 'RFC 8017 section 3.2; SEC 1 section 3.2.1',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a key whose private and public halves do not belong together (${algorithm}).`,
    remedy: (place) =>
      `Restore the key from a backup or generate a new one. "openssl pkey -check -noout -in ${inShell(place)}" must accept it.`,
  }),
}
