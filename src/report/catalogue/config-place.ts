/** Words for where a configuration says something, shared by the rows about configurations. */
import { listed } from '../words.js'

/** An option of etcd, and where it stands. */
export interface ConfigPlace {
  /** As on the command line, `--cert-file`; the path of its keys, with dots, where it has no flag. */
  option: string
  /** The file it was read from; null for what was handed over as text or as an object. */
  file: string | null
  /** From 1; null where no line is known. */
  line: number | null
  /** From 1; null where no column is known. */
  column: number | null
}

/** `--cert-file`, or `--cert-file (etcd.conf.yml:3:5)`. */
export function placed({ option, file, line, column }: ConfigPlace): string {
  const at = [file, line, column].filter((each) => each !== null)
  return at.length === 0 ? option : `${option} (${file === null ? 'line ' : ''}${at.join(':')})`
}

/** `3.5.15 and 3.6.0 and later`, as the releases to take instead. */
export function releases(since: readonly string[]): string {
  return `${listed(since, 'that release', 'or')} or later`
}

/** Keys of the two TLS blocks of a file. */
const BLOCK_KEY = /^(peer-)?((?:client-)?(?:cert|key)-file|trusted-ca-file|client-cert-auth|auto-tls)$/

/**
 * The name of an option in the form that another one is written in: `--peer-cert-file` beside `--name`,
 * `ETCD_PEER_CERT_FILE` beside `ETCD_NAME`, `peer-transport-security.cert-file` beside `name`.
 */
export function spelledLike(beside: string, flag: string): string {
  if (beside.startsWith('--')) return `--${flag}`
  if (beside.startsWith('ETCD_')) return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
  if (flag === 'discovery-token') return 'discovery-config.token'
  if (flag === 'discovery-endpoints') return 'discovery-config.client.endpoints'
  const [, peer, key] = BLOCK_KEY.exec(flag) ?? []
  return key === undefined ? flag : `${peer === undefined ? 'client' : 'peer'}-transport-security.${key}`
}
