/** Findings about members of one etcd cluster whose configurations do not match. */
import { listed, quoted } from '../words.js'
import { row } from '../row.js'

export const configCluster = {
  'config/members-name-repeated': row<{ name: string; members: string[] }>({
    severity: 'error',
    meaning: 'Two members have the same name. Etcd reads their URLs as those of one member.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd issue 13757; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }],
    message: ({ name, members }) => `${listed(members)} have the same name, "${name}".`,
    remedy: () => 'Give each member its own name (--name).',
  }),
  'config/members-disagree': row<{ option: string; values: { member: string; value: string }[] }>({
    severity: 'error',
    meaning: 'Members that start a cluster together must have the same list of members and the same token.',
    source: 'server/etcdserver/api/membership v3.5.16: the id of the cluster is derived from both',
    refusals: [{ by: 'etcd', words: 'request cluster ID mismatch' }],
    message: ({ option, values }) =>
      `Members disagree on ${option}: ${listed(values.map(({ member, value }) => `"${value}" (${member})`))}.`,
    remedy: ({ option }) => `Write the same ${option} for all members.`,
  }),
  'config/member-joined-later': row<{ member: string; by: string; option: string }>({
    severity: 'info',
    meaning:
      'A member that joins an existing cluster is not in the lists of the older members. Etcd reads the list only at the first start of a member, so their lists may stay as they are.',
    source: 'server/etcdserver/bootstrap.go v3.6.14, server/etcdserver/server.go v3.5.16 NewServer: haveWAL',
    message: ({ member, by, option }) => `"${member}" joins an existing cluster and is not in ${option} of ${by}.`,
    remedy: ({ member, option }) =>
      `You do not have to do anything; add "${member}" to ${option} when you write the files again.`,
  }),
  'config/members-share-url': row<{ option: string; url: string; members: string[] }>({
    severity: 'error',
    meaning:
      'Two members have the same URL. Both cannot listen there, and clients that use the URL reach only one of them.',
    source: 'bind(2): EADDRINUSE; clientv3 Sync; server/etcdserver/api/membership v3.5.16',
    message: ({ option, url, members }) => `${listed(members)} have the same URL in ${option}: ${url}.`,
    remedy: ({ option }) => `Write the address of each member in its ${option}.`,
  }),
  'config/member-not-listed': row<{ members: string[]; by: string; option: string; isJoining: boolean }>({
    severity: 'error',
    meaning:
      'A member is missing in the list of members of another one. Members that start together then refuse each other as members of another cluster. A member that joins an existing cluster does not start unless its list has all members.',
    source:
      'server/etcdserver/api/membership v3.5.16: the id of the cluster is derived from the list; server/etcdserver/cluster_util.go v3.5.16 ValidateClusterAndAssignIDs; etcd 3.5.16, run',
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
      'The peer certificate of a member does not chain to a CA that another member trusts. They cannot connect to each other.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig, ClientConfig; Go crypto/x509 Verify',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority', when: ({ as }) => as === 'client' },
      { by: 'Go', words: 'remote error: tls: bad certificate' },
    ],
    message: ({ member, by, subject, as, option }) =>
      `The peer certificate "${subject}" that ${member} uses as a ${as} does not chain to a CA of ${option} of ${by}.`,
    remedy: ({ option }) =>
      `Give all members the same CA bundle in ${option}. While a CA is replaced, the bundle has the old and the new one.`,
  }),
  'config/member-revoked': row<{ member: string; by: string; option: string; serialNumber: string }>({
    severity: 'error',
    meaning:
      'The serial number of the peer certificate of a member is in the CRL of another member. Etcd compares only serial numbers, so the CRL may mean a certificate of another CA.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: ({ member, by, option, serialNumber }) =>
      `The peer certificate of ${member} (serial number ${serialNumber}) is in the CRL of ${option} of ${by}.`,
    remedy: () => 'Issue a new certificate for the member, with another serial number.',
  }),
  'config/member-not-allowed': row<{ member: string; by: string; option: string; has: string; allowed: string[] }>({
    severity: 'error',
    meaning: 'The peer certificate of a member has none of the names that another member allows.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: ({ member, by, option, has, allowed }) =>
      `The peer certificate of ${member} has ${has}, but ${option} of ${by} allows ${listed(allowed)}.`,
    remedy: ({ option }) => `Add the name to ${option}, or reissue the certificate with an allowed name.`,
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
      `${member} requires at least TLS 1.3 (${min}), and ${by} supports at most TLS 1.2 (${max}). They have no version of TLS in common.`,
    remedy: ({ min, max }) => `Give all members the same ${min} and ${max}.`,
  }),
  'config/members-differ': row<{
    option: string
    values: { member: string; value: string }[]
    /** The part of the option that differs; default: the option. */
    part?: 'CAs'
  }>({
    severity: 'warning',
    meaning:
      'Members differ in what they require of clients or members, or in the CAs that they trust for clients. One member accepts a client that another refuses, and the weakest one determines the security of the cluster. With different timeouts, members disagree about when a leader is lost.',
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
      'Some members use TLS for peers and some plaintext. If the list of members has https for all, the latter cannot be reached. If it has http for them, an attacker on the network can read and change their traffic.',
    source: 'server/embed/etcd.go v3.5.16 configurePeerListeners; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'http: server gave HTTP response to HTTPS client' }],
    message: ({ members, option }) =>
      `${listed(members)} ${members.length === 1 ? 'listens' : 'listen'} for peers with http (${option}), and the others with https.`,
    remedy: ({ option }) => `Write https in ${option}, and in all other peer URLs.`,
  }),
}
