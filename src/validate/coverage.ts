/** Which name of a certificate covers which host: the question before a member gets a new name. */
import { valueInvalid } from '../report/option-error.js'
import { Certificate } from '../x509/certificate.js'
import { coveringNameFinder } from '../x509/covering-names.js'
import type { Host } from '../x509/names.js'
import { classifyHosts } from './context.js'

/** One host, and what covers it. */
export interface HostCoverage {
  /** The host in its canonical spelling: lower-case A-labels without a trailing dot, or RFC 5952. */
  host: string
  kind: Host['kind']
  /** The subject alternative name that covers it, as it stands in the certificate; null where none does. */
  name: string | null
}

/**
 * Says of each host which subject alternative name of the certificate covers it, by the rules of {@link validateChain}:
 * the common name never counts, an address is compared with IP names only, a wildcard stands for one leftmost label.
 *
 * @param hosts DNS names, IP addresses and URIs; at most 10,000.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a host that is ambiguous, or another value than a certificate.
 */
export function hostCoverage(certificate: Certificate, hosts: readonly string[]): HostCoverage[] {
  if (!(certificate instanceof Certificate)) throw valueInvalid('certificate', certificate, 'a Certificate')
  const find = coveringNameFinder(certificate.subjectAltNames, hosts.length)
  return classifyHosts(hosts).map((host) => {
    const name = find(host)
    return { host: host.value, kind: host.kind, name: name?.value ?? null }
  })
}
