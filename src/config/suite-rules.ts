/** Rules about cipher suites, which are stricter for what is written than for what is linted. */
import type { ConfigPlace } from '../report/catalogue/config-place.js'
import type { Finding } from '../report/finding.js'
import { cipherSuites } from './cipher-suites.js'
import { finding } from './finding.js'
import { availableIn, type ParsedVersion } from './version.js'

/** What is judged of a list of cipher suites. */
export interface SuitesView {
  readonly suites: readonly string[]
  readonly place: ConfigPlace
  readonly tlsMinVersion: string | undefined
  readonly version: ParsedVersion | null
  /** `all`: what is written for a line must fit all its releases. `some`: what is linted may be of one of them. */
  readonly releases: 'all' | 'some'
}

const BY_NAME = new Map(cipherSuites.map((row) => [row.name, row]))

/** Whether etcd knows the suites, takes them together, and is safe with them. */
export function judgeSuites({ suites, place, tlsMinVersion, version, releases }: SuitesView): Finding[] {
  if (suites.length === 0) return []
  const isIn = (since: (typeof cipherSuites)[number]['since']): boolean => {
    const available = version === null ? 'all' : availableIn(version, since)
    return releases === 'all' ? available === 'all' : available !== 'none'
  }
  const known = cipherSuites.filter(({ since }) => isIn(since))
  const isAlone = releases === 'all' || !suites.some((suite) => BY_NAME.get(suite)?.kind === 'sound')
  const findings = suites.flatMap((suite): Finding[] => {
    const row = known.find(({ name }) => name === suite)
    if (row !== undefined)
      return row.kind === 'insecure' ? [finding('config/cipher-suite-weak', { ...place, suite, isAlone })] : []
    const folded = suite.toUpperCase()
    const meant = cipherSuites.find(({ name, openssl }) => name === folded || openssl === folded)
    const instead = known.find(({ kind, openssl }) => kind !== 'insecure' && openssl === meant?.openssl)
    return [finding('config/cipher-suite-unknown', { ...place, suite, suggestion: instead?.name ?? null })]
  })
  if (tlsMinVersion === 'TLS1.3') return [...findings, finding('config/cipher-suites-with-tls13', place)]
  // A name that is no suite ends etcd before it looks at the list.
  if (findings.some(({ code }) => code === 'config/cipher-suite-unknown')) return findings
  if (suites.some((suite) => BY_NAME.get(suite)?.http2 === true)) return findings
  return [...findings, finding('config/cipher-suites-without-http2', place)]
}
