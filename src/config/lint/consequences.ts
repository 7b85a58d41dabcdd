/** What follows from something else is told with it, so that there is one finding for one cause; and in words of etcd. */
import type { Finding, FindingCode } from '../../report/finding.js'
import type { ReadMember } from '../read/input.js'
import { SEVERITIES } from '../../report/severity.js'

interface Link {
  readonly cause: FindingCode
  readonly follows: RegExp
  /**
   * What the two have in common: a certificate, a file of which they are about different certificates, an option of all
   * members, a place in the configuration of one, or that configuration.
   */
  readonly of: 'certificate' | 'file' | 'option' | 'place' | 'configuration' | 'any'
  /** What else must be true. */
  readonly if?: (first: Finding, second: Finding) => boolean
}

const LINKS: readonly Link[] = [
  // Where the first certificate is none of the member’s, what is said of it is said of the wrong one.
  { cause: 'credentials/leaf-not-first', follows: /^(?!config\/|file\/|pem\/|key\/)/, of: 'file' },
  { cause: 'credentials/anchor-is-no-ca', follows: /^chain\/anchor-not-self-signed$/, of: 'any' },
  { cause: 'san/host-not-covered', follows: /^san\/ip-written-as-dns$/, of: 'certificate' },
  { cause: 'config/ports-clash', follows: /^config\/(?:metrics-plaintext|advertise-port)$/, of: 'any' },
  { cause: 'config/members-name-repeated', follows: /^config\/(?:cluster-urls-differ|members-share-url)$/, of: 'any' },
  { cause: 'config/members-scheme-differs', follows: /^config\/(?:plaintext-url|peer-tls-forgotten)$/, of: 'place' },
  { cause: 'config/members-disagree', follows: /^config\/member-not-listed$/, of: 'option' },
  { cause: 'config/cluster-without-member', follows: /^config\/member-not-listed$/, of: 'option', if: isSameName },
  { cause: 'config/cluster-urls-differ', follows: /^san\/host-not-covered$/, of: 'configuration', if: isAdvertised },
  { cause: 'config/members-scheme-differs', follows: /^config\/cluster-urls-differ$/, of: 'configuration' },
  {
    cause: 'config/member-not-trusted',
    follows: /^chain\/issuer-not-found$/,
    of: 'configuration',
    if: (_, { place }) => /peer/i.test(place?.option ?? ''),
  },
  { cause: 'config/allowed-cn-as-subject', follows: /^config\/own-name-not-allowed$/, of: 'option' },
  { cause: 'config/member-not-allowed', follows: /^config\/members-differ$/, of: 'option' },
  { cause: 'config/member-revoked', follows: /^config\/members-differ$/, of: 'option' },
  { cause: 'config/members-tls-apart', follows: /^config\/members-differ$/, of: 'option' },
]

/** The findings that have causes of their own, with those that follow from them. */
export function byCause(findings: readonly Finding[]): Finding[] {
  // Of thousands of findings, few have consequences.
  const firsts = findings.filter(({ code }) => LINKS.some(({ cause }) => cause === code))
  if (firsts.length === 0) return [...findings]
  const told = new Set<Finding>()
  const followers = new Map<Finding, Finding[]>()
  for (const finding of findings) {
    const links = LINKS.filter(({ follows }) => follows.test(finding.code))
    if (links.length === 0) continue
    const cause = firsts.find((each) => each !== finding && links.some((link) => isLinked(link, each, finding)))
    if (cause === undefined) continue
    told.add(finding)
    const own = followers.get(cause)
    if (own === undefined) followers.set(cause, [finding])
    else own.push(finding)
  }
  // A cause may follow from another one; no two follow from each other.
  const whole = (each: Finding): Finding => {
    const own = followers.get(each)
    return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own.map(whole)] }
  }
  return findings.filter((each) => !told.has(each)).map(whole)
}

function isSameName(first: Finding, second: Finding): boolean {
  if (first.code !== 'config/cluster-without-member' || second.code !== 'config/member-not-listed') return false
  return second.details.members.every((name) => name === first.details.name)
}

/** A host that is advertised and not in the list is as wrong in the one as it is in the certificate. */
function isAdvertised(first: Finding, second: Finding): boolean {
  if (first.code !== 'config/cluster-urls-differ' || second.code !== 'san/host-not-covered') return false
  const isOf = (url: string): boolean => url.replace(/^\w+:\/\/\[?|\]?:\d+$/g, '') === second.details.host
  return first.details.advertised.some(isOf) && !first.details.listed.some(isOf)
}

function isLinked(link: Link, first: Finding, second: Finding): boolean {
  const { cause, follows, of } = link
  if (first.code !== cause || !follows.test(second.code) || second.code === cause) return false
  if (link.if?.(first, second) === false) return false
  // An error is never told as part of something less: the report would pass.
  if (SEVERITIES.indexOf(first.severity) > SEVERITIES.indexOf(second.severity)) return false
  const [a, b] = [first.certificate, second.certificate]
  if (of === 'any') return true
  if (of === 'option') return optionOf(first) === optionOf(second)
  if (of === 'configuration') return first.place?.file === second.place?.file
  if (of === 'place') {
    return first.place?.option === second.place?.option && first.place?.file === second.place?.file
  }
  if (a?.origin !== b?.origin) return false
  return (a?.fingerprint256 === b?.fingerprint256) === (of === 'certificate')
}

function optionOf({ details, place }: Finding): unknown {
  return 'option' in details ? details.option : place?.option
}

/** Remedies for whoever uses this package, as whoever runs etcd has to read them. */
export function forEtcd(finding: Finding, read: ReadMember): Finding {
  switch (finding.code) {
    case 'file/missing': {
      const path = read.surroundings.mounts === null ? null : read.hostPath(finding.details.file)
      return path === null
        ? finding
        : { ...finding, remedy: `It would be ${path}, outside of the container. ${finding.remedy}` }
    }
    case 'file/is-directory':
      return {
        ...finding,
        remedy: `Name a file inside ${finding.details.file}: of a mounted Secret, tls.crt and its kin.`,
      }
    case 'file/not-regular':
      return { ...finding, remedy: 'Write the contents to a regular file, and name that.' }
    case 'san/host-not-covered':
      return { ...finding, remedy: finding.remedy.replace('or connect by a name', 'or advertise a name') }
    default:
      return finding
  }
}
