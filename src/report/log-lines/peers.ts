/** Lines of etcd about other members and the cluster. A member that dials another one is the client. */
import { DECIDE, type LineRow } from './line.js'

const program = 'etcd' as const
/** What a member writes about a connection that it dialled to another one. */
const PEER =
  '(?:prober detected unhealthy status|health check for peer|failed to dial \\w+ on stream|failed to reach the peer ?URL|failed to get version|cannot get the version of member|\\(prober ")'
const peer = (words: string): string => `^(?=.*${PEER}).*${words}`
const prober = (error: string): string =>
  `{"msg":"prober detected unhealthy status","remote-peer-id":"b71f75320dc06a6c","error":${JSON.stringify(error)}}`

/** Before the words of Go: these say more. */
export const PEER_LINES: readonly LineRow[] = [
  {
    id: 'etcd/peer-sent-certificate-alert',
    program,
    pattern: peer(
      'remote error: tls: (?:bad certificate|unknown certificate authority|expired certificate|certificate required)',
    ),
    direction: 'client-refused-by-server',
    meaning:
      "This member dialled another one, which refuses this member's peer certificate. The log of the other member has the reason.",
    codes: [
      'config/member-not-trusted',
      'usage/extended-key-usage-missing',
      'validity/expired',
      'validity/not-yet-valid',
      'handshake/client-certificate-missing',
      'config/member-not-allowed',
      'config/client-and-peer-swapped',
    ],
    decide: DECIDE.acceptedCas,
    example: prober('remote error: tls: bad certificate'),
  },
  {
    id: 'etcd/peer-refuses-member',
    program,
    pattern: peer('x509: certificate is valid for '),
    direction: 'client-refuses-server',
    meaning:
      'This member dialled another one, whose peer certificate does not have the name or address of its peer URL.',
    codes: ['san/host-not-covered', 'config/peer-address-unprovable', 'config/members-differ'],
    decide: DECIDE.showServer,
    example: prober('x509: certificate is valid for 10.0.0.2, 127.0.0.1, not 10.0.0.3'),
  },
  {
    id: 'etcd/peer-expired',
    program,
    pattern: peer('certificate has expired or is not yet valid'),
    direction: 'client-refuses-server',
    meaning:
      'This member dialled another one, whose peer certificate is outside its validity. When all peer certificates have expired, the cluster has no quorum after the next restart.',
    codes: [
      'validity/expired',
      'validity/not-yet-valid',
      'config/ca-expired',
      'handshake/clock-compared',
      'endpoint/no-leader',
    ],
    decide: DECIDE.showServer,
    example: prober(
      'x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2026-01-01T00:00:00Z',
    ),
  },
  {
    id: 'etcd/peer-unknown-authority',
    program,
    pattern: peer('certificate signed by unknown authority'),
    direction: 'client-refuses-server',
    meaning:
      "This member dialled another one, whose peer certificate is not of a CA in this member's --peer-trusted-ca-file.",
    codes: [
      'config/member-not-trusted',
      'chain/issuer-not-found',
      'chain/issuer-key-differs',
      'config/client-and-peer-swapped',
      'pem/layout-unusual',
    ],
    decide: DECIDE.verifyServer,
    example: prober('x509: certificate signed by unknown authority'),
  },
  {
    id: 'etcd/peer-plaintext',
    program,
    pattern: peer(
      '(?:first record does not look like a TLS handshake|server gave HTTP response to HTTPS client|malformed HTTP (?:response|version))',
    ),
    direction: 'no-refusal',
    meaning: 'One member uses TLS between members and the other one plaintext.',
    codes: ['config/members-differ', 'config/plaintext-url', 'config/tls-unused'],
    decide: DECIDE.members,
    example: prober('tls: first record does not look like a TLS handshake'),
  },
  {
    id: 'etcd/peer-eof',
    program,
    pattern: peer('(?:EOF|connection reset by peer)'),
    direction: 'unclear',
    meaning:
      "The other member closed the connection without a reason: it is stopping, its CRL lists this member, or this member's certificate does not have the address that it dials from. Its own log has the reason.",
    codes: [
      'config/peer-address-unprovable',
      'config/member-revoked',
      'config/crl-unreadable',
      'handshake/closed-without-alert',
      'endpoint/closed',
    ],
    decide: DECIDE.etcdLog,
    example: prober('EOF'),
  },
  {
    id: 'etcd/clock-difference',
    program,
    pattern: 'clock difference against peer|prober found high clock drift',
    direction: 'no-refusal',
    meaning:
      'The clocks of two members differ by more than a second, so certificates can be expired or not valid yet at one of them only.',
    codes: ['validity/clock-suspect', 'handshake/clock-compared', 'validity/not-yet-valid'],
    decide: DECIDE.clocks,
    example: 'rafthttp: the clock difference against peer b71f75320dc06a6c is too high [4m18.466926704s > 1s]',
  },
  {
    id: 'etcd/peer-unreachable',
    program,
    pattern: peer(
      '(?:i/o timeout|connection refused|no route to host|no such host|context deadline exceeded|server misbehaving|network is unreachable)',
    ),
    direction: 'no-refusal',
    meaning:
      'There is no TCP connection to the other member: it does not run, its peer URL is wrong, or a firewall drops the packets. TLS is not involved yet.',
    codes: ['endpoint/unreachable', 'config/advertise-unreachable', 'endpoint/no-leader'],
    decide: DECIDE.members,
    example: prober('dial tcp 10.0.0.3:2380: i/o timeout'),
  },
  {
    id: 'etcd/cluster-id-mismatch',
    program,
    pattern: 'cluster ID mismatch|request received was ignored \\(cluster ID',
    direction: 'no-refusal',
    meaning:
      'Two members are of different clusters. One of them was started with another list of members, another token, or an empty data directory.',
    codes: ['config/member-not-listed', 'config/members-differ', 'endpoint/other-cluster'],
    decide: DECIDE.status,
    example:
      'request sent was ignored (cluster ID mismatch: peer[9c64eb1dbc4fc47e]=f220db43b21e2af0, local=2d3173185977a3e4)',
  },
  {
    id: 'etcd/member-removed',
    program,
    pattern:
      'rejected stream from remote peer because it was removed|member has been permanently removed|member was removed from cluster|failed to find remote peer in cluster',
    direction: 'no-refusal',
    meaning:
      'A member that is not in the member list of the cluster dials it. It was removed and still runs with its old data, or was never added.',
    codes: ['config/member-not-listed', 'endpoint/other-cluster'],
    decide: DECIDE.members,
    example:
      '{"level":"warn","msg":"rejected stream from remote peer because it was removed","remote-peer-id":"b71f75320dc06a6c"}',
  },
  {
    id: 'etcd/no-cluster-information',
    program,
    pattern: 'cannot fetch cluster info from peer|could not retrieve cluster information from the given URLs',
    direction: 'unclear',
    meaning:
      'etcd does not start: it got no answer from the other members of --initial-cluster. The lines before that have the reason for each.',
    codes: [
      'endpoint/unreachable',
      'config/member-not-trusted',
      'san/host-not-covered',
      'validity/expired',
      'config/members-differ',
    ],
    decide: DECIDE.etcdLog,
    example:
      '{"level":"fatal","msg":"discovery failed","error":"cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"}',
    source: 'https://github.com/etcd-io/etcd/blob/main/server/etcdserver/cluster_util.go',
  },
  {
    id: 'etcd/not-published',
    program,
    pattern: 'failed to publish local member|publish error: etcdserver: request timed out',
    direction: 'no-refusal',
    meaning:
      "The member has started and finds no quorum, so it serves no client yet. The other members do not run, or refuse each other's peer certificates.",
    codes: [
      'endpoint/no-leader',
      'validity/expired',
      'config/member-not-trusted',
      'endpoint/silent',
      'endpoint/unreachable',
    ],
    decide: DECIDE.etcdLog,
    example:
      '{"level":"warn","msg":"failed to publish local member to cluster through raft","local-member-id":"6ded1464e9850d91","publish-timeout":"7s","error":"etcdserver: request timed out"}',
  },
  {
    id: 'etcd/no-leader',
    program,
    pattern:
      'etcdserver: (?:no leader|leader (?:changed|failed)|request timed out)|has no leader|lost leader [0-9a-f]+ at term|serving /health false; no leader|waiting for read index response|waiting for ReadIndex response took too long',
    direction: 'no-refusal',
    meaning: 'The member has no leader: too few members run, or they refuse each other.',
    codes: ['endpoint/no-leader', 'config/member-not-trusted', 'validity/expired', 'endpoint/unavailable'],
    decide: DECIDE.status,
    example: 'rpc error: code = Unavailable desc = etcdserver: no leader',
  },
  {
    id: 'etcd/peer-inactive',
    program,
    pattern:
      'peer became inactive|lost (?:the )?TCP streaming connection|peer \\w+ became inactive|dropped internal Raft message|connection to peer \\w+ is unhealthy',
    direction: 'unclear',
    meaning: 'A connection between two members ended. The next lines of a prober have the reason.',
    codes: ['endpoint/unreachable', 'validity/expired', 'config/member-not-trusted', 'endpoint/no-leader'],
    decide: DECIDE.etcdLog,
    example:
      '{"level":"warn","msg":"lost TCP streaming connection with remote peer","stream-reader-type":"stream Message","local-member-id":"6ded1464e9850d91","error":"EOF"}',
  },
]
