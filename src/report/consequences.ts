/** Which findings are consequences of others: one table for certificates and for configurations. */
import type { Finding, FindingCode } from './finding.js'
import { SEVERITIES } from './row.js'

/** A code, or all codes of an area: `chain/`. */
type Selector = FindingCode | `${string}/`

interface Rule {
  readonly cause: FindingCode
  readonly selects: (code: FindingCode) => boolean
  readonly holds: (cause: Finding, consequence: Finding, all: readonly Finding[]) => boolean
}

/** A rule about one cause. Without a condition, each of the consequences follows. */
function from<C extends FindingCode>(
  cause: C,
  consequences: readonly Selector[],
  condition: (cause: Finding<C>, consequence: Finding, all: readonly Finding[]) => boolean = () => true,
): Rule {
  return {
    cause,
    selects: (code) => consequences.some((each) => (each.endsWith('/') ? code.startsWith(each) : code === each)),
    holds: (one, other, all) => condition(one as unknown as Finding<C>, other, all),
  }
}

/** The same for several causes. */
function fromEach(
  causes: readonly FindingCode[],
  consequences: readonly Selector[],
  condition: (cause: Finding, consequence: Finding) => boolean,
): Rule[] {
  return causes.map((cause) => from(cause, consequences, (one, other) => condition(one as unknown as Finding, other)))
}

/** The consequences of an unreadable extension on the same certificate, besides the finding that it is absent. */
const UNREADABLE: Readonly<Record<string, readonly FindingCode[]>> = {
  basicConstraints: ['constraints/not-a-ca'],
  subjectAltName: ['san/host-not-covered', 'san/common-name-not-listed'],
}

const OF_CERTIFICATES = [
  // The malformed certificate is the missing issuer.
  from('certificate/malformed', ['chain/issuer-not-found', 'chain/no-trust-anchors'], (cause, { code, details }) =>
    code === 'chain/issuer-not-found'
      ? cause.details.subject === details.issuer
      : cause.details.origin.startsWith('trustAnchors'),
  ),
  // Such a certificate is never valid, whatever the time.
  from('validity/inverted', ['validity/expired', 'validity/not-yet-valid'], isOnSame),
  // If every certificate is of the future, the cause is one wrong clock, which `validity/clock-suspect` reports.
  from(
    'validity/not-yet-valid',
    ['validity/not-yet-valid'],
    (cause, _, all) => cause.certificate?.role === 'leaf' && all.some(({ code }) => code === 'validity/clock-suspect'),
  ),
  from('validity/expired', ['validity/outlives-issuer'], isIssuerOf),
  // The certificates that a CA issues repeat its malformed name.
  from(
    'certificate/name-malformed',
    ['certificate/name-malformed'],
    (cause, consequence) =>
      consequence.code === 'certificate/name-malformed' &&
      cause.details.field === 'subject' &&
      consequence.details.field === 'issuer' &&
      cause.details.kind === consequence.details.kind &&
      (isIssuerOf(cause, consequence) || isOnSame(cause, consequence)),
  ),
  from('key/unsupported', ['signature/algorithm-refused'], isUnsupportedBelow),
  from(
    'key/weak',
    ['signature/algorithm-refused'],
    (cause, consequence) => cause.details.algorithm === 'DSA' && isUnsupportedBelow(cause, consequence),
  ),
  // A certificate without any name has one fault, however many hosts are checked.
  from(
    'san/host-not-covered',
    ['san/host-not-covered', 'san/common-name-not-listed'],
    (cause, consequence) => cause.details.found.length === 0 && isOnSame(cause, consequence),
  ),
  from(
    'certificate/extension-refused',
    ['certificate/', 'usage/', 'constraints/', 'san/'],
    (cause, consequence) => isUnreadable(cause, consequence) && isOnSame(cause, consequence),
  ),
  from('input/too-much', ['certificate/', 'usage/', 'constraints/', 'san/'], (cause, consequence) => {
    const { extension = '' } = cause.details
    return isUnreadable({ details: { kind: 'malformed', extension } }, consequence) && isOnSame(cause, consequence)
  }),
  // Version 1 has no extensions.
  from(
    'certificate/version-unsupported',
    [
      'constraints/not-a-ca',
      'san/host-not-covered',
      'san/common-name-not-listed',
      'usage/extension-absent',
      'certificate/key-identifier-unusual',
    ],
    isOnSame,
  ),
  // A leaf that is used as a CA has the usages of a leaf. A CA with unreadable basicConstraints is not a leaf, so its usages are a
  // separate fault.
  from(
    'constraints/not-a-ca',
    ['usage/key-usage-missing', 'usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'],
    (cause, consequence, all) =>
      isOnSame(cause, consequence) &&
      !all.some(
        (each) => each.code === 'certificate/extension-refused' && isUnreadable(each, cause) && isOnSame(each, cause),
      ),
  ),
]

const WRITTEN_WRONG = [
  'config/not-expanded',
  'config/comment-in-value',
  'config/space-in-list',
  'config/quotes-in-value',
  'config/value-type',
] as const

const OF_CONFIGURATIONS = [
  // The option that was meant is not set.
  ...fromEach(
    ['config/option-unknown', 'config/option-ignored', 'config/protection-ignored'],
    ['config/'],
    isAboutMeant,
  ),
  // The value is wrong because of how it is written.
  ...fromEach(
    WRITTEN_WRONG,
    ['config/url-invalid', 'config/value-invalid', 'config/cipher-suites-unfit', 'file/'],
    isSamePlace,
  ),
  // The arguments up to the missing quote are missing, or are part of a value.
  from(
    'config/line-broken',
    ['config/argument-misplaced', 'config/url-invalid', 'config/option-needs'],
    (cause, consequence) => cause.details.kind === 'quote' && isSameConfigFile(cause, consequence),
  ),
  from(
    'config/argument-misplaced',
    ['config/url-invalid'],
    (cause, consequence) => cause.details.kind === 'left over' && isSamePlace(cause, consequence),
  ),
  from(
    'config/client-auth-off',
    ['config/restriction-not-in-force'],
    (cause, consequence) =>
      isKind(consequence, 'no certificates requested') &&
      isSameConfigFile(cause, consequence) &&
      isPeerOption(cause) === isPeerOption(consequence),
  ),
  from('config/member-not-listed', ['config/members-differ', 'config/member-not-listed'], (cause, consequence) => {
    if (cause.details.kind !== 'itself' || !isSameOption(cause, consequence)) return false
    if (consequence.code === 'config/members-differ') return isKind(consequence, 'cluster')
    return isKind(consequence, 'starting', 'joining') && isSameName(cause, consequence)
  }),
  // Other checks then see the wrong certificate as the leaf.
  from(
    'credentials/leaf-not-first',
    [
      'certificate/',
      'chain/',
      'constraints/',
      'credentials/',
      'name-constraints/',
      'san/',
      'signature/',
      'usage/',
      'validity/',
    ],
    (cause, consequence) => isSameCertificateFile(cause, consequence) && !isSameCertificate(cause, consequence),
  ),
  from(
    'config/client-and-peer-swapped',
    ['chain/', 'config/gateway-refused'],
    (_, consequence) => !isKind(consequence, 'name'),
  ),
  from(
    'config/url-repeated',
    ['config/metrics-plaintext', 'config/advertise-unreachable'],
    (cause, consequence) =>
      cause.details.kind === 'port' && (consequence.code === 'config/metrics-plaintext' || isKind(consequence, 'port')),
  ),
  from(
    'config/members-name-repeated',
    ['config/cluster-urls-differ', 'config/url-repeated'],
    (_, consequence) => consequence.code === 'config/cluster-urls-differ' || isKind(consequence, 'members'),
  ),
  from(
    'config/members-differ',
    ['config/plaintext-url', 'config/cluster-urls-differ', 'config/member-not-listed'],
    (cause, consequence) => {
      if (cause.details.kind === 'cluster')
        return isKind(consequence, 'starting', 'joining') && isSameOption(cause, consequence)
      if (cause.details.kind !== 'scheme') return false
      if (consequence.code === 'config/cluster-urls-differ') return isSameConfigFile(cause, consequence)
      return isKind(consequence, 'next to TLS options', 'no TLS options', 'peers') && isSamePlace(cause, consequence)
    },
  ),
  from(
    'config/cluster-urls-differ',
    ['san/host-not-covered'],
    (cause, consequence) => isSameConfigFile(cause, consequence) && isAdvertisedOnly(cause, consequence),
  ),
  from(
    'config/member-not-trusted',
    ['chain/issuer-not-found'],
    (cause, consequence) => isSameConfigFile(cause, consequence) && isPeerOption(consequence),
  ),
  from(
    'config/allowed-cn-as-subject',
    ['config/member-not-allowed'],
    (cause, consequence) => isKind(consequence, 'itself') && isSameOption(cause, consequence),
  ),
  ...fromEach(
    ['config/member-not-allowed', 'config/member-revoked', 'config/tls-versions-disjoint'],
    ['config/members-differ'],
    (cause, consequence) => isKind(consequence, 'access', 'restriction') && isSameOption(cause, consequence),
  ),
]

const RULES: readonly Rule[] = [...OF_CERTIFICATES, ...OF_CONFIGURATIONS]
const CAUSES: ReadonlySet<FindingCode> = new Set(RULES.map(({ cause }) => cause))

/** Folds consequences under their causes. A cause is at least as severe as its consequences, so the result does not change. */
export function foldConsequences(findings: readonly Finding[]): Finding[] {
  // There may be thousands of findings, few of which are causes, and few rules are about any two codes.
  const causes = findings.filter(({ code }) => CAUSES.has(code))
  if (causes.length === 0) return [...findings]
  const rulesFor = new Map<FindingCode, readonly (readonly [cause: Finding, rule: Rule])[]>()
  for (const { code } of findings) {
    if (rulesFor.has(code)) continue
    const rules = RULES.filter(({ selects }) => selects(code))
    const pairs = causes.flatMap((cause) =>
      rules.flatMap((rule) => (rule.cause === cause.code ? [[cause, rule] as const] : [])),
    )
    rulesFor.set(code, pairs)
  }
  const causeOf = new Map<Finding, Finding>()
  /** Follows causes to the first. Of two findings that cause each other, the first in the list is the root. */
  const rootOf = (finding: Finding): Finding => {
    let root = finding
    for (let cause = causeOf.get(root); cause !== undefined; cause = causeOf.get(root)) root = cause
    return root
  }
  // An error below a warning would leave the report without errors.
  const isLess = (cause: Finding, finding: Finding): boolean =>
    SEVERITIES.indexOf(cause.severity) > SEVERITIES.indexOf(finding.severity)
  for (const finding of findings) {
    const [cause] =
      rulesFor
        .get(finding.code)
        ?.find(
          ([one, { holds }]) =>
            one !== finding && !isLess(one, finding) && holds(one, finding, findings) && rootOf(one) !== finding,
        ) ?? []
    if (cause !== undefined) causeOf.set(finding, cause)
  }
  const consequencesOf = new Map<Finding, Finding[]>()
  for (const folded of causeOf.keys()) {
    const root = rootOf(folded)
    const own = consequencesOf.get(root)
    if (own === undefined) consequencesOf.set(root, [folded])
    else own.push(folded)
  }
  return findings
    .filter((each) => !causeOf.has(each))
    .map((each) => {
      const own = consequencesOf.get(each)
      return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own] }
    })
}

function isKind({ details }: Finding, ...kinds: readonly string[]): boolean {
  return 'kind' in details && typeof details.kind === 'string' && kinds.includes(details.kind)
}

function isOnSame(
  { certificate: a }: Pick<Finding, 'certificate'>,
  { certificate: b }: Pick<Finding, 'certificate'>,
): boolean {
  return a !== null && a.role === b?.role && a.fingerprint256 === b.fingerprint256
}

/** Whether the first certificate is directly above the second in the path. */
function isIssuerOf({ certificate: issuer }: Pick<Finding, 'certificate'>, { certificate: child }: Finding): boolean {
  return issuer !== null && child !== null && issuer.index === child.index + 1
}

function isUnsupportedBelow(cause: Pick<Finding, 'certificate'>, consequence: Finding): boolean {
  return isKind(consequence, 'unsupported') && isIssuerOf(cause, consequence)
}

function isUnreadable(
  { details: { kind, extension } }: { readonly details: { readonly kind: string; readonly extension: string } },
  { code, details }: Finding | Finding<'constraints/not-a-ca'>,
): boolean {
  if (kind !== 'malformed') return false
  const absent =
    code === 'certificate/key-identifier-unusual' && details.kind === 'missing'
      ? details.extension
      : code === 'usage/extension-absent'
        ? details.kind
        : null
  return absent === extension || UNREADABLE[extension]?.includes(code) === true
}

function isSamePlace(a: Pick<Finding, 'place'>, b: Finding): boolean {
  return isSameConfigFile(a, b) && a.place?.option === b.place?.option
}

function isSameConfigFile(a: Pick<Finding, 'place'>, b: Finding): boolean {
  return a.place?.file === b.place?.file
}

function isSameOption(a: Pick<Finding, 'details' | 'place'>, b: Finding): boolean {
  return optionsOf(a).some((option) => optionsOf(b).includes(option))
}

function isSameCertificateFile(a: Pick<Finding, 'certificate'>, b: Finding): boolean {
  return a.certificate?.origin === b.certificate?.origin
}

function isSameCertificate(a: Pick<Finding, 'certificate'>, b: Finding): boolean {
  return isSameCertificateFile(a, b) && a.certificate?.fingerprint256 === b.certificate?.fingerprint256
}

/** The option of a finding, and the option of another member that it names. */
function optionsOf({ details, place }: Pick<Finding, 'details' | 'place'>): string[] {
  const named = [
    'option' in details ? details.option : place?.option,
    'restriction' in details ? details.restriction : undefined,
    'crl' in details ? details.crl : undefined,
  ]
  return named.filter((each) => typeof each === 'string')
}

function isPeerOption({ place }: Pick<Finding, 'place'>): boolean {
  return /peer/i.test(place?.option ?? '')
}

function isSameName(cause: Finding<'config/member-not-listed'>, consequence: Finding): boolean {
  return (
    consequence.code === 'config/member-not-listed' &&
    consequence.details.members.every((name) => cause.details.members.includes(name))
  )
}

/** If a member advertises a wrong host, its certificate does not cover that host either. */
function isAdvertisedOnly(cause: Finding<'config/cluster-urls-differ'>, consequence: Finding): boolean {
  if (consequence.code !== 'san/host-not-covered') return false
  const isOf = (url: string): boolean => url.replace(/^\w+:\/\/\[?|\]?:\d+$/g, '') === consequence.details.host
  return cause.details.advertised.some(isOf) && !cause.details.listed.some(isOf)
}

/** Whether the consequence is about the option that a misspelt name stands for, or about its block. */
function isAboutMeant({ details }: Finding, consequence: Finding): boolean {
  const given = ['nearest', 'belongs'].map((key): unknown => Reflect.get(details, key))
  const keys = 'keys' in details ? details.keys : []
  const meant = [...given, ...keys].filter((each) => typeof each === 'string')
  const needs = 'needs' in consequence.details ? consequence.details.needs : []
  const about = [...optionsOf(consequence), ...needs]
  const [block = ''] = meant[0]?.split('.') ?? []
  const isAutoTls = consequence.code === 'config/auto-tls' && about.includes(`${block}.auto-tls`)
  return isAutoTls || about.some((option) => meant.some((each) => option === each || option.startsWith(`${each}.`)))
}
