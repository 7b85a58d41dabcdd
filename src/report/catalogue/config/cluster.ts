/** Findings about the members of one etcd cluster, and about the list of them. */
import { row, rowByKind } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { type ConfigPlace, placed } from '../place.js'

export const configCluster = {
  'config/members-name-repeated': row<{ name: string; members: string[] }>({
    severity: 'error',
    refusals: [{ by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }],
    message: ({ name, members }) => `${listed(members)} have the same name, "${name}".`,
    remedy: () => 'Give each member its own name (--name).',
  }),
  'config/member-not-listed': rowByKind<
    ConfigPlace & {
      kind: 'itself' | 'starting' | 'joining' | 'joined later' | 'not started'
      members: string[]
      /** The members whose list lacks them, or what does not start them. */
      by: string
    }
  >({
    refusals: [
      {
        by: 'etcd',
        words: `couldn't find local name "…" in the initial cluster configuration`,
        when: ({ kind }) => kind === 'itself',
      },
      { by: 'etcd', words: 'request cluster ID mismatch', when: ({ kind }) => kind === 'starting' },
      {
        by: 'etcd',
        words: 'error validating peerURLs …: member count is unequal',
        when: ({ kind }) => kind === 'joining',
      },
    ],
    kinds: {
      itself: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} does not contain the ${details.members.length === 1 ? 'member' : 'members'} ${quoted(details.members)}.`,
        remedy: ({ members }) =>
          `Add "${members[0] ?? 'NAME'}=URL" for each URL that this member advertises to its peers.`,
      },
      starting: {
        severity: 'error',
        message: ({ members, by, option }) => `${quoted(members)} ${areNot(members)} in ${option} of ${by}.`,
        remedy: ({ members, option }) =>
          `Add ${quoted(members)} with ${members.length === 1 ? 'its' : 'their'} peer URLs to ${option} of all members.`,
      },
      joining: {
        severity: 'error',
        message: ({ members, by, option }) =>
          `${quoted(members)} ${areNot(members)} in ${option} of ${by}, which joins an existing cluster.`,
        remedy: ({ members, by, option }) =>
          `Add ${quoted(members)} with ${members.length === 1 ? 'its' : 'their'} peer URLs to ${option} of ${by}; the lists of the others may stay as they are.`,
      },
      'not started': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} contains ${quoted(details.members)}, which ${details.by} does not start.`,
        remedy: ({ members, option }) =>
          `Remove ${quoted(members)} from ${option}, or raise "replicas" by ${String(members.length)}.`,
      },
      'joined later': {
        severity: 'info',
        message: ({ members, by, option }) =>
          `${quoted(members)} ${members.length === 1 ? 'joins' : 'join'} an existing cluster and ${areNot(members)} in ${option} of ${by}.`,
        remedy: ({ members, option }) =>
          `You do not have to do anything; add ${quoted(members)} to ${option} when you write the files again.`,
      },
    },
  }),
  'config/cluster-urls-differ': row<ConfigPlace & { name: string; advertised: string[]; listed: string[] }>({
    severity: 'error',
    refusals: [
      { by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' },
      { by: 'etcd', words: '--initial-advertise-peer-urls has … but missing from --initial-cluster=…' },
    ],
    message: (details) =>
      `${placed(details)} has the URLs ${listed(details.listed)} for "${details.name}", but the member advertises ${listed(details.advertised)}.`,
    remedy: ({ name, advertised, listed: all }) => {
      const others = all.filter((url) => !advertised.includes(url))
      return others.length > 0 && others.length < all.length
        ? `If ${listed(others)} ${others.length === 1 ? 'is' : 'are'} of another member, write that member's name there in place of "${name}". Otherwise, advertise ${others.length === 1 ? 'it' : 'them'} as well.`
        : 'Write the same URLs in both.'
    },
  }),
  'config/members-differ': rowByKind<
    ConfigPlace & {
      kind: 'cluster' | 'state' | 'scheme' | 'access' | 'restriction' | 'CAs' | 'tokens'
      values: { member: string; value: string }[]
    }
  >({
    refusals: [
      { by: 'etcd', words: 'request cluster ID mismatch', when: ({ kind }) => kind === 'cluster' },
      { by: 'etcd', words: 'cannot fetch cluster info from peer urls: …', when: ({ kind }) => kind === 'state' },
      {
        by: 'Go',
        words: 'http: server gave HTTP response to HTTPS client',
        when: ({ kind }) => kind === 'scheme',
      },
      { by: 'etcd', words: 'etcdserver: invalid auth token', when: ({ kind }) => kind === 'tokens' },
    ],
    kinds: {
      cluster: {
        severity: 'error',
        message: ({ option, values }) =>
          `Members disagree on ${option}: ${listed(values.map(({ member, value }) => `"${value}" (${member})`))}.`,
        remedy: ({ option }) => `Write the same ${option} for all members.`,
      },
      state: {
        severity: 'info',
        message: ({ option, values }) =>
          `Members differ in ${option}: ${differing(values)}. A member with "existing" does not start before the cluster exists.`,
        remedy: () =>
          'If all members start for the first time, write "new" for all. If the member joined later, you do not have to do anything.',
      },
      scheme: {
        severity: 'error',
        message: ({ option, values }) =>
          `${listed(values.map(({ member }) => member))} ${values.length === 1 ? 'listens' : 'listen'} for peers with http (${option}), and the others with https.`,
        remedy: ({ option }) => `Write https in ${option}, and in all other peer URLs.`,
      },
      access: {
        severity: 'error',
        message: ({ option, values }) => {
          const [open, restricted] = [
            values.filter(({ value }) => value === ''),
            values.filter(({ value }) => value !== ''),
          ]
          const [by, others] = [open, restricted].map((all) => listed(all.map(({ member }) => member)))
          return open.length === 0
            ? `Members differ in ${option}: ${differing(values)}. A member accepts certificates that another one refuses.`
            : `${option} is set for ${String(others)}, but not for ${String(by)}, which ${open.length === 1 ? 'accepts' : 'accept'} certificates that the other members refuse.`
        },
        remedy: ({ option, values }) => {
          const open = values.filter(({ value }) => value === '').map(({ member }) => member)
          return open.length === 0
            ? `Write the same ${option} for all members.`
            : `Set ${option} for ${listed(open)} as well.`
        },
      },
      restriction: {
        severity: 'warning',
        message: ({ option, values }) => `Members differ in ${option}: ${differing(values)}.`,
        remedy: ({ option, values }) =>
          values.some(({ value }) => value === 'false')
            ? `Set ${option} to true for all members.`
            : `Write the same ${option} for all members.`,
      },
      tokens: {
        severity: 'error',
        message: ({ option, values }) =>
          `Members differ in ${option}: ${differing(values)}. A member refuses the tokens that another one signs.`,
        remedy: ({ option }) => `Give all members the same ${option}, with the same keys in its files.`,
      },
      CAs: {
        severity: 'warning',
        message: ({ option, values }) => `Members differ in the CAs of ${option}: ${differing(values)}.`,
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
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority', when: ({ as }) => as === 'client' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
    ],
    message: ({ member, by, subject, as, option }) =>
      `The peer certificate "${subject}" that ${member} uses as a ${as} does not chain to a CA of ${option} of ${by}.`,
    remedy: ({ option }) =>
      `Give all members the same CA bundle in ${option}. While a CA is replaced, the bundle has the old and the new one.`,
  }),
  'config/member-revoked': rowByKind<
    ConfigPlace & {
      kind: 'itself' | 'gateway' | 'by others'
      member: string
      by: string
      crl: string
      serialNumber: string
    }
  >({
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    kinds: {
      itself: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names "${details.member}" (serial number ${details.serialNumber}), which the CRL of ${details.crl} revokes.`,
        remedy: ({ option }) => `Issue a new certificate for ${option}, with another serial number.`,
      },
      gateway: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names "${details.member}" (serial number ${details.serialNumber}), which the CRL of ${details.crl} revokes. Clients can connect, but etcd’s own gateway cannot.`,
        remedy: ({ option }) => `Issue a new certificate for ${option}, with another serial number.`,
      },
      'by others': {
        severity: 'error',
        message: ({ member, by, crl, serialNumber }) =>
          `The peer certificate of ${member} (serial number ${serialNumber}) is in the CRL of ${crl} of ${by}.`,
        remedy: () => 'Issue a new certificate for the member, with another serial number.',
      },
    },
  }),
  'config/member-not-allowed': rowByKind<
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
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    kinds: {
      itself: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} allows ${listed(details.allowed)}, but the certificate of the member itself, ${details.member}, has ${details.has}.`,
        remedy: ({ option }) =>
          `Add the name to ${option} of all members, or reissue the certificate with an allowed name.`,
      },
      'by others': {
        severity: 'error',
        message: ({ member, by, restriction, has, allowed }) =>
          `The peer certificate of ${member} has ${has}, but ${restriction} of ${by} allows ${listed(allowed)}.`,
        remedy: ({ restriction }) => `Add the name to ${restriction}, or reissue the certificate with an allowed name.`,
      },
    },
  }),
  'config/tls-versions-disjoint': row<{ member: string; by: string; min: string; max: string }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'tls: client offered only unsupported versions: […]' },
      { by: 'Go', words: 'remote error: tls: protocol version not supported' },
    ],
    message: ({ member, by, min, max }) =>
      `${member} requires at least TLS 1.3 (${min}), and ${by} supports at most TLS 1.2 (${max}). They have no version of TLS in common.`,
    remedy: ({ min, max }) => `Give all members the same ${min} and ${max}.`,
  }),
}

function areNot(members: readonly string[]): string {
  return members.length === 1 ? 'is not' : 'are not'
}

function differing(values: readonly { member: string; value: string }[]): string {
  return listed(values.map(({ member, value }) => `${value === '' ? 'nothing' : value} (${member})`))
}
