/** Findings about the way from the leaf to a trust anchor: which issuers were found, and which were not. */
import {
  type NoDetails,
  type OpensslDetails,
  refusedByGoAlone,
  refusedByOpensslAlone,
  refusedInTrustAnchors,
  row,
  rowByKind,
  type UsageDetails,
} from '../row.js'
import { listed, quoted } from '../words.js'

/** Some of Go's words for a certificate that it does not read. */
const UNREADABLE_TO_GO = (
  [
    ['x509: unsupported elliptic curve', 'curve '],
    ['x509: invalid CRL distribution point', 'relative'],
    ['x509: cannot parse URI "…": …', 'URI'],
    ['x509: negative serial number', 'serial'],
  ] as const
).map(([Go, part]) => ({ Go, when: ({ reason }: { reason: string }) => reason.includes(part) }))

/** Refusals of several rows. */
const BY_GO = { Go: 'x509: certificate signed by unknown authority' }
const NOT_LOCALLY = 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
const LEAF_UNVERIFIED = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
const NO_LOCAL_ISSUER = 'unable to get local issuer certificate'

const NOT_ITS_ISSUER = { Node: [LEAF_UNVERIFIED, NOT_LOCALLY], OpenSSL: NO_LOCAL_ISSUER }

/** A client certificate, and the CAs that it does not lead to. */
export interface ClientCaDetails {
  /** Who issued the topmost certificate of the chain. */
  issuer: string
  /** The CAs that verify servers. */
  anchors: string[]
  /** Whether one of them has the name of that issuer, and another key. */
  sameName: boolean
}

function trusted(anchors: readonly string[]): string {
  return `The trusted CAs are ${quoted(anchors)}.`
}

export const chain = {
  'chain/issuer-not-found': rowByKind<
    | { kind: 'not given'; issuer: string; anchors: string[]; intermediates: string[] }
    | { kind: 'circle'; issuer: string; anchors: string[] }
  >({
    kinds: {
      'not given': {
        refusals: {
          ...BY_GO,
          Node: [LEAF_UNVERIFIED, NOT_LOCALLY, 'UNABLE_TO_GET_ISSUER_CERT'],
          OpenSSL: NO_LOCAL_ISSUER,
        },
        message: ({ issuer, anchors }, who) =>
          `${who} was issued by "${issuer}", and no certificate with that subject was given. ${trusted(anchors)}`,
        remedy: ({ issuer }) =>
          `If "${issuer}" is an intermediate, append its certificate to the leaf's file. If it is your CA, put its certificate into the CA file. Otherwise use a certificate that a trusted CA issued.`,
      },
      circle: {
        refusals: { ...BY_GO, OpenSSL: NO_LOCAL_ISSUER },
        message: ({ issuer, anchors }, who) =>
          `${who} was issued by "${issuer}", which is below it in the same chain, and no CA of the chain is trusted. ${trusted(anchors)}`,
        remedy: () =>
          'Put the root certificate of these CAs into the CA file, or send the intermediate that leads to a trusted CA.',
      },
    },
  }),
  'chain/issuer-key-differs': row<{ issuer: string; found: string[]; wantedKeyIdentifier: string | null }>({
    refusals: {
      Go: 'x509: certificate signed by unknown authority (possibly because of "x509: … verification failure" while trying to verify candidate authority certificate "…")',
      Node: [LEAF_UNVERIFIED, NOT_LOCALLY, 'CERT_SIGNATURE_FAILURE'],
      OpenSSL: [NO_LOCAL_ISSUER, 'certificate signature failure'],
    },
    message: ({ issuer, found }, who) =>
      `${who} was not signed by the key of the CA "${issuer}" that was given (its certificate has ${listed(found.slice(0, 1))}${found.length > 1 ? ` and ${String(found.length - 1)} more` : ''}).`,
    remedy: ({ wantedKeyIdentifier }) =>
      `The CA was probably created again under its old name. Pass the CA certificate that issued this one${wantedKeyIdentifier === null || wantedKeyIdentifier === '' ? '' : ` (its subject key identifier is ${wantedKeyIdentifier})`}, or reissue the certificate.`,
  }),
  'chain/root-not-trusted': rowByKind<{ kind: 'leaf' | 'root'; anchors: string[] }>({
    kinds: {
      leaf: {
        refusals: { ...BY_GO, Node: 'DEPTH_ZERO_SELF_SIGNED_CERT', OpenSSL: 'self-signed certificate' },
        message: ({ anchors }, who) => `${who} is self-signed and not trusted. ${trusted(anchors)}`,
        remedy: () =>
          'Issue the certificate from your CA. If etcd runs with --auto-tls, replace that by --cert-file and --key-file: its certificates are for tests only.',
      },
      root: {
        refusals: {
          ...BY_GO,
          Node: 'SELF_SIGNED_CERT_IN_CHAIN',
          OpenSSL: 'self-signed certificate in certificate chain',
        },
        message: ({ anchors }, who) => `${who} is the root of the chain and is not trusted. ${trusted(anchors)}`,
        remedy: () =>
          'If this is your CA, put its certificate into the CA file. Otherwise use a certificate that a trusted CA issued.',
      },
    },
  }),
  'chain/client-ca-not-given': row<ClientCaDetails>({
    severity: 'info',
    message: ({ issuer, anchors, sameName }, who) =>
      `${who} was issued by "${issuer}", ${sameName ? 'and the CA of that name in ca has another key' : `which is not among the CAs in ca (${quoted(anchors)})`}.`,
    remedy: ({ issuer }) =>
      `If etcd’s --trusted-ca-file holds "${issuer}", pass that file as clientCa, so that the chain is validated. Otherwise use a certificate of a CA in that file, with its intermediates.`,
  }),
  'chain/no-trust-anchors': row<NoDetails>({
    refusals: { ...BY_GO, Node: LEAF_UNVERIFIED, OpenSSL: NO_LOCAL_ISSUER },
    message: () => 'No trusted CA certificate was given.',
    remedy: () => 'Pass the certificate of the CA that issues your etcd certificates (--cacert of etcdctl).',
  }),
  'chain/limit-exceeded': rowByKind<
    | { kind: 'search'; signatures: number; steps: number }
    | { kind: 'comparisons of names'; comparisons: number }
    | { kind: 'intermediates'; allowed: number; found: number }
  >({
    kinds: {
      search: {
        message: ({ signatures, steps }) =>
          `The search for a valid path stopped at its limit of ${String(signatures)} signature checks and ${String(steps)} steps.`,
        remedy: (_, { isEtcd }) =>
          `Pass only the certificates of one chain: the leaf, its intermediates, and the CAs to trust.${isEtcd ? '' : ' If you need all of them, raise the option budget.signatures or budget.steps.'}`,
      },
      'comparisons of names': {
        message: ({ comparisons }) =>
          `The name constraints of the path would need more than ${String(comparisons)} comparisons.`,
        remedy: () => 'Reissue the certificates of the path with fewer names or constraints.',
      },
      intermediates: {
        message: ({ allowed, found }) =>
          `The path has ${String(found)} intermediates, and ${String(allowed)} are allowed.`,
        remedy: (_, { isEtcd }) =>
          isEtcd ? 'Use a shorter chain.' : 'Raise the option maxIntermediates if the chain is intended.',
      },
    },
  }),
  'chain/unused-unread-by-go': rowByKind<{ kind: 'trusted' | 'sent'; reason: string } & UsageDetails>({
    kinds: {
      trusted: {
        severity: refusedInTrustAnchors,
        refusals: UNREADABLE_TO_GO,
        message: ({ reason }, who) => `${who} is not used, but etcd does not start with it in its CA file: ${reason}.`,
        remedy: () => 'Remove the certificate from the CA file of etcd, or issue it again in a form that Go reads.',
      },
      sent: {
        severity: refusedByGoAlone,
        refusals: UNREADABLE_TO_GO,
        message: ({ reason }, who) =>
          `${who} is not used, but etcd refuses a handshake in which it is sent: ${reason}.`,
        remedy: () => 'Remove the certificate from the file of the leaf.',
      },
    },
  }),
  'chain/others-tried': row<{ paths: number }>({
    severity: 'info',
    message: ({ paths }) => `${String(paths)} other path${paths === 1 ? '' : 's'} failed too.`,
    remedy: () => 'Remove certificates of other chains from the files to see only this path.',
  }),
  'chain/order-wrong': row<{ issuer: string }>({
    severity: 'warning',
    message: ({ issuer }, who) => `${who} is not followed by its issuer "${issuer}", which is elsewhere in the file.`,
    remedy: () => 'Write the leaf first, then each issuer in turn, without the root.',
  }),
  'chain/certificate-unneeded': rowByKind<{ kind: 'unused' | 'root' }>({
    kinds: {
      unused: {
        severity: 'info',
        message: (_, who) => `${who} is not part of the path.`,
        remedy: () => 'Remove it from the file.',
      },
      root: {
        severity: 'info',
        message: (_, who) => `${who} is a trust anchor and part of the chain that is sent.`,
        remedy: () => 'Remove the root from the certificate file.',
      },
    },
  }),
  'chain/anchor-not-self-signed': row<{ issuer: string; selfIssued: boolean } & OpensslDetails>({
    severity: refusedByOpensslAlone,
    refusals: {
      Node: ['UNABLE_TO_GET_ISSUER_CERT', NOT_LOCALLY],
      OpenSSL: ['unable to get issuer certificate', NO_LOCAL_ISSUER],
    },
    message: ({ issuer, selfIssued }, who) =>
      selfIssued
        ? `${who} is trusted, but OpenSSL, and so Node, does not treat it as self-signed and searches for another issuer.`
        : `${who} is trusted although it is not self-signed, and no certificate of its issuer "${issuer}" is trusted.`,
    remedy: ({ issuer, selfIssued }) =>
      selfIssued
        ? 'Renew the CA: let it sign its own certificate, with "authorityKeyIdentifier = keyid" or without that extension.'
        : `Put the certificate of "${issuer}" into the CA file too, up to the root; or set the option allowPartialTrustChain in other Node clients.`,
  }),
  'chain/openssl-picks-other-path': row<
    {
      issuer: string
      picked: string | null
      from: 'trusted' | 'sent' | 'both'
      needed: string | null
      change: 'order' | 'remove' | 'path'
      reason: string
    } & OpensslDetails
  >({
    severity: refusedByOpensslAlone,
    refusals: {
      Node: ['CERT_SIGNATURE_FAILURE', NOT_LOCALLY],
      OpenSSL: ['certificate signature failure', NO_LOCAL_ISSUER],
    },
    message: ({ issuer, picked, from, reason }, who) =>
      picked === null
        ? `A valid path exists, but OpenSSL, and so Node, does not find it: ${reason}.`
        : `${who} has several possible issuers "${issuer}": OpenSSL, and so Node, takes the one with the fingerprint SHA-256 ${picked} from the ${from === 'sent' ? 'chain that is sent' : 'trusted CAs'}, tries no other, and refuses it: ${reason}.`,
    remedy: ({ picked, from, needed, change }) => {
      const file = from === 'sent' ? 'certificate file' : 'CA file'
      if (change === 'order' && needed !== null)
        return `Write the certificate with the fingerprint SHA-256 ${needed} before it in the ${file}, or remove the other one.`
      if (change === 'remove' && picked !== null)
        return `Remove the certificate with the fingerprint SHA-256 ${picked} from the ${from === 'both' ? 'CA file and the certificate file' : file}.`
      return 'Keep one certificate for each CA: the self-signed root in the CA file, and the intermediates after the leaf in the certificate file.'
    },
  }),
  'chain/issuer-name-respelled': row<{ written: string; issuer: string } & UsageDetails>({
    severity: refusedByGoAlone,
    refusals: BY_GO,
    message: ({ written, issuer }, who) =>
      `${who} writes the name of its issuer as "${written}", and the issuer itself is "${issuer}" in other bytes; etcd does not accept it as the issuer.`,
    remedy: () => 'Reissue it, with the issuer’s name copied byte for byte, as openssl and cfssl do.',
  }),
  'chain/authority-differs': rowByKind<
    | { kind: 'key identifier'; wanted: string; found: string; issuer: string }
    | { kind: 'certificate'; issuer: string; found: string; wanted: string | null; wantedIssuer: string | null }
  >({
    kinds: {
      'key identifier': {
        refusals: NOT_ITS_ISSUER,
        message: ({ wanted, found, issuer }, who) =>
          `${who} names an issuer with the key identifier ${wanted || 'of no bytes'}, but the key identifier of "${issuer}" is ${found || 'empty'}.`,
        remedy: () => 'Pass the CA certificate that issued it, or reissue it from this CA.',
      },
      certificate: {
        refusals: NOT_ITS_ISSUER,
        message: ({ issuer, found, wanted, wantedIssuer }, who) =>
          `${who} names an issuer${wanted === null ? '' : ` with the serial number ${wanted}`}${wantedIssuer === null ? '' : `, issued by "${wantedIssuer}"`}, but "${issuer}" has the serial number ${found}.`,
        remedy: () =>
          'Pass the CA certificate that it was issued with, or reissue it with "authorityKeyIdentifier = keyid", which stays valid when the CA is renewed.',
      },
    },
  }),
}
