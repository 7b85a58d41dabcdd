/** Findings about the path from the leaf to a trust anchor. */
import {
  error,
  info,
  type OpensslDetails,
  severityIfOnlyGoRefuses,
  severityIfOnlyOpensslRefuses,
  severityInTrustAnchors,
  row,
  type TextContext,
  type UsageDetails,
  warning,
} from '../row.js'
import { listed, quoted } from '../words.js'

/** Messages of Go for some certificates that it cannot parse, by a part of the reason. */
const UNREADABLE_TO_GO = (
  [
    ['x509: unsupported elliptic curve', 'curve '],
    ['x509: invalid CRL distribution point', 'relative'],
    ['x509: cannot parse URI "…": …', 'URI'],
    ['x509: negative serial number', 'serial'],
  ] as const
).map(([Go, part]) => ({ Go, when: ({ reason }: { reason: string }) => reason.includes(part) }))

const BY_GO = { Go: 'x509: certificate signed by unknown authority' }
const NOT_LOCALLY = 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
const LEAF_UNVERIFIED = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
const NO_LOCAL_ISSUER = 'unable to get local issuer certificate'

const NOT_ITS_ISSUER = { Node: [LEAF_UNVERIFIED, NOT_LOCALLY], OpenSSL: NO_LOCAL_ISSUER }

/** A client certificate that leads to none of the CAs for servers. */
export interface ClientCaDetails {
  /** The issuer of the last certificate of the chain. */
  issuer: string
  /** The CAs that verify servers. */
  anchors: string[]
  /** Whether one of them has the name of the issuer, and another key. */
  sameName: boolean
}

export interface IssuerNotGiven {
  issuer: string
  anchors: string[]
  intermediates: string[]
  /** Set if each anchor is declared not to be a CA. */
  noCa?: boolean
}

/** What the file of the CAs holds, at the end of a sentence, as `and your CA file ca.crt holds only "CN=other"`. */
function trustedCas(anchors: readonly string[], { trustedFrom = [], isConnected }: TextContext): string {
  const owner = isConnected ? 'your' : 'the'
  const place = trustedFrom.length === 0 ? `${owner} CA file` : listed(trustedFrom.map((each) => caFile(each, owner)))
  return `${place} ${trustedFrom.length > 1 ? 'hold' : 'holds'} only ${quoted(anchors, 'other certificates')}`
}

/** A file is named as one; an option or a variable says itself what it is. */
function caFile(origin: string, owner: string): string {
  return /^[^\s"]*[./]/.test(origin) ? `${owner} CA file ${origin}` : origin
}

/** The file that the chain is sent from. */
function chainFile({ side }: TextContext): string {
  return side === undefined ? 'the certificate file' : `the ${side === 'peer' ? 'member' : side}'s certificate file`
}

/** `byNode`: whether OpenSSL, and so Node, cannot read it either. */
export type UnusedUnreadByGo = UsageDetails & { reason: string; byNode: boolean }

function isServerOfNode({ usage, byNode }: UnusedUnreadByGo): boolean {
  return usage === 'server' && byNode
}

export interface AnchorNotSelfSigned extends OpensslDetails {
  issuer: string
  selfIssued: boolean
  /** Whether a trusted CA has the name of the issuer, and did not sign the certificate. */
  sameName: boolean
}

export interface NotSent extends UsageDetails {
  /** The intermediates that are not sent, the lowest first. */
  missing: string[]
  /** The topmost trusted CA above them. */
  root: string
}

export interface OpensslPicksOtherPath extends OpensslDetails {
  issuer: string
  picked: string | null
  from: 'trusted' | 'sent' | 'both'
  needed: string | null
  change: 'order' | 'remove' | 'path'
  reason: string
}

export const chain = {
  'chain/issuer-not-found': {
    'not given': error((d: IssuerNotGiven, who, context) => [
      `${who} was issued by "${d.issuer}", and ${trustedCas(d.anchors, context)}${d.noCa === true ? ', which is not a CA' : ''}.`,
      d.noCa === true
        ? `Put the certificate of "${d.issuer}" into the CA file. If cert-manager's SelfSigned issuer wrote the files, each certificate is its own CA: issue the client's certificate from the CA in etcd's --trusted-ca-file.`
        : `If "${d.issuer}" is an intermediate, append its certificate to ${chainFile(context)}. If it is your CA, put its certificate into the CA file. Otherwise use a certificate that a trusted CA issued.`,
    ]).refusedAs({
      ...BY_GO,
      Node: [LEAF_UNVERIFIED, NOT_LOCALLY, 'UNABLE_TO_GET_ISSUER_CERT'],
      OpenSSL: NO_LOCAL_ISSUER,
    }),
    renamed: error((d: { issuer: string; anchors: string[]; ca: string }, who) => [
      `${who} names the issuer "${d.issuer}", but the CA whose key signed it has the name "${d.ca}".`,
      `Reissue it with the issuer "${d.ca}", copied byte for byte from the certificate of that CA.`,
    ]).refusedAs({ ...BY_GO, Node: [LEAF_UNVERIFIED, NOT_LOCALLY], OpenSSL: NO_LOCAL_ISSUER }),
    circle: error((d: { issuer: string; anchors: string[] }, who, context) => [
      `${who} was issued by "${d.issuer}", which is below it in the same chain, and ${trustedCas(d.anchors, context)}.`,
      'Put the root certificate of these CAs into the CA file, or send the intermediate that leads to a trusted CA.',
    ]).refusedAs({ ...BY_GO, OpenSSL: NO_LOCAL_ISSUER }),
  },
  'chain/issuer-key-differs': error(
    (d: { issuer: string; found: string[]; wantedKeyIdentifier: string | null }, who, { isConnected }) => [
      `${who} was not signed by the CA "${d.issuer}" that was given: that one has the same name and another key. Its certificate has ${listed(d.found.slice(0, 1))}${d.found.length > 1 ? `, and ${String(d.found.length - 1)} more were given` : ''}.`,
      `The CA was probably created again under its old name. Pass the CA certificate that issued this one${d.wantedKeyIdentifier === null || d.wantedKeyIdentifier === '' ? '' : ` (its subject key identifier is ${d.wantedKeyIdentifier})`}, or reissue the certificate.${isConnected ? " If the old CA issued the client's certificate too, replace that as well." : ''}`,
    ],
  ).refusedAs({
    Go: 'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
    Node: [LEAF_UNVERIFIED, NOT_LOCALLY, 'CERT_SIGNATURE_FAILURE'],
    OpenSSL: [NO_LOCAL_ISSUER, 'certificate signature failure'],
  }),
  'chain/root-not-trusted': {
    leaf: error((d: { anchors: string[] }, who, context) => [
      `${who} is self-signed, and ${trustedCas(d.anchors, context)}.`,
      // etcd's own certificates have this name alone (client/pkg/transport/listener.go, SelfCert).
      context.inside.includes('"O=etcd"')
        ? 'Start etcd without --auto-tls, which created this certificate for tests only: pass a certificate of your CA by --cert-file and --key-file.'
        : 'Issue the certificate from your CA.',
    ]).refusedAs({ ...BY_GO, Node: 'DEPTH_ZERO_SELF_SIGNED_CERT', OpenSSL: 'self-signed certificate' }),
    root: error((d: { anchors: string[] }, who, context) => [
      `${who} is the root of the chain, and ${trustedCas(d.anchors, context)}.`,
      'If this is your CA, put its certificate into the CA file. Otherwise use a certificate that a trusted CA issued.',
    ]).refusedAs({
      ...BY_GO,
      Node: 'SELF_SIGNED_CERT_IN_CHAIN',
      OpenSSL: 'self-signed certificate in certificate chain',
    }),
  },
  'chain/client-ca-not-given': info((d: ClientCaDetails, who) => [
    `${who} was issued by "${d.issuer}", ${d.sameName ? 'and the CA of that name in ca has another key' : `which is not among the CAs in ca (${quoted(d.anchors)})`}.`,
    `If etcd's --trusted-ca-file holds "${d.issuer}", pass that file as clientCa, so that the chain is validated. Otherwise use a certificate of a CA in that file, with its intermediates.`,
  ]),
  'chain/no-trust-anchors': error(() => [
    'No trusted CA certificate was given.',
    'Pass the certificate of the CA that issues your etcd certificates (--cacert of etcdctl).',
  ]).refusedAs({ ...BY_GO, Node: LEAF_UNVERIFIED, OpenSSL: NO_LOCAL_ISSUER }),
  'chain/limit-exceeded': {
    search: error((d: { signatures: number; steps: number }, _who, { isEtcd }) => [
      `The search for a valid path stopped at its limit of ${String(d.signatures)} signature checks and ${String(d.steps)} steps.`,
      `Pass only the certificates of one chain: the leaf, its intermediates, and the CAs to trust.${isEtcd ? '' : ' If you need all of them, raise the option budget.signatures or budget.steps.'}`,
    ]),
    extensions: error((d: { bytes: number; limit: number; largest: number }, _who, { inside }) => [
      `The extensions of all certificates have ${String(d.bytes)} bytes, more than ${String(d.limit)}; ${inside} has the most, ${String(d.largest)}.`,
      'Pass only the certificates of one chain: the leaf, its intermediates, and the CAs to trust. If you need them all, reissue the largest with fewer names.',
    ]),
    'comparisons of names': error((d: { limit: number }, _who, { inside }) => [
      `The names below ${inside} and its name constraints would need more work than the limit of ${String(d.limit)}, which all certificates and paths share.`,
      'Reissue the certificates of the path with fewer names or constraints.',
    ]),
    intermediates: error((d: { allowed: number; found: number }, _who, { isEtcd }) => [
      `The path has ${String(d.found)} intermediates, and ${String(d.allowed)} are allowed.`,
      isEtcd ? 'Use a shorter chain.' : 'Raise the option maxIntermediates if the chain is intended.',
    ]),
  },
  'chain/unused-unread-by-go': {
    trusted: row(severityInTrustAnchors, (d: UnusedUnreadByGo, who) => [
      `${who} is not used, but ${d.byNode ? 'Node and etcd do' : 'etcd does'} not start with it in ${d.byNode ? 'their CA files' : 'its CA file'}: ${d.reason}.`,
      `Remove the certificate from the CA file${d.byNode ? '' : ' of etcd'}, or issue it again in a form that Go reads.`,
    ])
      .or('error', isServerOfNode)
      .refusedAs(UNREADABLE_TO_GO),
    sent: row(severityIfOnlyGoRefuses, (d: UnusedUnreadByGo, who) => [
      `${who} is not used, but etcd refuses a handshake in which it is sent: ${d.reason}.`,
      'Remove the certificate from the file of the leaf.',
    ])
      .or('error', isServerOfNode)
      .refusedAs(UNREADABLE_TO_GO),
  },
  'chain/others-tried': info((d: { paths: number }) => [
    `${String(d.paths)} other path${d.paths === 1 ? '' : 's'} failed too.`,
    'Remove certificates of other chains from the files to see only this path.',
  ]),
  'chain/order-wrong': warning((d: { issuer: string }, who) => [
    `${who} is not followed by its issuer "${d.issuer}", which is elsewhere in the file.`,
    'Write the leaf first, then each issuer in turn, without the root.',
  ]),
  'chain/certificate-unneeded': {
    unused: info((_, who) => [`${who} is not part of the path.`, 'Remove it from the file.']),
    root: info((_, who) => [
      `${who} is a trust anchor and part of the chain that is sent.`,
      'Remove the root from the certificate file.',
    ]),
  },
  'chain/anchor-not-self-signed': row(severityIfOnlyOpensslRefuses, (d: AnchorNotSelfSigned, who) => [
    d.selfIssued
      ? `${who} is trusted, but OpenSSL, and so Node, does not treat it as self-signed and searches for another issuer.`
      : `${who} is trusted although it is not self-signed, and ${d.sameName ? `the trusted CA with the name of its issuer "${d.issuer}" did not sign it` : `no certificate of its issuer "${d.issuer}" is trusted`}.`,
    d.selfIssued
      ? 'Renew the CA: let it sign its own certificate, with "authorityKeyIdentifier = keyid" or without that extension.'
      : `Put the certificate of "${d.issuer}" into the CA file too, up to the root; or set the option allowPartialTrustChain in other Node clients.`,
  ]).refusedAs({
    Node: ['UNABLE_TO_GET_ISSUER_CERT', NOT_LOCALLY],
    OpenSSL: ['unable to get issuer certificate', NO_LOCAL_ISSUER],
  }),
  'chain/intermediate-not-sent': warning((d: NotSent, who) => [
    `${who} is only in the CA file, so it is not sent. A server that trusts only ${quoted([d.root])} needs it.`,
    `Append ${quoted(d.missing)} to the certificate file, after the leaf.`,
  ]).or('info', ({ usage }) => usage === 'any'),
  'chain/openssl-picks-other-path': row(severityIfOnlyOpensslRefuses, (d: OpensslPicksOtherPath, who) => [
    d.picked === null
      ? `A valid path exists, but OpenSSL, and so Node, does not find it: ${d.reason}.`
      : `${who} has several possible issuers "${d.issuer}": OpenSSL, and so Node, takes the one with the fingerprint SHA-256 ${d.picked} from the ${d.from === 'sent' ? 'chain that is sent' : 'trusted CAs'}, tries no other, and refuses it: ${d.reason}.`,
    keepOneIssuer(d),
  ]).refusedAs({
    Node: ['CERT_SIGNATURE_FAILURE', NOT_LOCALLY],
    OpenSSL: ['certificate signature failure', NO_LOCAL_ISSUER],
  }),
  'chain/issuer-name-respelled': row(
    severityIfOnlyGoRefuses,
    (d: { written: string; issuer: string } & UsageDetails, who) => [
      `${who} has the issuer name "${d.written}". The issuer writes its own name "${d.issuer}" in other bytes, so etcd does not accept it as the issuer.`,
      "Reissue it, with the issuer's name copied byte for byte, as openssl and cfssl do.",
    ],
  ).refusedAs(BY_GO),
  'chain/authority-differs': {
    'key identifier': error((d: { wanted: string; found: string; issuer: string }, who) => [
      `${who} names an issuer with the key identifier ${d.wanted || 'of no bytes'}, but the key identifier of "${d.issuer}" is ${d.found || 'empty'}.`,
      'Pass the CA certificate that issued it, or reissue it from this CA.',
    ]).refusedAs(NOT_ITS_ISSUER),
    certificate: error(
      (d: { issuer: string; found: string; wanted: string | null; wantedIssuer: string | null }, who) => [
        `${who} names an issuer${d.wanted === null ? '' : ` with the serial number ${d.wanted}`}${d.wantedIssuer === null ? '' : `, issued by "${d.wantedIssuer}"`}, but "${d.issuer}" has the serial number ${d.found}.`,
        'Pass the CA certificate that it was issued with, or reissue it with "authorityKeyIdentifier = keyid", which stays valid when the CA is renewed.',
      ],
    ).refusedAs(NOT_ITS_ISSUER),
  },
}

function keepOneIssuer({ picked, from, needed, change }: OpensslPicksOtherPath): string {
  const file = from === 'sent' ? 'certificate file' : 'CA file'
  if (change === 'order' && needed !== null)
    return `Write the certificate with the fingerprint SHA-256 ${needed} before it in the ${file}, or remove the other one.`
  if (change === 'remove' && picked !== null)
    return `Remove the certificate with the fingerprint SHA-256 ${picked} from the ${from === 'both' ? 'CA file and the certificate file' : file}.`
  return 'Keep one certificate for each CA: the self-signed root in the CA file, and the intermediates after the leaf in the certificate file.'
}
