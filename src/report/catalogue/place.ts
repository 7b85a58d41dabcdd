/** How messages name files, options and places. */
import type { FindingPlace } from '../row.js'

/** The origin of a certificate, a key or a CRL. */
export interface Place {
  /** For messages: a path, a path with its environment variable, or an option. */
  origin: string
  /** Null if a string was passed. */
  file: string | null
  /** Set if the file is in a mounted Secret, which is read-only. */
  isSecret?: boolean
}

/** A file, and the environment variable that names it, if any. */
export interface FilePlace {
  file: string
  variable?: string | undefined
}

/** The start of a sentence: `The file /etc/etcd/ca.crt`, or `The option "ca"`. */
export function originText({ origin, file }: Place): string {
  return file === null ? `The ${origin}` : `The file ${origin}`
}

export function fileText({ file, variable }: FilePlace): string {
  return `The file ${file}${variable === undefined ? '' : ` (from ${variable})`}`
}

/** An argument of a shell command, quoted if necessary, so that a remedy can be pasted. */
export function shellArgument(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** The file as an argument of a shell command; `FILE` if it is not known. */
export function inShell({ file }: { file: string | null }): string {
  return file === null ? 'FILE' : shellArgument(file)
}

/** The file of a certificate, by its origin such as `tls.crt (from ETCDCTL_CERT)`, as an argument of a shell command. */
export function originInShell(origin: string | undefined, otherwise: string): string {
  const file = origin?.replace(/ \(from \w+\)$/, '') ?? ''
  // Only files have a folder or an extension in their origin.
  const isFile = /[/\\]|\.\w+$/.test(file) && !/^(?:option "|name of "|https:|unixs:|PEM text)/.test(file)
  return isFile ? shellArgument(file) : otherwise
}

/** `1 byte`, `4,194,305 bytes`. */
export function byteCount(count: number): string {
  return `${count.toLocaleString('en-US')} byte${count === 1 ? '' : 's'}`
}

export type MaterialRole = 'ca' | 'cert' | 'key' | 'crl' | 'request'

export function acceptedContent(role: MaterialRole | 'certificate' | 'CRL'): string {
  return ACCEPTED_CONTENT[role]
}

const ACCEPTED_CONTENT: Readonly<Record<MaterialRole | 'certificate' | 'CRL', string>> = {
  ca: 'the CA certificates in PEM',
  cert: 'the certificate in PEM, followed by its intermediates',
  key: 'the private key in PEM',
  crl: 'a CRL in PEM or DER',
  request: 'the certificate request in PEM or DER',
  certificate: 'a certificate in PEM or DER',
  CRL: 'a CRL in PEM or DER',
}

export interface ConfigPlace extends FindingPlace {
  /** The flag, such as `--cert-file`; if it has none, its path of keys with dots. */
  option: string
}

/** `--cert-file`, or `--cert-file (etcd.conf.yml:3:5)`. */
export function placed({ option, file, line, column }: ConfigPlace): string {
  const at = [file, line, column].filter((each) => each !== null)
  return at.length === 0 ? option : `${option} (${file === null ? 'line ' : ''}${at.join(':')})`
}
