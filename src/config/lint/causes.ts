/** One finding for each cause: what follows from another finding is reported with it. */
import { dirname } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { SEVERITIES } from '../../report/row.js'

/**
 * What a cause and its consequence have in common: a certificate, a file of which they are about different certificates,
 * an option of all members, a place in the configuration of one, that configuration, or nothing.
 */
type Common = 'certificate' | 'file' | 'option' | 'place' | 'configuration' | 'any'

/** Codes, each with the kind in the details if there is one. */
type Link = readonly [
  cause: RegExp,
  consequence: RegExp,
  of: Common,
  isLinked?: (cause: Finding, consequence: Finding) => boolean,
]

const LINKS: readonly Link[] = [
  [/^config\/volume-invalid/, /^config\/not-checked configuration file$/, 'place'],
  // What the quote swallows is missing, or part of a value.
  [/^config\/line-broken quote$/, /^config\/(?:argument-misplaced|url-invalid|option-needs)/, 'configuration'],
  [/^config\/argument-misplaced left over$/, /^config\/url-invalid/, 'place'],
  [/^config\/client-auth-off/, /^config\/restriction-not-in-force no certificates/, 'configuration', isOfSide],
  [/^config\/member-not-listed itself$/, /^config\/members-differ cluster$/, 'option'],
  [/^config\/member-not-listed itself$/, /^config\/member-not-listed (?:starting|joining)$/, 'option', isSameName],
  // The findings about the first certificate are about the wrong one.
  [/^credentials\/leaf-not-first/, /^(?!config\/|file\/|pem\/|key\/)/, 'file'],
  [/^san\/host-not-covered/, /^san\/ip-written-as-dns/, 'certificate'],
  [/^config\/client-and-peer-swapped/, /^chain\/|^config\/gateway-refused (?!name$)/, 'any'],
  [/^config\/url-repeated port$/, /^config\/(?:metrics-plaintext|advertise-unreachable port$)/, 'any'],
  [/^config\/members-name-repeated/, /^config\/(?:cluster-urls-differ|url-repeated members$)/, 'any'],
  [/^config\/members-differ scheme$/, /^config\/plaintext-url .*(?:TLS options|peers)$/, 'place'],
  [/^config\/members-differ scheme$/, /^config\/cluster-urls-differ/, 'configuration'],
  [/^config\/members-differ cluster$/, /^config\/member-not-listed (?:starting|joining)$/, 'option'],
  [/^config\/cluster-urls-differ/, /^san\/host-not-covered/, 'configuration', isAdvertised],
  [
    /^config\/member-not-trusted/,
    /^chain\/issuer-not-found/,
    'configuration',
    (_, { place }) => isOfPeers(place?.option),
  ],
  [/^config\/allowed-cn-as-subject/, /^config\/member-not-allowed itself$/, 'option'],
  [
    /^config\/(?:member-not-allowed|member-revoked|tls-versions-disjoint)/,
    /^config\/members-differ (?:access|restriction)$/,
    'option',
  ],
]

/** The findings that have causes of their own, each once, with those that follow from them. */
export function byCause(all: readonly Finding[]): Finding[] {
  const findings = withSiblings(distinct(all))
  const named = findings.map((finding) => ({ finding, name: nameOf(finding) }))
  // Of thousands of findings, few have consequences.
  const causes = named.filter(({ name }) => LINKS.some(([cause]) => cause.test(name)))
  if (causes.length === 0) return findings
  const folded = new Set<Finding>()
  const followers = new Map<Finding, Finding[]>()
  for (const { finding, name } of named) {
    const links = LINKS.filter(([, consequence]) => consequence.test(name))
    const cause = causes.find(
      (each) =>
        each.finding !== finding &&
        links.some((link) => link[0].test(each.name) && isLinked(link, each.finding, finding)),
    )?.finding
    if (cause === undefined) continue
    folded.add(finding)
    followers.set(cause, [...(followers.get(cause) ?? []), finding])
  }
  // A cause may follow from another one; no two follow from each other.
  const whole = (each: Finding): Finding => {
    const own = followers.get(each)
    return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own.map(whole)] }
  }
  return findings.filter((each) => !folded.has(each)).map(whole)
}

function nameOf({ code, details }: Finding): string {
  return 'kind' in details && typeof details.kind === 'string' ? `${code} ${details.kind}` : code
}

function isLinked([, , of, isMeant]: Link, cause: Finding, consequence: Finding): boolean {
  // An error is never part of something less: the report would pass.
  if (SEVERITIES.indexOf(cause.severity) > SEVERITIES.indexOf(consequence.severity)) return false
  if (isMeant?.(cause, consequence) === false) return false
  const [a, b] = [cause.certificate, consequence.certificate]
  const isSameFile = cause.place?.file === consequence.place?.file
  switch (of) {
    case 'any':
      return true
    case 'option':
      return optionsOf(cause).some((option) => optionsOf(consequence).includes(option))
    case 'configuration':
      return isSameFile
    case 'place':
      return isSameFile && cause.place?.option === consequence.place?.option
    default:
      return a?.origin === b?.origin && (a?.fingerprint256 === b?.fingerprint256) === (of === 'certificate')
  }
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

function isOfPeers(option: string | null | undefined): boolean {
  return /peer/i.test(option ?? '')
}

function isOfSide({ place }: Finding, consequence: Finding): boolean {
  return isOfPeers(place?.option) === isOfPeers(consequence.place?.option)
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

/** Findings that one mistake made several times: the first one is reported, and the others are its consequences. */
function withSiblings(findings: readonly Finding[]): Finding[] {
  const groups = new Map<unknown, Finding[]>()
  for (const each of findings) {
    const key = siblingKey(each) ?? each
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else group.push(each)
  }
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined || others.length === 0) return first ?? []
    return { ...first, consequences: [...first.consequences, ...others] }
  })
}

/** What the findings of one mistake have in common; null if a finding stands for itself. */
function siblingKey({ code, details, place, severity }: Finding): string | null {
  const keyOf = (...parts: readonly unknown[]): string => JSON.stringify([code, severity, place?.file, ...parts])
  switch (code) {
    case 'config/not-expanded':
      return keyOf(details.names, details.kind)
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
      // Both sides have one list, whose entries may be on lines of their own.
      return keyOf(place?.option, details.kind)
    default:
      return null
  }
}

/** Both sides often have the same files, whose findings are reported once. */
function distinct(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ code, message }) => {
    const isNew = !seen.has(`${code} ${message}`)
    seen.add(`${code} ${message}`)
    return isNew
  })
}
