/** One finding for each cause: what follows from another finding is reported with it. */
import { dirname } from 'node:path'
import type { Finding, FindingCode } from '../../report/finding.js'
import { SEVERITIES } from '../../report/severity.js'

interface Link {
  readonly cause: FindingCode
  readonly follows: RegExp
  /**
   * What the two have in common: a certificate, a file of which they are about different certificates, an option of all
   * members, a place in the configuration of one, or that configuration.
   */
  readonly of: 'certificate' | 'file' | 'option' | 'place' | 'configuration' | 'any'
  /** The kinds of the cause, and of what follows. Default: all. */
  readonly kind?: string
  readonly followsKind?: RegExp
  /** What else must be true. */
  readonly if?: (cause: Finding, consequence: Finding) => boolean
}

const LINKS: readonly Link[] = [
  {
    cause: 'config/volume-invalid',
    follows: /^config\/not-checked$/,
    followsKind: /^configuration file$/,
    of: 'place',
  },
  {
    cause: 'config/line-broken',
    kind: 'quote',
    // What it swallows is missing, or part of a value.
    follows: /^config\/(?:argument-misplaced|url-invalid|option-needs)$/,
    of: 'configuration',
  },
  {
    cause: 'config/argument-misplaced',
    kind: 'left over',
    follows: /^config\/url-invalid$/,
    of: 'place',
  },
  {
    cause: 'config/member-not-listed',
    kind: 'itself',
    follows: /^config\/members-differ$/,
    followsKind: /^cluster$/,
    of: 'option',
  },
  // The findings about the first certificate are about the wrong one.
  { cause: 'credentials/leaf-not-first', follows: /^(?!config\/|file\/|pem\/|key\/)/, of: 'file' },
  { cause: 'san/host-not-covered', follows: /^san\/ip-written-as-dns$/, of: 'certificate' },
  { cause: 'config/client-and-peer-swapped', follows: /^chain\//, of: 'any' },
  {
    cause: 'config/client-and-peer-swapped',
    follows: /^config\/gateway-refused$/,
    followsKind: /^(?:CA|self-signed|CA of the same name)$/,
    of: 'any',
  },
  { cause: 'config/url-repeated', kind: 'port', follows: /^config\/metrics-plaintext$/, of: 'any' },
  {
    cause: 'config/url-repeated',
    kind: 'port',
    follows: /^config\/advertise-unreachable$/,
    followsKind: /^port$/,
    of: 'any',
  },
  { cause: 'config/members-name-repeated', follows: /^config\/cluster-urls-differ$/, of: 'any' },
  {
    cause: 'config/members-name-repeated',
    follows: /^config\/url-repeated$/,
    followsKind: /^members$/,
    of: 'any',
  },
  {
    cause: 'config/members-differ',
    kind: 'scheme',
    follows: /^config\/plaintext-url$/,
    followsKind: /TLS options$|^peers$/,
    of: 'place',
  },
  { cause: 'config/members-differ', kind: 'scheme', follows: /^config\/cluster-urls-differ$/, of: 'configuration' },
  {
    cause: 'config/members-differ',
    kind: 'cluster',
    follows: /^config\/member-not-listed$/,
    followsKind: /^(?:starting|joining)$/,
    of: 'option',
  },
  {
    cause: 'config/member-not-listed',
    kind: 'itself',
    follows: /^config\/member-not-listed$/,
    followsKind: /^(?:starting|joining)$/,
    of: 'option',
    if: isSameName,
  },
  { cause: 'config/cluster-urls-differ', follows: /^san\/host-not-covered$/, of: 'configuration', if: isAdvertised },
  {
    cause: 'config/member-not-trusted',
    follows: /^chain\/issuer-not-found$/,
    of: 'configuration',
    if: (_, { place }) => /peer/i.test(place?.option ?? ''),
  },
  {
    cause: 'config/allowed-cn-as-subject',
    follows: /^config\/member-not-allowed$/,
    followsKind: /^itself$/,
    of: 'option',
  },
  ...(['config/member-not-allowed', 'config/member-revoked', 'config/tls-versions-disjoint'] as const).map(
    (cause): Link => ({
      cause,
      follows: /^config\/members-differ$/,
      followsKind: /^(?:access|restriction)$/,
      of: 'option',
    }),
  ),
]

/** The findings that have causes of their own, each once, with those that follow from them. */
export function byCause(all: readonly Finding[]): Finding[] {
  const findings = withSiblings(distinct(all))
  // Of thousands of findings, few have consequences.
  const causes = findings.filter(({ code }) => LINKS.some(({ cause }) => cause === code))
  if (causes.length === 0) return findings
  const folded = new Set<Finding>()
  const followers = new Map<Finding, Finding[]>()
  for (const finding of findings) {
    const links = LINKS.filter(({ follows }) => follows.test(finding.code))
    if (links.length === 0) continue
    const cause = causes.find((each) => each !== finding && links.some((link) => isLinked(link, each, finding)))
    if (cause === undefined) continue
    folded.add(finding)
    const own = followers.get(cause)
    if (own === undefined) followers.set(cause, [finding])
    else own.push(finding)
  }
  // A cause may follow from another one; no two follow from each other.
  const whole = (each: Finding): Finding => {
    const own = followers.get(each)
    return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own.map(whole)] }
  }
  return findings.filter((each) => !folded.has(each)).map(whole)
}

/** Findings that one mistake made several times: the first one is reported, and the others are its consequences. */
function withSiblings(findings: readonly Finding[]): Finding[] {
  const groups = new Map<string, Finding[]>()
  for (const each of findings) {
    const key = siblingKey(each)
    const group = key === null ? undefined : groups.get(key)
    if (group === undefined) groups.set(key ?? `alone ${String(groups.size)}`, [each])
    else group.push(each)
  }
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : others.length === 0
        ? first
        : { ...first, consequences: [...first.consequences, ...others] },
  )
}

/** What the findings of one mistake have in common; null if a finding stands for itself. */
function siblingKey({ code, details, place, severity }: Finding): string | null {
  const keyOf = (...parts: readonly unknown[]): string => JSON.stringify([code, severity, place?.file, ...parts])
  switch (code) {
    case 'config/not-expanded':
      return keyOf(details.names, details.by)
    case 'config/protection-ignored': {
      const [block, key] = details.belongs?.split('.') ?? []
      return key === undefined ? null : keyOf(block)
    }
    case 'file/missing':
      return place === undefined ? null : keyOf(dirname(details.file))
    case 'config/unit-invalid':
      return details.kind === 'export' ? keyOf(details.kind) : null
    case 'config/quotes-in-value':
      return keyOf()
    case 'config/cipher-suites-unfit':
      return details.subject === '' ? null : keyOf(place?.option, details.kind)
    default:
      return null
  }
}

/** Both sides often have the same files, whose findings are reported once. */
function distinct(findings: readonly Finding[]): Finding[] {
  const byText = new Map<string, Finding>()
  for (const each of findings) {
    const text = `${each.code} ${each.message}`
    if (!byText.has(text)) byText.set(text, each)
  }
  return [...byText.values()]
}

function isSameName(cause: Finding, consequence: Finding): boolean {
  if (cause.code !== 'config/member-not-listed' || consequence.code !== 'config/member-not-listed') return false
  return consequence.details.members.every((name) => cause.details.members.includes(name))
}

/** A host that is advertised and not in the list is wrong in the certificate, too. */
function isAdvertised(cause: Finding, consequence: Finding): boolean {
  if (cause.code !== 'config/cluster-urls-differ' || consequence.code !== 'san/host-not-covered') return false
  const isOf = (url: string): boolean => url.replace(/^\w+:\/\/\[?|\]?:\d+$/g, '') === consequence.details.host
  return cause.details.advertised.some(isOf) && !cause.details.listed.some(isOf)
}

function isLinked(link: Link, cause: Finding, consequence: Finding): boolean {
  if (cause.code !== link.cause || !link.follows.test(consequence.code)) return false
  if (link.kind !== undefined && kindOf(cause) !== link.kind) return false
  if (link.followsKind?.test(kindOf(consequence)) === false) return false
  if (link.if?.(cause, consequence) === false) return false
  // An error is never part of something less: the report would pass.
  if (SEVERITIES.indexOf(cause.severity) > SEVERITIES.indexOf(consequence.severity)) return false
  const [a, b] = [cause.certificate, consequence.certificate]
  switch (link.of) {
    case 'any':
      return true
    case 'option':
      return optionsOf(cause).some((option) => optionsOf(consequence).includes(option))
    case 'configuration':
      return cause.place?.file === consequence.place?.file
    case 'place':
      return cause.place?.option === consequence.place?.option && cause.place?.file === consequence.place?.file
    default:
      if (a?.origin !== b?.origin) return false
      return (a?.fingerprint256 === b?.fingerprint256) === (link.of === 'certificate')
  }
}

function kindOf({ details }: Finding): string {
  return 'kind' in details && typeof details.kind === 'string' ? details.kind : ''
}

/** The options that a finding is about: its own, and the one of another member that it is compared with. */
function optionsOf({ details, place }: Finding): string[] {
  const named = [
    'option' in details ? details.option : place?.option,
    'restriction' in details ? details.restriction : undefined,
    'crl' in details ? details.crl : undefined,
  ]
  return named.filter((each) => typeof each === 'string')
}
