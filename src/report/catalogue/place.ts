/** Words for where material came from, shared by the rows about files, PEM and keys. */
import type { FindingPlace } from '../row.js'

/** Where a piece of material came from. */
export interface Place {
  /** For people: a path, a path with the variable that named it, or an option. */
  origin: string
  /** The file; null for text that was passed. */
  file: string | null
}

/** A file, and the environment variable that named it, if one did. */
export interface FilePlace {
  file: string
  variable?: string | undefined
}

/** `The file /etc/etcd/ca.crt`, or `The option "ca"`: how a sentence begins. */
export function the({ origin, file }: Place): string {
  return file === null ? `The ${origin}` : `The file ${origin}`
}

export function theFile({ file, variable }: FilePlace): string {
  return `The file ${file}${variable === undefined ? '' : ` (from ${variable})`}`
}

/** An argument of a shell command, quoted if a shell would split or run it, so that a remedy can be pasted. */
export function shellArgument(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** The file as an argument of a shell command; `FILE` if it is not known. */
export function inShell({ file }: { file: string | null }): string {
  return file === null ? 'FILE' : shellArgument(file)
}

/** `1 byte`, `4,194,305 bytes`. */
export function byteCount(count: number): string {
  return `${count.toLocaleString('en-US')} byte${count === 1 ? '' : 's'}`
}

/** What an input must hold. */
export type MaterialRole = 'ca' | 'cert' | 'key' | 'crl' | 'request'

/** What belongs there, as the end of a sentence. */
export function wanted(role: MaterialRole | 'certificate' | 'CRL'): string {
  return WANTED[role]
}

const WANTED: Readonly<Record<MaterialRole | 'certificate' | 'CRL', string>> = {
  ca: 'the CA certificates in PEM',
  cert: 'the certificate in PEM, followed by its intermediates',
  key: 'the private key in PEM',
  crl: 'a CRL in PEM or DER',
  request: 'the certificate request in PEM or DER',
  certificate: 'a certificate in PEM or DER',
  CRL: 'a CRL in PEM or DER',
}

/** An option of etcd, and its place. */
export interface ConfigPlace extends FindingPlace {
  /** As on the command line, `--cert-file`; the path of its keys, with dots, if it has no flag. */
  option: string
}

/** `--cert-file`, or `--cert-file (etcd.conf.yml:3:5)`. */
export function placed({ option, file, line, column }: ConfigPlace): string {
  const at = [file, line, column].filter((each) => each !== null)
  return at.length === 0 ? option : `${option} (${file === null ? 'line ' : ''}${at.join(':')})`
}
