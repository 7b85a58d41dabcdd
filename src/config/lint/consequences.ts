/** Which findings of a configuration are consequences of others. */
import { from, isKind, OF_CERTIFICATES, type Rule, type Selector } from '../../report/consequences.js'
import type { Finding, FindingCode } from '../../report/finding.js'

/** The same for several causes. */
function fromEach(
  causes: readonly FindingCode[],
  consequences: readonly Selector[],
  condition: (cause: Finding, consequence: Finding) => boolean,
): Rule[] {
  return causes.map((cause) => from(cause, consequences, (one, other) => condition(one as unknown as Finding, other)))
}

const WRITTEN_WRONG = [
  'config/not-expanded',
  'config/comment-in-value',
  'config/space-in-list',
  'config/quotes-in-value',
  'config/value-type',
] as const

/** The rules of the lint, which reports certificates as well. */
export const RULES: readonly Rule[] = [
  ...OF_CERTIFICATES,
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
