/** Advisories of etcd that have to do with TLS or with who is let in, one row each. */
import { compareVersions, formatVersion, parseVersion, type ParsedVersion } from '../version.js'
import { finding } from './finding.js'
import { isTrueText, type LintMember, type Rule } from './member.js'

interface Advisory {
  readonly id: string
  /** The first releases with the repair, one for each line that got it. Older lines never did. */
  readonly fixed: readonly `${number}.${number}.${number}`[]
  /** The lines that are affected, by their minor numbers. Default: all up to the newest in `fixed`. */
  readonly minors?: readonly number[]
  /** Words after "Etcd 3.5.16". */
  readonly what: string
  /** Whether the configuration makes a difference. Default: it makes none. */
  readonly concerns?: (member: LintMember) => boolean
}

const ADVISORIES: readonly Advisory[] = [
  {
    id: 'GHSA-6vch-q96h-7gc3',
    fixed: ['3.5.33', '3.6.14', '3.7.1'],
    what: 'keeps connections that never finish their TLS handshake, so that anybody who reaches a port can exhaust it',
    concerns: ({ client, peer }) => client.servesTls || peer.servesTls,
  },
  {
    id: 'GHSA-xg4h-6gfc-h4m8',
    fixed: ['3.5.33', '3.6.14', '3.7.1'],
    what: 'lets a user who may read one key watch every later key, with authentication enabled',
  },
  {
    id: 'CVE-2026-33413',
    fixed: ['3.4.42', '3.5.28', '3.6.9'],
    what: 'answers several calls without asking who calls, also with authentication enabled',
  },
  {
    id: 'CVE-2026-33343',
    fixed: ['3.4.42', '3.5.28', '3.6.9'],
    what: 'lets a user read and write every key by a transaction within a transaction, with authentication enabled',
  },
  {
    id: 'CVE-2026-44283',
    fixed: ['3.4.44', '3.5.30', '3.6.11'],
    what: 'lets a user read a previous value, or attach a lease, without the permission, with authentication enabled',
  },
  {
    id: 'CVE-2023-32082',
    fixed: ['3.4.26', '3.5.9'],
    what: 'returns the names of the keys of a lease to users who may not read them, with authentication enabled',
  },
  {
    id: 'CVE-2021-28235',
    fixed: ['3.4.25', '3.5.8'],
    what: 'keeps passwords in memory after a login, where its debug endpoints show them',
    concerns: ({ others }) => others.some(({ name, text }) => name === 'enable-pprof' && isTrueText(text ?? '')),
  },
  {
    id: 'server/CHANGELOG 3.5.8',
    fixed: ['3.5.8'],
    minors: [5],
    what: 'speaks TLS 1.2 and never TLS 1.3 (client/pkg/transport/listener.go v3.5.7)',
    concerns: ({ client, peer }) => client.servesTls || peer.servesTls,
  },
]

/** The releases that look at a client’s revocation list on every port. */
export const CRL_FIXED = ['3.5.32', '3.6.13', '3.7.0'] as const

const knownWeaknesses: Rule = (member) => {
  const { version, versionPlace, settings } = member
  if (version === null || !isRelease(version)) return []
  // What the caller says of a release stands nowhere in the configuration.
  const at = versionPlace ?? { ...settings.server('name').place, option: 'version', line: null, column: null }
  return ADVISORIES.filter(({ fixed, minors, concerns }) => {
    const isMeant = minors?.includes(version.minor) ?? true
    return isMeant && isBefore(version, fixed) && (concerns?.(member) ?? true)
  }).map(({ id, fixed, what }) =>
    finding('config/advisory', {
      ...at,
      id,
      version: formatVersion(version),
      fixed: [...fixed],
      what,
    }),
  )
}

/** GHSA-3wh4-j44w-pg92: with HTTP on a URL of its own, the gRPC port does not look at the revocation list. */
const listsAreLookedAt: Rule = ({ version, client }) => {
  const [crl, http] = [client.get('crlFile'), client.get('httpUrls')]
  if (!crl.isSet || !http.isSet || version === null || !isRelease(version) || !isBefore(version, CRL_FIXED)) return []
  return [finding('config/crl-bypassed', { ...crl.place, httpUrls: http.place.option, fixed: [...CRL_FIXED] })]
}

/** A line without a patch stands for all its releases, the repaired ones among them. */
function isRelease({ patch }: ParsedVersion): boolean {
  return patch !== null
}

/** Whether a release is older than the repair in its line; lines newer than all repairs have it. */
function isBefore(version: ParsedVersion, fixed: readonly string[]): boolean {
  const repairs = fixed.flatMap((text) => parseVersion(text) ?? [])
  const own = repairs.find(({ minor }) => minor === version.minor)
  if (own !== undefined) return compareVersions(version, own) < 0
  return repairs.every(({ minor }) => minor > version.minor)
}

export const advisoryRules: readonly Rule[] = [knownWeaknesses, listsAreLookedAt]
