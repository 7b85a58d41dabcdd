/** Findings about names: subject alternative names against hosts, common names, name constraints. */
import { error, info, severityIfOnlyGoRefuses, row, type UsageDetails, warning } from '../row.js'
import { listed } from '../words.js'

/** Why no name covers the host. */
export type NotCoveredReason =
  | 'no-such-name'
  | 'no-names-at-all'
  | 'only-in-common-name'
  | 'ip-written-as-dns'
  | 'wildcard-too-shallow'
  | 'wildcard-not-usable'
  | 'ipv4-mapped'
  | 'near-miss'

export interface NotCoveredDetails {
  host: string
  kind: 'dns' | 'ip' | 'uri'
  reason: NotCoveredReason
  /** The certificate's subject alternative names (the first 50). */
  found: string[]
  /** The number of those of the kind of the host. The others are not compared with it. */
  foundOfKind: number
  /** The most similar name; null if absent. */
  nearest: string | null
  /** The hosts of the same list that a name covers. */
  covered: { host: string; name: string }[]
}

const REASONS: Readonly<Record<NotCoveredReason, (details: NotCoveredDetails) => string>> = {
  'no-such-name': ({ found }) => `its ${namesAre(found)}`,
  'no-names-at-all': () => 'it has no subject alternative names',
  'only-in-common-name': ({ host, found }) =>
    `"${host}" is only in the common name, which clients ignore${found.length === 0 ? '' : `; its ${namesAre(found)}`}`,
  'ip-written-as-dns': ({ host, kind }) =>
    kind === 'ip'
      ? `it has ${host} as a DNS name, and an IP address must be an IP name`
      : `it has ${host} as another kind of name`,
  'wildcard-too-shallow': ({ nearest }) => `its wildcard ${nearest ?? '*'} covers exactly one label`,
  'wildcard-not-usable': ({ nearest }) =>
    `Node refuses its wildcard ${nearest ?? '*'}, because it has fewer than two labels after the asterisk`,
  'ipv4-mapped': ({ host, nearest }) =>
    `it has ${nearest ?? 'another form of it'}, and ${host} is another address: one is the IPv4-mapped IPv6 form of the other, which Go treats as equal and Node does not`,
  'near-miss': ({ nearest, found }) => `the nearest of its names is ${nearest ?? 'unknown'}, among ${listed(found)}`,
}

const GO_MESSAGES = {
  'valid for': 'x509: certificate is valid for …, not …',
  'no IP SANs': "x509: cannot validate certificate for … because it doesn't contain any IP SANs",
  'common name': 'x509: certificate relies on legacy Common Name field, use SANs instead',
  'no names': 'x509: certificate is not valid for any names, but wanted to match …',
}

/** The message of Go (crypto/x509 HostnameError.Error); null for a URI, which Go does not compare. */
function goMessageKey({ kind, reason, found, foundOfKind }: NotCoveredDetails): keyof typeof GO_MESSAGES | null {
  if (kind === 'uri') return null
  if (reason === 'only-in-common-name' && found.length === 0) return 'common name'
  if (foundOfKind > 0) return 'valid for'
  return kind === 'ip' ? 'no IP SANs' : 'no names'
}

/** `isPermitted`: whether the permitted names include it, so that another constraint excludes it. */
export type CommonNameDetails = UsageDetails & { name: string; constrainedBy: string; isPermitted: boolean }

export interface ConstrainedName {
  name: string
  /** `dns`, `ip`, `email`, `uri`, `dirName` or another kind of general name. */
  nameKind: string
  constrainedBy: string
}

const UNUSABLE = {
  'an IP address': 'is an IP address and covers no host',
  'no host name': 'no host can have',
  'an underscore': 'has an underscore',
  'a wide wildcard': 'is a wildcard over a whole zone, and Node refuses it',
} as const

const NOT_AUTHORIZED = {
  Go: 'x509: a root or intermediate certificate is not authorized to sign for this name: …',
}
const UNPARSED = (
  [
    ['email', 'x509: cannot parse rfc822Name …'],
    ['dns', 'x509: cannot parse dnsName "…"'],
  ] as const
).map(([of, Go]) => ({ Go, when: ({ nameKind }: { nameKind: string }) => nameKind === of }))

/** A port-forward or a tunnel starts at this machine: the certificate at its end covers another name. */
function forwardRemedy({ host, found }: NotCoveredDetails): string {
  if (!/^(?:localhost|127\..*|::1)$/.test(host)) return 'R'
  const name = found.find((each) => /^(?:[\w-]+\.)+[a-z][\w-]*$/i.test(each))
  return name === undefined
    ? 'R'
    : `If a port-forward or a tunnel leads to it, set serverName to "${name}". Otherwise r`
}

export const names = {
  'san/host-not-covered': error((d: NotCoveredDetails, who, { isEtcd, isConnected }) => [
    `${who} does not cover the host ${d.host}${alsoCovered(d)}: ${REASONS[d.reason](d)}.`,
    `${isConnected ? forwardRemedy(d) : 'R'}eissue it with ${sanText(d.kind, d.host)} in subjectAltName (openssl: "subjectAltName = ${sanText(d.kind, d.host)}"), or ${isEtcd ? 'advertise' : 'connect by'} a name that it covers.`,
  ]).refusedAs([
    ...Object.entries(GO_MESSAGES).map(([which, Go]) => ({
      Go,
      when: (details: NotCoveredDetails) => goMessageKey(details) === which,
    })),
    { Node: 'ERR_TLS_CERT_ALTNAME_INVALID', when: ({ kind }: NotCoveredDetails) => kind !== 'uri' },
    { OpenSSL: 'hostname mismatch', when: ({ kind }: NotCoveredDetails) => kind === 'dns' },
    { OpenSSL: 'IP address mismatch', when: ({ kind }: NotCoveredDetails) => kind === 'ip' },
  ]),
  'san/name-unusable': {
    DNS: warning(
      (d: { name: string; reason: 'an IP address' | 'no host name' | 'an underscore' | 'a wide wildcard' }, who) => [
        `${who} has the DNS name "${d.name}", which ${UNUSABLE[d.reason]}.`,
        d.reason === 'an IP address'
          ? `Reissue it with an IP name: "subjectAltName = IP:${d.name}".`
          : 'Reissue it with plain DNS names of letters, digits and hyphens. A wildcard must be the whole leftmost label, with at least two labels after it.',
      ],
    ),
    URI: error((d: { name: string; reason: string }, who) => [
      `${who} has the URI "${d.name}", which ${d.reason}.`,
      'Reissue it with a well-formed URI, such as spiffe://cluster/etcd, or without it.',
    ]).refusedAs({ Go: 'x509: cannot parse URI "…": …' }),
  },
  'san/wildcard': info((d: { name: string }, who) => [
    `${who} covers every host of ${d.name}.`,
    'List the name of each member instead, if possible.',
  ]),
  'san/common-name-not-listed': warning((d: { commonName: string }, who) => [
    `${who} has the common name ${d.commonName}, which no subject alternative name repeats.`,
    `Add ${d.commonName} to the subject alternative names if clients connect by it. Otherwise choose a common name that is not a host.`,
  ]),
  'identity/common-name': {
    missing: info((_, who) => [
      `${who} has no common name, so it is not a user if etcd's authentication is enabled.`,
      'Reissue it with the etcd user as common name if roles are to apply to it.',
    ]),
    'user of etcd': warning((d: { commonName: string }, who) => [
      `${who} is a server certificate with the common name ${d.commonName}, which is an etcd user.`,
      'Reissue it with a common name that is never an etcd user.',
    ]),
  },
  'name-constraints/name-refused': {
    'not permitted': error((d: ConstrainedName & { permitted: string[] }, who) => [
      `${who} has the ${kindOf(d)} name ${d.name}, but its CA "${d.constrainedBy}" permits only ${listed(d.permitted)}.`,
      'Reissue it with permitted names only, or from a CA that permits this name.',
    ]).refusedAs({ ...NOT_AUTHORIZED, Node: 'permitted subtree violation', OpenSSL: 'permitted subtree violation' }),
    excluded: error((d: ConstrainedName & { excluded: string }, who) => [
      `${who} has the ${kindOf(d)} name ${d.name}, which its CA "${d.constrainedBy}" excludes (${d.excluded}).`,
      'Reissue it without that name, or from a CA that does not exclude it.',
    ]).refusedAs({ ...NOT_AUTHORIZED, Node: 'excluded subtree violation', OpenSSL: 'excluded subtree violation' }),
    'excluded by Go': row(severityIfOnlyGoRefuses, (d: ConstrainedName & UsageDetails & { excluded: string }, who) => [
      `${who} carries the ${kindOf(d)} name "${d.name}", which is below "${d.excluded}"; its CA "${d.constrainedBy}" excludes that host, and etcd refuses every name below it.`,
      'Issue it again without that name, or from a CA that does not exclude the host.',
    ]).refusedAs(NOT_AUTHORIZED),
    'self-issued': row(severityIfOnlyGoRefuses, (d: UsageDetails & { names: string[]; constrainedBy: string }, who) => [
      `${who} is self-issued and carries names that its CA "${d.constrainedBy}" does not allow: ${listed(d.names)}; etcd refuses the path.`,
      'Issue the CA certificate again without subjectAltName.',
    ]).refusedAs(NOT_AUTHORIZED),
  },
  // A warning, also for servers, which Node refuses: the vectors of bettertls expect that such a path is accepted, as Go and etcd do.
  'name-constraints/common-name-refused': warning((d: CommonNameDetails, who) => [
    `${who} has no DNS name, and its common name "${d.name}" is one that its CA "${d.constrainedBy}" does not allow. OpenSSL and Node check it then.`,
    'Reissue it with a common name without dots, with a common name that the CA permits, or with an additional DNS name that the CA permits.',
  ]).refusedAs(
    (['Node', 'OpenSSL'] as const).flatMap((by) =>
      ['permitted', 'excluded'].map((side) => ({
        [by]: `${side} subtree violation`,
        when: ({ usage, isPermitted }: CommonNameDetails) =>
          (by === 'OpenSSL' || usage === 'server') && !(isPermitted && side === 'permitted'),
      })),
    ),
  ),
  'name-constraints/malformed': {
    malformed: error((d: { constraint: string; nameKind: string; reason: string }, who) => [
      `${who} has a name constraint (${d.nameKind}) "${d.constraint}" that ${d.reason}.`,
      'Reissue the CA certificate with a well-formed constraint (openssl: "nameConstraints = permitted;DNS:etcd.svc").',
    ]),
    'leading dot': warning((d: { constraints: string[] }, who) => [
      `${who} has DNS name constraints with a leading dot: ${listed(d.constraints)}.`,
      'Remove the leading dot at the next renewal of the CA certificate.',
    ]),
  },
  'name-constraints/name-unreadable': {
    malformed: error((d: ConstrainedName, who) => [
      `${who} has a malformed ${kindOf(d)} name "${d.name}", which must be readable because its CA "${d.constrainedBy}" constrains names.`,
      'Reissue it with well-formed names.',
    ]).refusedAs(UNPARSED),
    'not compared': error((d: ConstrainedName, who) => [
      `${who} has a name of the kind ${d.nameKind}, which its CA "${d.constrainedBy}" constrains and this package does not compare.`,
      'Reissue it without such a name, or from a CA that does not constrain it.',
    ]).refusedAs({ Node: 'unsupported name constraint type', OpenSSL: 'unsupported name constraint type' }),
    'malformed for Go': row(severityIfOnlyGoRefuses, (d: ConstrainedName & UsageDetails, who) => [
      `${who} has the ${kindOf(d)} name "${d.name}", and its CA "${d.constrainedBy}" constrains names; etcd cannot read the name and refuses the certificate.`,
      'Reissue it with well-formed names.',
    ]).refusedAs(UNPARSED),
  },
}

/** `nameKind` in a sentence. */
function kindOf({ nameKind }: { nameKind: string }): string {
  return ['dns', 'ip', 'uri'].includes(nameKind) ? nameKind.toUpperCase() : nameKind
}

function namesAre(names: readonly string[]): string {
  return names.length === 1 ? `only name is ${listed(names)}` : `names are ${listed(names)}`
}

function sanText(kind: 'dns' | 'ip' | 'uri', host: string): string {
  return `${{ dns: 'DNS', ip: 'IP', uri: 'URI' }[kind]}:${host}`
}

function alsoCovered({ covered }: NotCoveredDetails): string {
  const hosts = covered.map(({ host }) => host)
  return hosts.length === 0 ? '' : ` (${listed(hosts)} ${hosts.length === 1 ? 'is' : 'are'} covered)`
}
