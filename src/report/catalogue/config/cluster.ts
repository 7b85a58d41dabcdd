/** Findings about the members of one cluster, and about --initial-cluster. */
import { error, info, warning } from '../../row.js'
import { listed, quoted } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { verb } from './place.js'

const REVOKED = { etcd: 'transport: certificate serial … revoked' }
const NOT_ALLOWED = { etcd: 'client certificate authentication failed' }
const NOT_ADVERTISED = '--initial-cluster has … but missing from --initial-advertise-peer-urls=…'

/** `by`: the members whose list omits them. */
export type MemberNotListed = ConfigPlace & { members: string[]; by: string }

export type MembersDiffer = ConfigPlace & { values: { member: string; value: string }[] }

export type OwnRevoked = ConfigPlace & { subject: string; crl: string; serialNumber: string }

export type MemberNotAllowed = ConfigPlace & { has: string; allowed: string[] }

export const configCluster = {
  'config/members-name-repeated': error((d: { name: string; members: string[] }) => [
    `${listed(d.members)} have the same name, "${d.name}".`,
    'Give each member its own name (--name).',
  ]).refusedAs({ etcd: NOT_ADVERTISED }),
  'config/member-not-listed': {
    itself: error((d: ConfigPlace & { members: string[] }) => [
      `${d.option} does not contain the ${verb(d.members, 'member', 'members')} ${quoted(d.members)}.`,
      `Add "${d.members[0] ?? 'NAME'}=URL" for each URL that this member advertises to its peers.`,
    ]).refusedAs({ etcd: `couldn't find local name "…" in the initial cluster configuration` }),
    starting: error((d: MemberNotListed) => [
      `${areNot(d.members)} in ${d.option} of ${d.by}.`,
      `Add ${withUrls(d.members)} to ${d.option} of all members.`,
    ]).refusedAs({ etcd: 'request cluster ID mismatch' }),
    joining: error((d: MemberNotListed) => [
      `${areNot(d.members)} in ${d.option} of ${d.by}, which joins an existing cluster.`,
      `Add ${withUrls(d.members)} to ${d.option} of ${d.by}; the lists of the others may stay as they are.`,
    ]).refusedAs({ etcd: 'error validating peerURLs …: member count is unequal' }),
    'joined later': info((d: MemberNotListed) => [
      `${areNot(d.members)} in ${d.option} of ${d.by}: ${verb(d.members, 'it joins', 'they join')} an existing cluster.`,
      `You do not have to do anything; add ${quoted(d.members)} to ${d.option} when you write the files again.`,
    ]),
  },
  'config/cluster-urls-differ': error((d: ConfigPlace & { name: string; advertised: string[]; listed: string[] }) => [
    `${d.option} has the URLs ${listed(d.listed)} for "${d.name}", but the member advertises ${listed(d.advertised)}.`,
    sameUrlsRemedy(d),
  ]).refusedAs({ etcd: [NOT_ADVERTISED, '--initial-advertise-peer-urls has … but missing from --initial-cluster=…'] }),
  'config/members-differ': {
    cluster: error((d: MembersDiffer) => [differenceMessage(d), sameValueRemedy(d)]).refusedAs({
      etcd: 'request cluster ID mismatch',
    }),
    state: info((d: MembersDiffer) => [
      `${differenceMessage(d)} A member with "existing" does not start before the cluster exists.`,
      'If all members start for the first time, write "new" for all. If the member joined later, you do not have to do anything.',
    ]).refusedAs({ etcd: 'cannot fetch cluster info from peer urls: …' }),
    scheme: error((d: MembersDiffer) => [
      `${members(d.values)} ${d.values.length === 1 ? 'listens' : 'listen'} for peers with http (${d.option}), and the others with https.`,
      `Write https in ${d.option}, and in all other peer URLs. If the cluster runs, first change its list: "etcdctl member update ID --peer-urls=https://HOST:PORT", with an ID of "etcdctl member list".`,
    ]).refusedAs({ Go: 'http: server gave HTTP response to HTTPS client' }),
    access: error((d: MembersDiffer) => [
      !d.values.some(isUnset)
        ? `${differenceMessage(d)} A member accepts certificates that another one refuses.`
        : `${d.option} is set for ${members(d.values, true)}, but not for ${members(d.values, false)}, which ${d.values.filter(isUnset).length === 1 ? 'accepts' : 'accept'} certificates that the other members refuse.`,
      !d.values.some(isUnset) ? sameValueRemedy(d) : `Set ${d.option} for ${members(d.values, false)} as well.`,
    ]),
    restriction: warning((d: MembersDiffer) => [
      differenceMessage(d),
      d.values.some(({ value }) => value === 'false')
        ? `Check that all ${d.option.includes('peer') ? 'peer certificates are for clientAuth as well' : 'clients have a certificate'}. Then set ${d.option} to true for all members.`
        : sameValueRemedy(d),
    ]),
    tokens: error((d: MembersDiffer) => [
      `${differenceMessage(d)} A member refuses the tokens that another one signs.`,
      `Give all members the same ${d.option}, with the same keys in its files.`,
    ]).refusedAs({ etcd: 'etcdserver: invalid auth token' }),
    CAs: warning((d: MembersDiffer) => [
      differenceMessage({ option: `the CAs of ${d.option}`, values: d.values }),
      `Write the CAs of all these files into one, and give it to all members for ${d.option}. Then restart them, one after the other.`,
    ]),
  },
  'config/member-not-trusted': error(
    (d: { member: string; by: string; subject: string; as: 'server' | 'client'; option: string }) => [
      `The peer certificate "${d.subject}" that ${d.member} uses as a ${d.as} does not chain to a CA of ${d.option} of ${d.by}.`,
      `Write the CAs of all members into one bundle, and give it to all of them in ${d.option}. If it does not have the CA of this certificate, reissue the certificate by a CA that it has.`,
    ],
  ).refusedAs([
    { Go: 'x509: certificate signed by unknown authority', when: ({ as }) => as === 'client' },
    { Go: 'remote error: tls: bad certificate' },
  ]),
  'config/member-revoked': {
    itself: error((d: OwnRevoked) => [ownRevoked(d), newSerial(d)]).refusedAs(REVOKED),
    gateway: warning((d: OwnRevoked) => [
      `${ownRevoked(d)} Clients can connect, but etcd's own gateway cannot.`,
      newSerial(d),
    ]).refusedAs(REVOKED),
    'by others': error((d: ConfigPlace & { member: string; by: string; crl: string; serialNumber: string }) => [
      `The peer certificate of ${d.member} (serial number ${d.serialNumber}) is in the CRL of ${d.crl} of ${d.by}.`,
      newSerial(d),
    ]).refusedAs(REVOKED),
  },
  'config/member-not-allowed': {
    itself: warning((d: MemberNotAllowed & { cert: string }) => [
      `${d.option} allows ${listed(d.allowed)}, but the certificate of the member itself, ${d.cert}, has ${d.has}.`,
      `Add the name to ${d.option} of all members, or reissue the certificate with an allowed name.`,
    ]).refusedAs(NOT_ALLOWED),
    'by others': error((d: MemberNotAllowed & { member: string; by: string; restriction: string }) => [
      `The peer certificate of ${d.member} has ${d.has}, but ${d.restriction} of ${d.by} allows ${listed(d.allowed)}.`,
      `Add the name to ${d.restriction}, or reissue the certificate with an allowed name.`,
    ]).refusedAs(NOT_ALLOWED),
  },
  'config/tls-versions-disjoint': error((d: { member: string; by: string; min: string; max: string }) => [
    `${d.member} requires at least TLS 1.3 (${d.min}), and ${d.by} supports at most TLS 1.2 (${d.max}). They have no version of TLS in common.`,
    `Give all members the same ${d.min} and ${d.max}.`,
  ]).refusedAs({
    Go: ['tls: client offered only unsupported versions: […]', 'remote error: tls: protocol version not supported'],
  }),
}

type Values = readonly { member: string; value: string }[]

function areNot(names: readonly string[]): string {
  return `${quoted(names)} ${verb(names, 'is', 'are')} not`
}

function withUrls(names: readonly string[]): string {
  return `${quoted(names)} with ${verb(names, 'its', 'their')} peer URLs`
}

const isUnset = ({ value }: Values[number]): boolean => value === ''

/** All members; with `isSet`, those that set a value or those that do not. */
function members(values: Values, isSet: boolean | null = null): string {
  return listed(values.filter((each) => isSet === null || isUnset(each) !== isSet).map(({ member }) => member))
}

function sameUrlsRemedy({
  name,
  advertised,
  listed: all,
}: {
  name: string
  advertised: string[]
  listed: string[]
}): string {
  const others = all.filter((url) => !advertised.includes(url))
  if (others.length === 0 || others.length === all.length) return 'Write the same URLs in both.'
  return `If ${listed(others)} ${verb(others, 'is', 'are')} of another member, write that member's name there in place of "${name}". Otherwise, advertise ${verb(others, 'it', 'them')} as well.`
}

function differenceMessage({ option, values }: { option: string; values: Values }): string {
  const each = values.map(({ member, value }) => `${value === '' ? 'nothing' : value} (${member})`)
  return `Members differ in ${option}: ${listed(each)}.`
}

function sameValueRemedy({ option }: { option: string }): string {
  return `Write the same ${option} for all members.`
}

function ownRevoked(d: OwnRevoked): string {
  return `${d.option} names "${d.subject}" (serial number ${d.serialNumber}), which the CRL of ${d.crl} revokes.`
}

function newSerial({ option }: { option: string }): string {
  return `Issue a new certificate for ${option}, with another serial number.`
}
