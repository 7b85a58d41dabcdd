/** Reads and bounds the options that several calls of the authority share. */
import { optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import { classifyHost, type Host } from '../x509/names.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { isKeyAlgorithm, KEY_ALGORITHMS, type KeyAlgorithm } from './algorithms.js'

/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_NAME = 64
export const MAX_HOSTS = 1000
/** Octets of all hosts together: Go reads no handshake message above 64 KiB (crypto/tls `maxHandshake`), chain included. */
export const MAX_HOSTS_OCTETS = 32 * 1024

/**
 * Reads a common name: 1 to 64 characters that can be seen. Characters of control or format are refused, since they let
 * one user name look like another, and white space around the name, which comparing ignores.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readName(value: unknown, option: string): string {
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a string')
  if (value === '') throw optionInvalid(option, 'must not be empty')
  if (value.length > MAX_NAME * 2 || Array.from(value).length > MAX_NAME) {
    throw optionInvalid(option, `must have at most ${String(MAX_NAME)} characters (RFC 5280, ub-common-name)`)
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)) {
    throw optionInvalid(option, 'must not contain control or invisible characters')
  }
  if (value.trim() !== value) throw optionInvalid(option, 'must not start or end with white space')
  return value
}

/**
 * Reads a list of hosts, sorts each by kind, and folds duplicates.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readHosts(value: unknown, option: string): Host[] {
  if (!Array.isArray(value)) throw valueInvalid(option, value, 'an array of host names, IP addresses and URIs')
  if (value.length > MAX_HOSTS) throw optionInvalid(option, `must have at most ${String(MAX_HOSTS)} entries`)
  const hosts = new Map<string, Host>()
  let octets = 0
  for (const [index, each] of value.entries()) {
    const host = classifyHost(each, `${option}[${String(index)}]`)
    const key = `${host.kind} ${host.value}`
    if (hosts.has(key)) continue
    hosts.set(key, host)
    octets += host.bytes?.length ?? host.value.length
  }
  if (octets > MAX_HOSTS_OCTETS) {
    throw optionInvalid(option, `must have at most ${String(MAX_HOSTS_OCTETS)} octets in all, or TLS peers refuse it`)
  }
  return [...hosts.values()]
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readAlgorithm(value: unknown, option: string): KeyAlgorithm {
  if (value === undefined) return 'ecdsa-p256'
  if (!isKeyAlgorithm(value)) throw textInvalid(option, value, `one of ${KEY_ALGORITHMS.join(', ')}`)
  return value
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkCrypto(value: WebCrypto | undefined, option: string): void {
  if (value === undefined) return
  const given: unknown = value
  const subtle: unknown = typeof given === 'object' && given !== null && 'subtle' in given ? given.subtle : null
  if (typeof subtle !== 'object' || subtle === null) {
    throw optionInvalid(option, "must be a Web Crypto implementation, such as node:crypto's webcrypto")
  }
}
