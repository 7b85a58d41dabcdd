/** Findings about the members of one etcd cluster, and about the list of them. */
import { row } from '../../row.js'
import { listed, quoted } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { optionKinds, optionRow, verb } from './place.js'

const UNKNOWN_CA = 'x509: certificate signed by unknown authority'
const NOT_ADVERTISED = '--initial-cluster has … but missing from --initial-advertise-peer-urls=…'

export const configCluster = {
  'config/members-name-repeated': row<{ name: string; members: string[] }>({
    refusals: { etcd: NOT_ADVERTISED },
    message: ({ name, members }) => `${listed(members)} have the same name, "${name}".`,
    remedy: () => 'Give each member its own name (--name).',
  }),
  'config/member-not-listed': optionKinds<
    ConfigPlace & {
      kind: 'itself' | 'starting' | 'joining' | 'joined later' | 'not started'
      members: string[]
      /** The members whose list lacks them, or what does not start them. */
      by: string
    }
  >({
    kinds: {
      itself: {
        refusals: { etcd: `couldn't find local name "…" in the initial cluster configuration` },
        says: ({ members }) => `does not contain the ${verb(members, 'member', 'members')} ${quoted(members)}.`,
        remedy: ({ members }) =>
          `Add "${members[0] ?? 'NAME'}=URL" for each URL that this member advertises to its peers.`,
      },
      starting: {
        refusals: { etcd: 'request cluster ID mismatch' },
        message: ({ members, by, option }) => `${areNot(members)} in ${option} of ${by}.`,
        remedy: ({ members, option }) => `Add ${withUrls(members)} to ${option} of all members.`,
      },
      joining: {
        refusals: { etcd: 'error validating peerURLs …: member count is unequal' },
        message: ({ members, by, option }) =>
          `${areNot(members)} in ${option} of ${by}, which joins an existing cluster.`,
        remedy: ({ members, by, option }) =>
          `Add ${withUrls(members)} to ${option} of ${by}; the lists of the others may stay as they are.`,
      },
      'not started': {
        severity: 'warning',
        says: ({ members, by }) => `contains ${quoted(members)}, which ${by} does not start.`,
        remedy: ({ members, option }) =>
          `Remove ${quoted(members)} from ${option}, or raise "replicas" by ${String(members.length)}.`,
      },
      'joined later': {
        severity: 'info',
        message: ({ members, by, option }) =>
          `${areNot(members)} in ${option} of ${by}: ${verb(members, 'it joins', 'they join')} an existing cluster.`,
        remedy: ({ members, option }) =>
          `You do not have to do anything; add ${quoted(members)} to ${option} when you write the files again.`,
      },
    },
  }),
  'config/cluster-urls-differ': optionRow<ConfigPlace & { name: string; advertised: string[]; listed: string[] }>({
    refusals: { etcd: [NOT_ADVERTISED, '--initial-advertise-peer-urls has … but missing from --initial-cluster=…'] },
    says: ({ name, advertised, listed: all }) =>
      `has the URLs ${listed(all)} for "${name}", but the member advertises ${listed(advertised)}.`,
    remedy: ({ name, advertised, listed: all }) => {
      const others = all.filter((url) => !advertised.includes(url))
      if (others.length === 0 || others.length === all.length) return 'Write the same URLs in both.'
      return `If ${listed(others)} ${verb(others, 'is', 'are')} of another member, write that member's name there in place of "${name}". Otherwise, advertise ${verb(others, 'it', 'them')} as well.`
    },
  }),
  'config/members-differ': optionKinds<
    ConfigPlace & {
      kind: 'cluster' | 'state' | 'scheme' | 'access' | 'restriction' | 'CAs' | 'tokens'
      values: { member: string; value: string }[]
    }
  >({
    kinds: {
      cluster: {
        refusals: { etcd: 'request cluster ID mismatch' },
        message: differ,
        remedy: writeTheSame,
      },
      state: {
        severity: 'info',
        refusals: { etcd: 'cannot fetch cluster info from peer urls: …' },
        message: (details) => `${differ(details)} A member with "existing" does not start before the cluster exists.`,
        remedy: () =>
          'If all members start for the first time, write "new" for all. If the member joined later, you do not have to do anything.',
      },
      scheme: {
        refusals: { Go: 'http: server gave HTTP response to HTTPS client' },
        message: ({ option, values }) =>
          `${members(values)} ${values.length === 1 ? 'listens' : 'listen'} for peers with http (${option}), and the others with https.`,
        remedy: ({ option }) => `Write https in ${option}, and in all other peer URLs.`,
      },
      access: {
        message(details) {
          const { option, values } = details
          const open = unset(values)
          if (open.length === 0) return `${differ(details)} A member accepts certificates that another one refuses.`
          const set = values.filter(({ value }) => value !== '')
          return `${option} is set for ${members(set)}, but not for ${members(open)}, which ${open.length === 1 ? 'accepts' : 'accept'} certificates that the other members refuse.`
        },
        remedy(details) {
          const open = unset(details.values)
          return open.length === 0 ? writeTheSame(details) : `Set ${details.option} for ${members(open)} as well.`
        },
      },
      restriction: {
        severity: 'warning',
        message: differ,
        remedy: (details) =>
          details.values.some(({ value }) => value === 'false')
            ? `Set ${details.option} to true for all members.`
            : writeTheSame(details),
      },
      tokens: {
        refusals: { etcd: 'etcdserver: invalid auth token' },
        message: (details) => `${differ(details)} A member refuses the tokens that another one signs.`,
        remedy: ({ option }) => `Give all members the same ${option}, with the same keys in its files.`,
      },
      CAs: {
        severity: 'warning',
        message: ({ option, values }) => differ({ option: `the CAs of ${option}`, values }),
        remedy: ({ option }) => `Give all members the same file for ${option}.`,
      },
    },
  }),
  'config/member-not-trusted': row<{
    member: string
    by: string
    subject: string
    as: 'server' | 'client'
    option: string
  }>({
    refusals: [{ Go: UNKNOWN_CA, when: ({ as }) => as === 'client' }, { Go: 'remote error: tls: bad certificate' }],
    message: ({ member, by, subject, as, option }) =>
      `The peer certificate "${subject}" that ${member} uses as a ${as} does not chain to a CA of ${option} of ${by}.`,
    remedy: ({ option }) =>
      `Give all members the same CA bundle in ${option}. While a CA is replaced, the bundle has the old and the new one.`,
  }),
  'config/member-revoked': optionKinds<
    ConfigPlace & {
      kind: 'itself' | 'gateway' | 'by others'
      member: string
      by: string
      crl: string
      serialNumber: string
    }
  >({
    refusals: { etcd: 'transport: certificate serial … revoked' },
    kinds: {
      itself: { says: ownRevoked, remedy: newSerial },
      gateway: {
        severity: 'warning',
        says: (details) => `${ownRevoked(details)} Clients can connect, but etcd’s own gateway cannot.`,
        remedy: newSerial,
      },
      'by others': {
        message: ({ member, by, crl, serialNumber }) =>
          `The peer certificate of ${member} (serial number ${serialNumber}) is in the CRL of ${crl} of ${by}.`,
        remedy: newSerial,
      },
    },
  }),
  'config/member-not-allowed': optionKinds<
    ConfigPlace & {
      kind: 'itself' | 'by others'
      /** The member, or the option that names its certificate. */
      member: string
      by: string
      restriction: string
      has: string
      allowed: string[]
    }
  >({
    refusals: { etcd: 'client certificate authentication failed' },
    kinds: {
      itself: {
        severity: 'warning',
        says: ({ allowed, member, has }) =>
          `allows ${listed(allowed)}, but the certificate of the member itself, ${member}, has ${has}.`,
        remedy: ({ option }) =>
          `Add the name to ${option} of all members, or reissue the certificate with an allowed name.`,
      },
      'by others': {
        message: ({ member, by, restriction, has, allowed }) =>
          `The peer certificate of ${member} has ${has}, but ${restriction} of ${by} allows ${listed(allowed)}.`,
        remedy: ({ restriction }) => `Add the name to ${restriction}, or reissue the certificate with an allowed name.`,
      },
    },
  }),
  'config/tls-versions-disjoint': row<{ member: string; by: string; min: string; max: string }>({
    refusals: {
      Go: ['tls: client offered only unsupported versions: […]', 'remote error: tls: protocol version not supported'],
    },
    message: ({ member, by, min, max }) =>
      `${member} requires at least TLS 1.3 (${min}), and ${by} supports at most TLS 1.2 (${max}). They have no version of TLS in common.`,
    remedy: ({ min, max }) => `Give all members the same ${min} and ${max}.`,
  }),
}

type Values = readonly { member: string; value: string }[]

function areNot(names: readonly string[]): string {
  return `${quoted(names)} ${verb(names, 'is', 'are')} not`
}

function withUrls(names: readonly string[]): string {
  return `${quoted(names)} with ${verb(names, 'its', 'their')} peer URLs`
}

function members(values: Values): string {
  return listed(values.map(({ member }) => member))
}

function unset(values: Values): Values {
  return values.filter(({ value }) => value === '')
}

function differ({ option, values }: { option: string; values: Values }): string {
  const each = values.map(({ member, value }) => `${value === '' ? 'nothing' : value} (${member})`)
  return `Members differ in ${option}: ${listed(each)}.`
}

function writeTheSame({ option }: { option: string }): string {
  return `Write the same ${option} for all members.`
}

function ownRevoked({ member, crl, serialNumber }: { member: string; crl: string; serialNumber: string }): string {
  return `names "${member}" (serial number ${serialNumber}), which the CRL of ${crl} revokes.`
}

function newSerial({ option }: { option: string }): string {
  return `Issue a new certificate for ${option}, with another serial number.`
}
