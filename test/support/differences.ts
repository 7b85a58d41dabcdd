/**
 * Where Go, OpenSSL and Node check otherwise than we do, and why. The differential test fails on a difference that is
 * not in these lists, and on one in these lists that does not occur; docs/differences.md shows them as a table.
 */
import type { Finding, FindingCode } from '../../src/report/finding.js'
import type { Witness } from './witnesses.js'

export interface Difference {
  readonly code: FindingCode
  /** The kind in the details. Default: all kinds of the code. */
  readonly kind?: string | readonly string[]
  /** What else must be true of the finding. */
  readonly when?: (finding: Finding) => boolean
  /** The programs whose result differs, at least in some cases. etcd agrees with Go, unless the text says otherwise. */
  readonly peers: readonly Witness[]
  readonly why: string
}

const OPENSSL = ['Node', 'OpenSSL', 'strict'] as const satisfies Witness[]
const LENIENT_OPENSSL = ['Node', 'OpenSSL'] as const satisfies Witness[]
const EVERYBODY = [...OPENSSL, 'Go'] as const satisfies Witness[]
const GO = ['Go'] as const satisfies Witness[]

/** What Go alone refuses: an error for clients and peers, whom Go validates, a warning for servers. */
const GO_ALONE = (
  [
    ['signature/algorithm-refused', 'salt length', 'Go alone requires a salt as long as the digest.'],
    ['chain/issuer-name-respelled', null, 'OpenSSL compares names as RFC 5280 asks; Go compares bytes.'],
    ['constraints/path-too-long', 'for Go', 'Go alone counts self-issued CA certificates.'],
    [
      'certificate/extension-refused',
      'names unread by Go',
      'OpenSSL compares directory names; Go refuses a critical constraint on them.',
    ],
    [
      'name-constraints/name-unreadable',
      'malformed for Go',
      'Go reads every DNS name and mailbox if names of any kind are constrained; OpenSSL only those that it compares.',
    ],
    [
      'name-constraints/name-refused',
      'excluded by Go',
      'To Go, a constraint on mailboxes or URIs without a leading dot includes every name below the host; RFC 5280 and OpenSSL mean that host alone.',
    ],
    [
      'name-constraints/name-refused',
      'self-issued',
      'Go compares the names of self-issued CA certificates with constraints; RFC 5280 and OpenSSL exempt them.',
    ],
    [
      'certificate/extension-refused',
      'names unread by Go',
      'To Go, a critical subjectAltName of which it reads no name is a critical extension that it does not process.',
    ],
    [
      'certificate/extension-refused',
      'relative name',
      'Go does not read a distribution point whose name is relative to the issuer.',
    ],
    ['chain/unused-unread-by-go', 'sent', 'Go reads every certificate that is sent, and OpenSSL those that it uses.'],
    [
      'chain/unused-unread-by-go',
      'trusted',
      'etcd reads every certificate of its CA file, and OpenSSL uses those that it needs. Information, not a warning, for servers, whose anchors Node reads.',
    ],
  ] as const
).map(([code, kind, reason]) => ({ code, ...(kind === null ? {} : { kind }), reason }))

/** Errors here that others do not mind. */
export const STRICTER: readonly Difference[] = [
  ...GO_ALONE.map(({ reason, ...what }) => ({
    ...what,
    peers: OPENSSL,
    why: `${reason} An error for clients and peers only.`,
  })),
  {
    code: 'certificate/malformed',
    peers: OPENSSL,
    why: 'OpenSSL reads more than DER (lengths in too many bytes, bytes after the end), and takes a version 4 for granted.',
  },
  {
    code: 'certificate/malformed',
    peers: GO,
    why: 'Go takes dates with an offset or without seconds, and overlooks elements behind those of a certificate.',
  },
  {
    code: 'certificate/extension-refused',
    kind: 'malformed',
    peers: OPENSSL,
    why: 'OpenSSL reads an extension when it needs it: policies and information access never, an address only to compare it.',
  },
  {
    code: 'certificate/extension-refused',
    kind: 'malformed',
    peers: GO,
    why: 'Go overlooks bytes behind a value, a negative path length, and lists that must not be empty.',
  },
  {
    code: 'certificate/name-malformed',
    kind: 'malformed',
    peers: OPENSSL,
    why: 'OpenSSL does not hold strings of a name against their declared kind.',
  },
  {
    code: 'certificate/version-unsupported',
    peers: EVERYBODY,
    why: 'A client certificate without extensions forbids nothing, so everybody takes it; here it has to say what it is for.',
  },
  {
    code: 'certificate/serial-unusual',
    peers: OPENSSL,
    why: 'Only Go looks at the sign of a serial number, and only since 1.23.',
  },
  {
    code: 'certificate/name-malformed',
    kind: 'empty',
    peers: [...LENIENT_OPENSSL, 'Go'],
    why: 'An empty name is the same name at both ends; only -x509_strict minds that it is empty.',
  },
  {
    code: 'signature/algorithm-refused',
    kind: 'stated twice',
    peers: LENIENT_OPENSSL,
    why: 'OpenSSL compares the two when it checks the signature, which it does not do for a trusted root.',
  },
  {
    code: 'certificate/extension-refused',
    kind: ['repeated', 'wrongly critical'],
    peers: OPENSSL,
    why: 'OpenSSL minds duplicates only of the extensions that it uses.',
  },
  {
    code: 'certificate/extension-refused',
    kind: 'unknown',
    peers: EVERYBODY,
    why: 'Go since 1.24 processes policy constraints that require a policy, and OpenSSL knows them; here they are not processed, so critical ones are refused.',
  },
  {
    code: 'key/weak',
    peers: EVERYBODY,
    why: 'Go and Node take RSA of 1024 bits (Node’s security level is 1); no program checks a public exponent before it is used.',
  },
  {
    code: 'key/unsupported',
    kind: 'public key',
    peers: EVERYBODY,
    why: 'Go takes P-224, and OpenSSL Ed448, secp256k1, RSA-PSS keys, compressed points and RSA keys without their NULL; no TLS 1.3 handshake between the two works with any of them.',
  },
  {
    code: 'signature/algorithm-refused',
    kind: 'unsupported',
    peers: OPENSSL,
    why: 'OpenSSL verifies SHA-224 and Ed448, Go neither.',
  },
  {
    code: 'signature/algorithm-refused',
    kind: 'weak',
    peers: GO,
    why: 'Go does not look at the signature of a leaf that is trusted by itself.',
  },
  {
    code: 'chain/authority-differs',
    kind: 'key identifier',
    peers: GO,
    why: 'To Go, key identifiers only tell which issuer to try first.',
  },
  {
    code: 'chain/authority-differs',
    kind: 'certificate',
    peers: GO,
    why: 'Go does not read the issuer and serial number in an authority key identifier.',
  },
  {
    code: 'chain/openssl-picks-other-path',
    peers: GO,
    why: 'Of several issuers that fit, OpenSSL takes the first and never turns back; Go tries them all. An error for servers, a warning for clients and peers.',
  },
  {
    code: 'chain/anchor-not-self-signed',
    peers: GO,
    why: 'Go ends a path at any trusted certificate; OpenSSL only with -partial_chain, Node with allowPartialTrustChain. An error for servers, a warning for clients and peers.',
  },
  {
    code: 'constraints/not-a-ca',
    peers: LENIENT_OPENSSL,
    why: 'OpenSSL takes a self-signed root without basicConstraints for a CA when its key usage allows to sign certificates.',
  },
  {
    code: 'usage/key-usage-missing',
    kind: 'keyCertSign',
    peers: GO,
    why: 'To Go, a key usage without a single bit counts as absent.',
  },
  {
    code: 'usage/any-extended-key-usage',
    peers: GO,
    why: 'anyExtendedKeyUsage satisfies Go; OpenSSL wants the purpose itself.',
  },
  {
    code: 'usage/key-usage-missing',
    kind: 'digitalSignature',
    peers: GO,
    why: 'Go does not look at the key usage of a leaf.',
  },
  {
    code: 'usage/netscape-type-unsuited',
    peers: GO,
    why: 'Go does not know nsCertType.',
  },
  {
    code: 'san/host-not-covered',
    peers: OPENSSL,
    why: 'Without any DNS name, Node and OpenSSL look for the host in the common name; Node also takes a wildcard in part of a label, and a dot at the end.',
  },
  {
    code: 'san/host-not-covered',
    peers: GO,
    why: 'To Go, an IPv4 address and its form mapped into IPv6 are the same.',
  },
  {
    code: 'san/name-unusable',
    kind: 'URI',
    peers: OPENSSL,
    why: 'OpenSSL does not read URIs.',
  },
  {
    code: 'name-constraints/name-unreadable',
    kind: 'malformed',
    peers: OPENSSL,
    why: 'OpenSSL compares the end of a DNS name, whatever it begins with.',
  },
  {
    code: 'name-constraints/malformed',
    kind: 'malformed',
    peers: GO,
    why: 'To Go, an empty constraint on mailboxes or URIs includes every name, which RFC 5280 does not define; a mailbox without a host is well-formed.',
  },
  {
    code: 'name-constraints/name-unreadable',
    kind: 'malformed',
    peers: GO,
    why: 'Go reads an empty DNS name, a mailbox with escapes outside of quotes or without a host, and a URI with a user.',
  },
  {
    code: 'name-constraints/name-unreadable',
    kind: 'not compared',
    peers: GO,
    why: 'Go ignores constraints on names of other kinds if they are not critical.',
  },
  {
    code: 'name-constraints/name-refused',
    kind: 'excluded',
    peers: ['Node', 'OpenSSL', 'strict', 'Go'],
    why: 'A wildcard that stands for an excluded name is refused here (x509-limbo requires it); Go and OpenSSL compare it as it is written. Go also ignores constraints on directory names that are not critical.',
  },
  {
    code: 'chain/unused-unread-by-go',
    kind: 'trusted',
    peers: GO,
    why: 'Go overlooks bytes behind the value of an extension, a negative path length, and lists that must not be empty.',
  },
  {
    code: 'chain/unused-unread-by-go',
    kind: 'sent',
    peers: GO,
    why: 'Go overlooks bytes behind the value of an extension, a negative path length, and lists that must not be empty.',
  },
  {
    code: 'certificate/name-malformed',
    kind: 'empty',
    peers: EVERYBODY,
    why: 'An empty name is the same name at both ends.',
  },
  {
    code: 'name-constraints/name-refused',
    kind: 'not permitted',
    peers: GO,
    why: 'Go ignores constraints on directory names if they are not critical.',
  },
  {
    code: 'name-constraints/malformed',
    kind: 'malformed',
    peers: OPENSSL,
    why: 'OpenSSL compares what it finds, masks with gaps and mailboxes without a name included.',
  },
  ...(
    [
      [
        'revocation/revoked',
        null,
        'Go does not know revocation lists. etcd looks for the serial number in its own list, and refuses.',
      ],
      [
        'revocation/crl-not-current',
        'expired',
        'Go does not know revocation lists; etcd does not look at their dates.',
      ],
      [
        'revocation/crl-not-current',
        'not yet valid',
        'Go does not know revocation lists; etcd does not look at their dates.',
      ],
      [
        'revocation/crl-signer-differs',
        'signature',
        'Go does not know revocation lists; etcd does not look at their signature.',
      ],
      [
        'revocation/crl-sign-missing',
        null,
        'Go does not know revocation lists; etcd does not look at who signed them.',
      ],
      [
        'revocation/crl-extension-refused',
        'extension',
        'Go does not know revocation lists; etcd does not look at their extensions.',
      ],
      [
        'revocation/crl-signer-differs',
        'key identifier',
        'Go does not know revocation lists; etcd does not look at who signed them.',
      ],
      [
        'revocation/crl-not-current',
        'inverted',
        'Go does not know revocation lists; etcd does not look at their dates.',
      ],
      [
        'revocation/crl-malformed',
        null,
        'Go does not know revocation lists. etcd refuses every client while its list is like that.',
      ],
      [
        'revocation/crl-extension-refused',
        'extension',
        'Go does not know revocation lists; etcd does not look at their extensions.',
      ],
      ['revocation/crl-scope', 'reasons', 'Go does not know revocation lists; etcd does not look at their extensions.'],
      [
        'revocation/crl-extension-refused',
        'indirect',
        'Go does not know revocation lists; etcd does not look at their extensions.',
      ],
      [
        'revocation/crl-scope',
        'certificates',
        'Go does not know revocation lists; etcd does not look at their extensions.',
      ],
    ] as const
  ).map(([code, kind, why]) => ({ code, ...(kind === null ? {} : { kind }), peers: GO, why })),
  {
    code: 'revocation/crl-extension-refused',
    kind: 'extension',
    peers: OPENSSL,
    why: 'OpenSSL takes a list whose distribution point it cannot read as one without any.',
  },
  {
    code: 'revocation/crl-algorithm-refused',
    peers: ['Node', 'Go'],
    why: 'OpenSSL 3.0, which Node 20 brings along, does not compare the two, nor does etcd before 3.6.',
  },
  {
    code: 'revocation/crl-algorithm-refused',
    peers: GO,
    why: 'Go does not know revocation lists; etcd does not look at their signature.',
  },
  {
    code: 'revocation/no-crl',
    peers: GO,
    why: 'Go does not know revocation lists. Node requires a list of every CA of a server if any is given.',
  },
  {
    code: 'revocation/crl-delta',
    kind: 'refused',
    peers: ['Node', 'Go'],
    why: 'etcd and OpenSSL 3.0, which Node 20 brings along, take a delta list for a full one.',
  },
  {
    code: 'revocation/crl-algorithm-refused',
    peers: EVERYBODY,
    why: 'No program checks the digest of a CRL against a security level.',
  },
]

/** Warnings and infos here, for which others refuse. */
export const LAXER: readonly Difference[] = [
  ...GO_ALONE.map(({ reason, ...what }) => ({
    ...what,
    peers: GO,
    why: `Of a server’s chain, which Node validates: ${reason}`,
  })),
  {
    code: 'certificate/policy-extension',
    kind: 'not critical',
    peers: GO,
    why: 'Go since 1.24 processes policy constraints that are not critical, too.',
  },
  {
    code: 'chain/openssl-picks-other-path',
    peers: LENIENT_OPENSSL,
    why: 'A client certificate: of several issuers that fit, a server of Node takes the first and never turns back; etcd tries them all.',
  },
  {
    code: 'chain/anchor-not-self-signed',
    peers: LENIENT_OPENSSL,
    why: 'A client certificate: etcd ends a path at any trusted certificate; a server of Node only with allowPartialTrustChain.',
  },
  {
    code: 'certificate/key-identifier-unusual',
    kind: 'of a root',
    peers: ['Node'],
    why: 'The OpenSSL of Node does not take a root for self-signed whose authority key identifier points elsewhere, and looks for its issuer.',
  },
  {
    code: 'signature/key-mismatch',
    kind: 'root',
    peers: ['Node'],
    why: 'The OpenSSL of Node does not take a root for self-signed whose key could not have made the signature, and looks for its issuer.',
  },
  {
    code: 'usage/key-usage-missing',
    kind: 'digitalSignature',
    peers: LENIENT_OPENSSL,
    why: 'A server of Node refuses such a client certificate; etcd, which validates the clients here, does not check it.',
  },
  {
    code: 'name-constraints/common-name-refused',
    when: ({ details }) => 'usage' in details && details.usage !== 'server',
    peers: LENIENT_OPENSSL,
    why: 'OpenSSL takes a common name that looks like a DNS name for one where there is no other, and so does a server of Node; etcd, which validates the clients here, does not.',
  },
  {
    code: 'usage/any-extended-key-usage',
    peers: LENIENT_OPENSSL,
    why: 'A server of Node refuses such a client certificate; etcd, which validates the clients here, accepts it.',
  },
  {
    code: 'revocation/no-crl',
    peers: LENIENT_OPENSSL,
    why: 'A client certificate: if any CRL is given, OpenSSL requires one of every issuer (-crl_check_all), and a server of Node always does; etcd, which validates the clients here, compares serial numbers only.',
  },
  {
    code: 'certificate/version-unsupported',
    peers: ['strict'],
    why: 'Only -x509_strict wants a root to be of version 3.',
  },
  {
    code: 'certificate/key-identifier-unusual',
    kind: 'missing',
    peers: ['strict'],
    why: 'RFC 5280 asks CAs to write it; only -x509_strict refuses a certificate without it.',
  },
  {
    code: 'certificate/key-identifier-unusual',
    kind: 'missing',
    peers: ['strict'],
    why: 'RFC 5280 asks CAs to write it; only -x509_strict refuses a certificate without it.',
  },
  {
    code: 'certificate/criticality-unusual',
    kind: 'of a CA',
    peers: ['strict'],
    why: 'RFC 5280 asks CAs to mark it; only -x509_strict refuses a certificate without the mark.',
  },
  {
    code: 'constraints/leaf-is-ca',
    peers: ['strict'],
    why: 'A leaf that is a CA has to be a proper one for -x509_strict, with critical basicConstraints.',
  },
  {
    code: 'constraints/only-for-cas',
    peers: ['strict'],
    why: 'The path length of what is no CA has no effect; only -x509_strict refuses it.',
  },
  {
    code: 'usage/extension-absent',
    kind: 'keyUsage',
    peers: ['strict'],
    why: 'A CA without key usage may do everything; only -x509_strict wants it written.',
  },
  {
    code: 'constraints/only-for-cas',
    peers: ['strict'],
    why: 'keyCertSign has no effect without CA:TRUE; only -x509_strict refuses it.',
  },
  {
    code: 'certificate/criticality-unusual',
    kind: 'of names',
    peers: ['strict'],
    why: 'Everybody reads the names, marked or not; only -x509_strict refuses the missing mark.',
  },
]

/** Warnings here of what only some releases of Go refuse, for clients and peers too. */
export const BY_GO_RELEASE: readonly Difference[] = LAXER.filter(({ code }) => code === 'certificate/policy-extension')

/** What others refuse and no finding tells of. */
export const SILENT: readonly {
  /** Names of mutations. */
  readonly mutations: readonly string[]
  readonly peers: readonly Witness[]
  readonly why: string
  /** It takes another mutation to show. */
  readonly onlyInPairs?: boolean
}[] = [
  {
    mutations: ['extended key usage: any', 'the Netscape certificate type of a CA'],
    peers: LENIENT_OPENSSL,
    why: 'As a client’s, in a CA’s extended key usage or in nsCertType: a server of Node refuses that; etcd, which validates the clients here, does not check it.',
  },
  {
    mutations: [
      'trusted itself',
      'trusted itself, signed by ecdsa-sha1',
      'self-signed',
      'self-signed and trusted',
      'issued by the root',
    ],
    peers: GO,
    why: 'A certificate that is sent and cannot be read ends the handshake with Go, also where the path does not need it.',
    onlyInPairs: true,
  },
  {
    mutations: ['trusted itself', 'self-signed and trusted'],
    peers: LENIENT_OPENSSL,
    why: 'Where any list is given, OpenSSL wants one for a leaf that is trusted by itself, too.',
    onlyInPairs: true,
  },
]

/** Whether a list has the finding, for that program. */
export function isListed(list: readonly Difference[], finding: Finding, witness: Witness): boolean {
  return list.some((each) => isAbout(each, finding) && each.peers.includes(witness))
}

export function isAbout({ code, kind = [], when }: Difference, finding: Finding): boolean {
  const kinds = [kind].flat()
  if (finding.code !== code || when?.(finding) === false) return false
  return kinds.length === 0 || kinds.includes(kindOf(finding) ?? '')
}

function kindOf({ details }: Finding): string | null {
  return 'kind' in details ? details.kind : null
}

/** `chain/root-not-trusted (leaf)`: the code, and the kind in its details. */
export function nameOfFinding(finding: Finding): string {
  const kind = kindOf(finding)
  return kind === null ? finding.code : `${finding.code} (${kind})`
}

/** Whether Node may accept what has this error. */
export function isNodesDifference(finding: Finding): boolean {
  return isListed(STRICTER, finding, 'Node')
}
