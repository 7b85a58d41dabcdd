/** How messages name options and releases of etcd. */
import { listed } from '../../words.js'

export function configurationText(file: string | null, otherwise = 'The configuration'): string {
  return file === null ? otherwise : `The file ${file}`
}

/** `3.5.15 or 3.6.0 or later`: the releases to use instead. */
export function releases(since: readonly string[]): string {
  return `${listed(since, 'that release', 'or')} or later`
}

export function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

export function verb(subjects: readonly string[], one: string, several: string): string {
  return subjects.length === 1 ? one : several
}

/** Flags that are keys of a TLS block in a file. */
const BLOCK_KEY = /^(peer-)?((?:client-)?(?:cert|key)-file|trusted-ca-file|client-cert-auth|auto-tls)$/

/**
 * The name of an option in the same form as another: `--peer-cert-file` next to `--name`,
 * `ETCD_PEER_CERT_FILE` next to `ETCD_NAME`, `peer-transport-security.cert-file` next to `name`.
 */
export function spelledLike(other: string, flag: string): string {
  if (other.startsWith('--')) return `--${flag}`
  if (other.startsWith('ETCD_')) return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
  if (flag === 'discovery-token') return 'discovery-config.token'
  if (flag === 'discovery-endpoints') return 'discovery-config.client.endpoints'
  const [, peer, key] = BLOCK_KEY.exec(flag) ?? []
  return key === undefined ? flag : `${peer === undefined ? 'client' : 'peer'}-transport-security.${key}`
}

export function allSpelledLike(other: string, flags: readonly string[]): string {
  return listed(flags.map((flag) => spelledLike(other, flag)))
}
