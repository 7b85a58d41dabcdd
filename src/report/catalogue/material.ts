/** Findings about credentials as a whole: missing parts, unneeded PEM blocks, and private keys. */
import { error, info, warning } from '../row.js'
import { listed, quoted } from '../words.js'
import { convert, filtered, NEW_REQUEST, privately } from './conversion.js'
import { file } from './file.js'
import { input } from './input.js'
import { pem } from './pem.js'
import { inShell, type MaterialRole, type Place, originText, acceptedContent } from './place.js'

/** A PEM block of another kind next to the expected ones. */
export interface Block extends Place {
  label: string
  line: number
  isKey: boolean
}

export interface VariableMissing {
  variable: string
  role: MaterialRole
  empty: boolean
  /** A variable of etcdctl v2 or of etcd itself for the same file, which is set; null if no such variable is set. */
  instead: string | null
}

export type Several = Place & { lines: number[] }

export const material = {
  ...file,
  ...input,
  ...pem,
  'input/several': {
    'private keys': warning((d: Several) => [
      `${originText(d)} holds ${String(d.lines.length)} private keys (lines ${listed(d.lines.map(String))}); the first is used.`,
      'Keep only the key of the certificate in the file.',
    ]),
    'certificate requests': error((d: Several) => [
      `${originText(d)} holds ${String(d.lines.length)} certificate requests (lines ${listed(d.lines.map(String))}).`,
      'Write each request to a separate file, and sign them one by one.',
    ]),
  },
  'input/other-block': {
    'among CA certificates': error((d: Block) => [
      `${originText(d)} holds ${d.isKey ? 'a private key' : 'a block'} ("${d.label}", line ${String(d.line)}) next to the CA certificates.`,
      d.isKey
        ? "Remove the key from the file. If it is the CA's key and the file was ever copied, create a new CA and reissue all certificates."
        : `Remove the block "${d.label}" from the file.`,
    ]),
    unused: info((d: Block, _who, { name }) => [
      `${originText(d)} holds a block "${d.label}" (line ${String(d.line)}), which is not used.`,
      d.isKey
        ? `Move the key to a separate file with mode 0600, or pass the same file as ${name('cert')} and ${name('key')}.`
        : 'No action is needed.',
    ]).or('warning', ({ isKey }) => isKey),
    'next to a request': info((d: Block) => [
      `${originText(d)} holds ${d.isKey ? 'a private key' : 'another block'} ("${d.label}", line ${String(d.line)}) next to the request.`,
      d.isKey
        ? `Create a new key and a new request on the machine that uses the certificate ("${NEW_REQUEST}"), and send only the request.`
        : 'No action is needed. Send only the request next time.',
    ]).or('warning', ({ isKey }) => isKey),
  },
  'credentials/variable-missing': error((d: VariableMissing) => [
    `The environment variable ${d.variable} is ${d.empty ? 'empty' : 'not set'}${d.instead === null ? '' : `, but ${d.instead} is${d.empty ? ' set' : ''}`}.`,
    d.instead === null || d.instead.startsWith('ETCD_')
      ? `Set ${d.variable} to the path of a file that holds ${acceptedContent(d.role)}.${d.instead === null ? '' : ` ${d.instead} is a variable of the server.`}`
      : `Rename ${d.instead} to ${d.variable}: etcdctl has other names since its v3 API.`,
  ]),
  'credentials/swapped': error((d: { cert: Place; other: Place; role: 'key' | 'ca' }, _who, { name }) => [
    d.role === 'key'
      ? `Certificate and key are swapped: ${d.cert.origin} holds a private key, and ${d.other.origin} holds a certificate.`
      : `CA and certificate are swapped: ${d.cert.origin} holds a CA certificate, and ${d.other.origin} holds the end-entity certificate.`,
    `Exchange the two: ${name('cert')} is ${d.other.origin}, ${name(d.role)} is ${d.cert.origin}.`,
  ]),
  'credentials/ca-instead-of-certificate': error((d: Place & { keyAlgorithm: string }, who, { name }) => [
    `${who} in ${d.origin} is a CA and does not belong to the private key. It was given as ${name('cert')} instead of ${name('ca')}.`,
    `Pass the certificate that was issued for the private key (${d.keyAlgorithm}), followed by its intermediates.`,
  ]),
  'credentials/anchor-is-no-ca': warning((d: Place & { subjects: string[]; isOwn: boolean }) => [
    d.isOwn
      ? `${originText(d)} holds no CA certificate, only the certificate itself (${quoted(d.subjects)}).`
      : `${originText(d)} holds no CA certificate, only end-entity certificates (${quoted(d.subjects)}). Only these certificates themselves are trusted.`,
    'Pass the certificate of the CA that issued the peer\'s certificate: "openssl x509 -noout -issuer -in CERT" prints its name.',
  ]).or('error', ({ isOwn }) => isOwn),
  'credentials/leaf-not-first': error((d: Place & { position: number; line: number }, who) => [
    `${who} belongs to the private key, but is certificate ${String(d.position)} in ${d.origin} (line ${String(d.line)}). It must be the first.`,
    `The certificate must be first, then the CA that issued it, and so on. ${convert(d, '.pem', leafFirst(d.line))}`,
  ]),
  'credentials/duplicate-certificate': info((d: Place & { line: number }, who) => [
    `${who} occurs in ${d.origin} again on line ${String(d.line)}; it is used once.`,
    'No action is needed. Remove the copy when you write the file again.',
  ]),
  'key/passphrase-refused': {
    missing: error((d: Place & { encryption: string }) => [
      `${originText(d)} holds an encrypted private key (${d.encryption}) and no passphrase was given.`,
      `Set the option "passphrase", or decrypt the key (etcd and etcdctl read no encrypted keys). ${convert(d, '.pem', (input, output) => privately(`openssl pkey -in ${input} -out ${output}`))}`,
    ]),
    wrong: error((d: Place & { encryption: string; passphrase: 'empty' | 'ends with a line break' | 'given' }) => [
      `${originText(d)} holds an encrypted private key (${d.encryption}) that the passphrase does not decrypt${d.passphrase === 'given' ? '' : `; the passphrase ${d.passphrase === 'empty' ? 'is empty' : d.passphrase}`}.`,
      d.passphrase === 'ends with a line break'
        ? 'Remove the line break from the end of the passphrase: call .trimEnd() after reading it from a file.'
        : `Check the passphrase: "openssl pkey -noout -in ${inShell(d)}" prompts for it. If it is right, the file is damaged.`,
    ]),
    unneeded: warning((d: Place) => [
      `${originText(d)} holds a private key that is not encrypted, though a passphrase was given.`,
      `Omit the passphrase, or encrypt the key. ${encrypt(d)}`,
    ]),
  },
  'key/encryption-refused': {
    unsupported: error((d: Place & { encryption: string }) => [
      `${originText(d)} holds a private key encrypted with ${d.encryption}, which Node does not decrypt.`,
      encrypt(d, ' -provider legacy -provider default'),
    ]),
    'too costly': error((d: Place & { encryption: string; excess: string }) => [
      `${originText(d)} holds a private key encrypted with ${d.encryption}, which requires ${d.excess}.`,
      encrypt(d),
    ]),
    weak: warning((d: Place & { encryption: string }) => [
      `${originText(d)} holds a private key in an old, weak encryption (${d.encryption}).`,
      encrypt(d),
    ]),
  },
  'key/malformed': {
    damaged: error((d: Place & { line: number; reason: string }) => [
      `${originText(d)} holds a damaged private key (line ${String(d.line)}): ${d.reason}.`,
      `Restore the key from a backup or generate a new one. "openssl pkey -noout -in ${inShell(d)}" must accept it.`,
    ]),
    inconsistent: error((d: Place & { algorithm: string }) => [
      `${originText(d)} holds a key whose private and public halves do not belong together (${d.algorithm}).`,
      `Restore the key from a backup or generate a new one. "openssl pkey -check -noout -in ${inShell(d)}" must accept it.`,
    ]),
  },
}

/** Puts one block of a file before all others. A block ends in its END line. */
function leafFirst(line: number): (input: string, output: string) => string {
  const block = `${String(line)},/-----END /`
  return (input, output) => `${filtered(`sed -n '${block}p'`)(input, output)} && sed '${block}d' ${input} >> ${output}`
}

/** Encrypts a key again, as {@link convert}. */
function encrypt(d: Place, providers = ''): string {
  const command = `openssl pkcs8 -topk8 -v2 aes256 -iter 600000${providers}`
  return convert(d, '.pem', (input, output) => privately(`${command} -in ${input} -out ${output}`))
}
