/** Findings about members of one etcd cluster whose configurations do not go together. */
import { listed, quoted } from '../words.js'
import { row } from '../row.js'

export const configCluster = {
  'config/members-name-repeated': row<{ name: string; members: string[] }>({
    severity: 'error',
    meaning: 'Two members have one name. Etcd takes their URLs for those of a single member.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd issue 13757; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }],
    message: ({ name, members }) => `${listed(members)} have one name, "${name}".`,
    remedy: () => 'Give each member a name of its own (--name).',
  }),
  'config/members-disagree': row<{ option: string; values: { member: string; value: string }[] }>({
    severity: 'error',
    meaning: 'Members that start a cluster together must have the same list of members and the same token.',
    source: 'server/etcdserver/api/membership v3.5.16: the cluster’s id is made of both',
    refusals: [{ by: 'etcd', words: 'request cluster ID mismatch' }],
    message: ({ option, values }) =>
      `Members disagree on ${option}: ${listed(values.map(({ member, value }) => `"${value}" (${member})`))}.`,
    remedy: ({ option }) => `Write the same ${option} for all members.`,
  }),
  'config/member-joined-later': row<{ member: string; by: string; option: string }>({
    severity: 'info',
    meaning:
      'A member that joins an existing cluster is not in the lists of those that were there before. Etcd reads the list at the first start of a member alone, so theirs may stay as they are.',
    source: 'server/etcdserver/bootstrap.go v3.6.14, server/etcdserver/server.go v3.5.16 NewServer: haveWAL',
    message: ({ member, by, option }) => `"${member}" joins an existing cluster, and is not in ${option} of ${by}.`,
    remedy: ({ member, option }) =>
      `Nothing has to be done; add "${member}" to ${option} when the files are written anew.`,
  }),
  'config/members-share-url': row<{ option: string; url: string; members: string[] }>({
    severity: 'error',
    meaning:
      'Two members have one URL: both cannot listen there, and of those who are told it, one member gets all, and nobody the other.',
    source: 'bind(2): EADDRINUSE; clientv3 Sync; server/etcdserver/api/membership v3.5.16',
    message: ({ option, url, members }) => `${listed(members)} have the same URL in ${option}: ${url}.`,
    remedy: ({ option }) => `Write each member its own address in ${option}.`,
  }),
  'config/member-not-listed': row<{ members: string[]; by: string; option: string; isJoining: boolean }>({
    severity: 'error',
    meaning:
      'A member is not in another one’s list of members. Those that start together take each other for members of other clusters then; one that joins an existing cluster does not start unless its list has all members of it.',
    source:
      'server/etcdserver/api/membership v3.5.16: the cluster’s id is made of the list; server/etcdserver/cluster_util.go v3.5.16 ValidateClusterAndAssignIDs; etcd 3.5.16, run',
    refusals: [
      { by: 'etcd', words: 'request cluster ID mismatch', when: ({ isJoining }) => !isJoining },
      {
        by: 'etcd',
        words: 'error validating peerURLs …: member count is unequal',
        when: ({ isJoining }) => isJoining,
      },
    ],
    message: ({ members, by, option, isJoining }) =>
      `${quoted(members)} ${members.length === 1 ? 'is' : 'are'} not in ${option} of ${by}${isJoining ? ', which joins an existing cluster' : ''}.`,
    remedy: ({ members, by, option, isJoining }) =>
      `Add ${quoted(members)} with ${members.length === 1 ? 'its' : 'their'} peer URLs to ${option} of ${isJoining ? `${by}; the lists of the others may stay as they are` : 'all members'}.`,
  }),
  'config/member-not-trusted': row<{
    member: string
    by: string
    subject: string
    as: 'server' | 'client'
    option: string
  }>({
    severity: 'error',
    meaning:
      'A member’s peer certificate does not lead to a CA that another member trusts, so they cannot speak to each other.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig, ClientConfig; Go crypto/x509 Verify',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority', when: ({ as }) => as === 'client' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
    ],
    message: ({ member, by, subject, as, option }) =>
      `The peer certificate "${subject}" of ${member}, by which it ${as === 'client' ? 'calls' : 'is called'}, does not lead to a CA of ${option} of ${by}.`,
    remedy: ({ option }) =>
      `Give all members the same bundle of CAs in ${option}, with the old and the new one while a CA is replaced.`,
  }),
  'config/member-revoked': row<{ member: string; by: string; option: string; serialNumber: string }>({
    severity: 'error',
    meaning:
      'The serial number of a member’s peer certificate is in another member’s revocation list. Etcd compares nothing else, so it may be a certificate of another CA that was revoked.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: ({ member, by, option, serialNumber }) =>
      `The peer certificate of ${member} (serial number ${serialNumber}) is in the list that ${option} of ${by} names.`,
    remedy: () => 'Issue the member a new certificate, with a serial number of its own.',
  }),
  'config/member-not-allowed': row<{ member: string; by: string; option: string; has: string; allowed: string[] }>({
    severity: 'error',
    meaning: 'A member’s peer certificate has none of the names that another member allows.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: ({ member, by, option, has, allowed }) =>
      `The peer certificate of ${member} has ${has}, and ${option} of ${by} allows ${listed(allowed)}.`,
    remedy: ({ option }) => `Add the name to ${option}, or issue the certificate with one that is allowed.`,
  }),
  'config/members-tls-apart': row<{ member: string; by: string; min: string; max: string }>({
    severity: 'error',
    meaning: 'Two members have no version of TLS in common.',
    source: 'RFC 8446 section 4.2.1',
    refusals: [
      { by: 'Go', words: 'tls: client offered only unsupported versions: […]' },
      { by: 'Go', words: 'remote error: tls: protocol version not supported' },
    ],
    message: ({ member, by, min, max }) =>
      `${member} wants TLS 1.3 at least (${min}), and ${by} speaks TLS 1.2 at most (${max}): they have no version of TLS in common.`,
    remedy: ({ min, max }) => `Give all members the same ${min} and ${max}.`,
  }),
  'config/members-differ': row<{
    option: string
    values: { member: string; value: string }[]
    /** What of the option differs; itself where nothing is said. */
    part?: 'CAs'
  }>({
    severity: 'warning',
    meaning:
      'Members differ in what they ask of clients or members, or in the CAs they trust for clients: a client is let in by one and refused by another, and the weakest one decides how safe the cluster is. With different timeouts, members disagree about when a leader is lost.',
    source: 'a rule of this package',
    message: ({ option, values, part }) =>
      `Members differ in ${part === undefined ? '' : `the ${part} of `}${option}: ${listed(values.map(({ member, value }) => `${value === '' ? 'nothing' : value} (${member})`))}.`,
    remedy: ({ option, part }) =>
      part === undefined
        ? `Write the same ${option} for all members, or for none.`
        : `Give all members the same file for ${option}.`,
  }),
  'config/members-scheme-differs': row<{ members: string[]; option: string }>({
    severity: 'error',
    meaning:
      'Some members listen to others by TLS and some in plaintext. Where the list of members says https for all, the latter cannot be reached; where it says http for them, whoever is on the network between reads and writes what they are told.',
    source: 'server/embed/etcd.go v3.5.16 configurePeerListeners; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'http: server gave HTTP response to HTTPS client' }],
    message: ({ members, option }) =>
      `${listed(members)} ${members.length === 1 ? 'listens' : 'listen'} to other members by http (${option}), and the others by https.`,
    remedy: ({ option }) => `Write https in ${option}, and in all other peer URLs.`,
  }),
}
