/**
 * Rules that serve what writes a configuration and what lints one: about what both know of a side and of its suites.
 * Findings have the place that the caller gives, which is none for an object.
 */
import type { ConfigPlace } from '../report/catalogue/config-place.js'
import type { Finding } from '../report/finding.js'
import { cipherSuites } from './cipher-suites.js'
import { at, finding } from './finding.js'
import type { SideRow } from './option-row.js'
import { availableIn, type ParsedVersion } from './version.js'

type Field = NonNullable<SideRow['field']>

/** One side of a member, as far as these rules look at it. */
export interface SideView {
  /** Whether those who connect must show a certificate. */
  readonly asks: boolean
  isSet(field: Field): boolean
  /** Where an option is, or would be. */
  placeOf(field: Field): ConfigPlace
}

export type SideViewRule = (side: SideView) => readonly Finding[]

const PAIRS = [
  ['certFile', 'keyFile'],
  ['clientCertFile', 'clientKeyFile'],
] as const

/** A certificate has its key, and a key its certificate. */
export const pairsAreWhole: SideViewRule = (side) =>
  PAIRS.flatMap(([cert, key]) => {
    if (side.isSet(cert) === side.isSet(key)) return []
    const [missing, given] = side.isSet(cert) ? [key, cert] : [cert, key]
    const place = side.placeOf(given)
    const told = finding('config/pair-incomplete', { ...side.placeOf(missing), given: place.option })
    return [at(place, told)]
  })

/** Common names and hosts are not both restricted (client/pkg/transport/listener.go v3.5.16 ServerConfig). */
export const namesExclude: SideViewRule = (side) =>
  side.isSet('allowedCn') && side.isSet('allowedHostname')
    ? [
        finding('config/options-exclude', {
          ...side.placeOf('allowedCn'),
          other: side.placeOf('allowedHostname').option,
        }),
      ]
    : []

/** Options that do nothing unless those who connect are asked for a certificate. */
export const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const

export const restrictionsBite: SideViewRule = (side) => {
  if (side.asks) return []
  const auth = side.placeOf('clientCertAuth').option
  return RESTRICTIONS.filter((field) => side.isSet(field)).map((field) =>
    finding('config/needs-client-auth', { ...side.placeOf(field), auth }),
  )
}

/** Certificates are validated by CAs of the cluster, and not by those of the machine. */
export const casAreNamed: SideViewRule = (side) => {
  if (!side.asks || side.isSet('trustedCaFile')) return []
  const auth = side.placeOf('clientCertAuth')
  const told = finding('config/client-auth-by-system-roots', { ...side.placeOf('trustedCaFile'), auth: auth.option })
  return [at(auth, told)]
}

/** Versions of TLS: the oldest is not newer than the newest. 'TLS1.2' < 'TLS1.3', as texts too. */
export function versionsInOrder(min: string, max: string, place: ConfigPlace): Finding[] {
  if (![min, max].every((each) => /^TLS1\.[23]$/.test(each)) || min <= max) return []
  return [finding('config/tls-versions-crossed', { ...place, min, max })]
}

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
