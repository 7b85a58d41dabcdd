/** Reports one finding for each mistake: findings that another one causes become its `consequences`. */
import { dirname } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { SEVERITIES } from '../../report/row.js'
import { groupBy } from './rule.js'

/** The patterns match the code, followed by the kind in the details if there is one. */
type Link = readonly [cause: RegExp, consequence: RegExp, isLinked: (cause: Finding, consequence: Finding) => boolean]

const isAny = (): boolean => true
const isSamePlace = (a: Finding, b: Finding): boolean => isSameConfigFile(a, b) && a.place?.option === b.place?.option
const isSameConfigFile = (a: Finding, b: Finding): boolean => a.place?.file === b.place?.file
const isSameOption = (a: Finding, b: Finding): boolean => optionsOf(a).some((option) => optionsOf(b).includes(option))
const isSameCertificateFile = (a: Finding, b: Finding): boolean => a.certificate?.origin === b.certificate?.origin
const isSameCertificate = (a: Finding, b: Finding): boolean =>
  isSameCertificateFile(a, b) && a.certificate?.fingerprint256 === b.certificate?.fingerprint256

const LINKS: readonly Link[] = [
  // The option that was meant is not set.
  [/^config\/(?:option-unknown|option-ignored|protection-ignored)/, /^config\//, isAboutMeant],
  // The value is wrong because of how it is written.
  [
    /^config\/(?:not-expanded|comment-in-value|space-in-list|quotes-in-value|value-type)/,
    /^config\/(?:url-invalid|value-invalid|cipher-suites-unfit)|^file\//,
    isSamePlace,
  ],
  // The arguments up to the missing quote are missing, or are part of a value.
  [/^config\/line-broken quote$/, /^config\/(?:argument-misplaced|url-invalid|option-needs)/, isSameConfigFile],
  [/^config\/argument-misplaced left over$/, /^config\/url-invalid/, isSamePlace],
  [
    /^config\/client-auth-off/,
    /^config\/restriction-not-in-force no certificates/,
    (a, b) => isSameConfigFile(a, b) && isPeerOption(a) === isPeerOption(b),
  ],
  [/^config\/member-not-listed itself$/, /^config\/members-differ cluster$/, isSameOption],
  [
    /^config\/member-not-listed itself$/,
    /^config\/member-not-listed (?:starting|joining)$/,
    (a, b) => isSameOption(a, b) && isSameName(a, b),
  ],
  // Other checks then see the wrong certificate as the leaf.
  [
    /^credentials\/leaf-not-first/,
    /^(?!config\/|file\/|pem\/|key\/)/,
    (a, b) => isSameCertificateFile(a, b) && !isSameCertificate(a, b),
  ],
  [/^san\/host-not-covered/, /^san\/ip-written-as-dns/, isSameCertificate],
  [/^config\/client-and-peer-swapped/, /^chain\/|^config\/gateway-refused (?!name$)/, isAny],
  [/^config\/url-repeated port$/, /^config\/(?:metrics-plaintext|advertise-unreachable port$)/, isAny],
  [/^config\/members-name-repeated/, /^config\/(?:cluster-urls-differ|url-repeated members$)/, isAny],
  [/^config\/members-differ scheme$/, /^config\/plaintext-url .*(?:TLS options|peers)$/, isSamePlace],
  [/^config\/members-differ scheme$/, /^config\/cluster-urls-differ/, isSameConfigFile],
  [/^config\/members-differ cluster$/, /^config\/member-not-listed (?:starting|joining)$/, isSameOption],
  [
    /^config\/cluster-urls-differ/,
    /^san\/host-not-covered/,
    (a, b) => isSameConfigFile(a, b) && isAdvertisedOnly(a, b),
  ],
  [/^config\/member-not-trusted/, /^chain\/issuer-not-found/, (a, b) => isSameConfigFile(a, b) && isPeerOption(b)],
  [/^config\/allowed-cn-as-subject/, /^config\/member-not-allowed itself$/, isSameOption],
  [
    /^config\/(?:member-not-allowed|member-revoked|tls-versions-disjoint)/,
    /^config\/members-differ (?:access|restriction)$/,
    isSameOption,
  ],
]

/** Returns the findings that no other finding causes, each with its consequences. */
export function byCause(all: readonly Finding[]): Finding[] {
  const findings = mergeRepeated(distinct(all))
  const named = findings.map((finding) => ({ finding, name: nameOf(finding) }))
  // There may be thousands of findings, few of which are causes.
  const causes = named.filter(({ name }) => LINKS.some(([cause]) => cause.test(name)))
  if (causes.length === 0) return findings
  const nested = new Set<Finding>()
  const consequencesOf = new Map<Finding, Finding[]>()
  for (const { finding, name } of named) {
    const links = LINKS.filter(([, consequence]) => consequence.test(name))
    const cause = causes.find(
      (each) =>
        each.finding !== finding &&
        // An error below a warning would leave the report without errors.
        SEVERITIES.indexOf(each.finding.severity) <= SEVERITIES.indexOf(finding.severity) &&
        links.some(([cause, , isLinked]) => cause.test(each.name) && isLinked(each.finding, finding)),
    )?.finding
    if (cause === undefined) continue
    nested.add(finding)
    consequencesOf.set(cause, [...(consequencesOf.get(cause) ?? []), finding])
  }
  // LINKS has no cycle, so the recursion ends.
  const withConsequences = (each: Finding): Finding => {
    const own = consequencesOf.get(each)
    return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own.map(withConsequences)] }
  }
  return findings.filter((each) => !nested.has(each)).map(withConsequences)
}

function nameOf({ code, details }: Finding): string {
  return 'kind' in details && typeof details.kind === 'string' ? `${code} ${details.kind}` : code
}

/** Whether the consequence is about the option that a misspelt name stands for, or about its block. */
function isAboutMeant(cause: Finding, consequence: Finding): boolean {
  const { details } = cause
  const given = ['nearest', 'belongs'].flatMap((key) =>
    Object.hasOwn(details, key) ? [Reflect.get(details, key) as unknown] : [],
  )
  const keys = 'keys' in details ? details.keys : []
  const meant = [...given, ...keys].filter((each) => typeof each === 'string')
  const needs = 'needs' in consequence.details ? consequence.details.needs : []
  const about = [...optionsOf(consequence), ...needs]
  const [block = ''] = meant[0]?.split('.') ?? []
  const isAutoTls = consequence.code === 'config/auto-tls' && about.some((option) => option === `${block}.auto-tls`)
  return isAutoTls || about.some((option) => meant.some((each) => option === each || option.startsWith(`${each}.`)))
}

/** The option of a finding, and the option of another member that it names. */
function optionsOf({ details, place }: Finding): string[] {
  const named = [
    'option' in details ? details.option : place?.option,
    'restriction' in details ? details.restriction : undefined,
    'crl' in details ? details.crl : undefined,
  ]
  return named.filter((each) => typeof each === 'string')
}

function isPeerOption({ place }: Finding): boolean {
  return /peer/i.test(place?.option ?? '')
}

function isSameName(cause: Finding, consequence: Finding): boolean {
  if (cause.code !== 'config/member-not-listed' || consequence.code !== 'config/member-not-listed') return false
  return consequence.details.members.every((name) => cause.details.members.includes(name))
}

/** If a member advertises a wrong host, its certificate does not cover that host either. */
function isAdvertisedOnly(cause: Finding, consequence: Finding): boolean {
  if (cause.code !== 'config/cluster-urls-differ' || consequence.code !== 'san/host-not-covered') return false
  const isOf = (url: string): boolean => url.replace(/^\w+:\/\/\[?|\]?:\d+$/g, '') === consequence.details.host
  return cause.details.advertised.some(isOf) && !cause.details.listed.some(isOf)
}

/** If one mistake causes several findings, the first one is reported, and the others are its consequences. */
function mergeRepeated(findings: readonly Finding[]): Finding[] {
  return groupBy<Finding, unknown>(findings, (each) => repeatKey(each) ?? each).map(([, [first, ...others]]) =>
    others.length === 0 ? first : { ...first, consequences: [...first.consequences, ...others] },
  )
}

/** A key that all findings of one mistake share; null if the finding is not merged with others. */
function repeatKey({ code, details, place, severity }: Finding): string | null {
  const keyOf = (...parts: readonly unknown[]): string => JSON.stringify([code, severity, place?.file, ...parts])
  switch (code) {
    case 'config/not-expanded':
      return keyOf(details.names, details.kind)
    case 'config/protection-ignored': {
      const [block, key] =
        details.kind === 'nested keys' ? [] : ((details.belongs ?? details.nearest)?.split('.') ?? [])
      return key === undefined ? null : keyOf(block)
    }
    case 'file/missing':
      return place === undefined ? null : keyOf(dirname(details.file))
    case 'config/unit-invalid':
      return details.kind === 'export' ? keyOf(details.kind) : null
    case 'config/quotes-in-value':
      return keyOf()
    case 'config/cipher-suites-unfit':
      // The client and peer sides share one list, whose entries may be on separate lines.
      return keyOf(place?.option, details.kind)
    default:
      return null
  }
}

/** The client and peer sides often use the same files, whose findings are reported once. */
function distinct(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ code, message, place }) => {
    const { file = null, line = null, column = null } = code.startsWith('config/') ? (place ?? {}) : {}
    const key = JSON.stringify([code, message, file, line, column])
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}
