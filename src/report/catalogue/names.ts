/** Findings about names: subject alternative names against hosts, common names, name constraints. */
import { refusedByGoAlone, row, rowByKind, type UsageDetails } from '../row.js'
import { listed } from '../words.js'

/** Why no name covers a host, by the nearest miss. */
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
  /** How many of them are of the host's kind: only those are compared with it. */
  foundOfKind: number
  /** The name that comes nearest, where there is one. */
  nearest: string | null
  /** Hosts of the same list that are covered, each with the name that covers it, so that the gap shows. */
  covered: { host: string; name: string }[]
}

const WHY: Readonly<Record<NotCoveredReason, (details: NotCoveredDetails) => string>> = {
  'no-such-name': ({ found }) => `its names are ${listed(found)}`,
  'no-names-at-all': () => 'it has no subject alternative names',
  'only-in-common-name': ({ host, found }) =>
    `"${host}" is only in the common name, which clients ignore (RFC 6125)${found.length === 0 ? '' : `; its names are ${listed(found)}`}`,
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

const GO_WORDS = {
  'valid for': 'x509: certificate is valid for …, not …',
  'no IP SANs': "x509: cannot validate certificate for … because it doesn't contain any IP SANs",
  'common name': 'x509: certificate relies on legacy Common Name field, use SANs instead',
  'no names': 'x509: certificate is not valid for any names, but wanted to match …',
}

/** Which of its four sentences Go chooses (crypto/x509 HostnameError.Error); null for a URI, which it does not compare. */
function goWords({ kind, reason, found, foundOfKind }: NotCoveredDetails): keyof typeof GO_WORDS | null {
  if (kind === 'uri') return null
  if (reason === 'only-in-common-name' && found.length === 0) return 'common name'
  if (foundOfKind > 0) return 'valid for'
  return kind === 'ip' ? 'no IP SANs' : 'no names'
}

export interface CommonNameDetails extends UsageDetails {
  name: string
  constrainedBy: string
  /** Whether it is among the permitted names, and so excluded by another constraint. */
  isPermitted: boolean
}

/** A name that constraints are about. */
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

export const names = {
  'san/host-not-covered': row<NotCoveredDetails>({
    refusals: [
      ...Object.entries(GO_WORDS).map(([which, Go]) => ({
        Go,
        when: (details: NotCoveredDetails) => goWords(details) === which,
      })),
      { Node: 'ERR_TLS_CERT_ALTNAME_INVALID', when: ({ kind }: NotCoveredDetails) => kind !== 'uri' },
      { OpenSSL: 'hostname mismatch', when: ({ kind }: NotCoveredDetails) => kind === 'dns' },
      { OpenSSL: 'IP address mismatch', when: ({ kind }: NotCoveredDetails) => kind === 'ip' },
    ],
    message: (details, who) => {
      const covered = details.covered.map(({ host }) => host)
      const also = covered.length === 0 ? '' : ` (${listed(covered)} ${covered.length === 1 ? 'is' : 'are'} covered)`
      return `${who} does not cover the host ${details.host}${also}: ${WHY[details.reason](details)}.`
    },
    remedy: ({ host, kind }, { isEtcd }) =>
      `Reissue it with ${sanText(kind, host)} in subjectAltName (openssl: "subjectAltName = ${sanText(kind, host)}"), or ${isEtcd ? 'advertise' : 'connect by'} a name that it covers.`,
  }),
  'san/name-unusable': rowByKind<
    | { kind: 'DNS'; name: string; reason: 'an IP address' | 'no host name' | 'an underscore' | 'a wide wildcard' }
    | { kind: 'URI'; name: string; reason: string }
  >({
    kinds: {
      DNS: {
        severity: 'warning',
        message: ({ name, reason }, who) => `${who} has the DNS name "${name}", which ${UNUSABLE[reason]}.`,
        remedy: ({ name, reason }) =>
          reason === 'an IP address'
            ? `Reissue it with an IP name: "subjectAltName = IP:${name}".`
            : 'Reissue it with plain DNS names of letters, digits and hyphens. A wildcard must be the whole leftmost label, with at least two labels after it.',
      },
      URI: {
        refusals: { Go: 'x509: cannot parse URI "…": …' },
        message: ({ name, reason }, who) => `${who} has the URI "${name}", which ${reason}.`,
        remedy: () => 'Reissue it with a well-formed URI, such as spiffe://cluster/etcd, or without it.',
      },
    },
  }),
  'san/wildcard': row<{ name: string }>({
    severity: 'info',
    message: ({ name }, who) => `${who} covers every host of ${name}.`,
    remedy: () => 'List the name of each member instead, if possible.',
  }),
  'san/common-name-not-listed': row<{ commonName: string }>({
    severity: 'warning',
    message: ({ commonName }, who) =>
      `${who} has the common name ${commonName}, which no subject alternative name repeats.`,
    remedy: ({ commonName }) =>
      `Add ${commonName} to the subject alternative names if clients connect by it. Otherwise choose a common name that is not a host.`,
  }),
  'identity/common-name': rowByKind<{ kind: 'missing' } | { kind: 'user of etcd'; commonName: string }>({
    kinds: {
      missing: {
        severity: 'info',
        message: (_, who) => `${who} has no common name, so it is not a user if etcd's authentication is enabled.`,
        remedy: () => 'Reissue it with the etcd user as common name if roles are to apply to it.',
      },
      'user of etcd': {
        severity: 'warning',
        message: ({ commonName }, who) =>
          `${who} is a server certificate with the common name ${commonName}, which is an etcd user.`,
        remedy: () => 'Reissue it with a common name that is never an etcd user.',
      },
    },
  }),
  'name-constraints/name-refused': rowByKind<
    | ({ kind: 'not permitted'; permitted: string[] } & ConstrainedName)
    | ({ kind: 'excluded'; excluded: string } & ConstrainedName)
    | ({ kind: 'excluded by Go'; excluded: string } & ConstrainedName & UsageDetails)
    | ({ kind: 'self-issued'; names: string[]; constrainedBy: string } & UsageDetails)
  >({
    kinds: {
      'not permitted': {
        refusals: {
          ...NOT_AUTHORIZED,
          Node: 'permitted subtree violation',
          OpenSSL: 'permitted subtree violation',
        },
        message: ({ name, nameKind, permitted, constrainedBy }, who) =>
          `${who} has the ${nameKind} name ${name}, but its CA "${constrainedBy}" permits only ${listed(permitted)}.`,
        remedy: () => 'Reissue it with permitted names only, or from a CA that permits this name.',
      },
      excluded: {
        refusals: {
          ...NOT_AUTHORIZED,
          Node: 'excluded subtree violation',
          OpenSSL: 'excluded subtree violation',
        },
        message: ({ name, nameKind, excluded, constrainedBy }, who) =>
          `${who} has the ${nameKind} name ${name}, which its CA "${constrainedBy}" excludes (${excluded}).`,
        remedy: () => 'Reissue it without that name, or from a CA that does not exclude it.',
      },
      'excluded by Go': {
        severity: refusedByGoAlone,
        refusals: NOT_AUTHORIZED,
        message: ({ name, nameKind, constrainedBy, excluded }, who) =>
          `${who} carries the ${nameKind} name "${name}", which is below "${excluded}"; its CA "${constrainedBy}" excludes that host, and etcd refuses every name below it.`,
        remedy: () => 'Issue it again without that name, or from a CA that does not exclude the host.',
      },
      'self-issued': {
        severity: refusedByGoAlone,
        refusals: NOT_AUTHORIZED,
        message: ({ names: list, constrainedBy }, who) =>
          `${who} is self-issued and carries names that its CA "${constrainedBy}" does not allow: ${listed(list)}; etcd refuses the path.`,
        remedy: () => 'Issue the CA certificate again without subjectAltName.',
      },
    },
  }),
  'name-constraints/common-name-refused': row<CommonNameDetails>({
    // Go and etcd accept such a certificate, and so do the conformance vectors of bettertls.
    severity: 'warning',
    // Node validates servers.
    refusals: (['Node', 'OpenSSL'] as const).flatMap((by) =>
      ['permitted', 'excluded'].map((side) => ({
        [by]: `${side} subtree violation`,
        when: ({ usage, isPermitted }: CommonNameDetails) =>
          (by === 'OpenSSL' || usage === 'server') && !(isPermitted && side === 'permitted'),
      })),
    ),
    message: ({ name, constrainedBy }, who) =>
      `${who} has no DNS name, and its common name "${name}" is one that its CA "${constrainedBy}" does not allow. OpenSSL and Node check it then.`,
    remedy: () =>
      'Reissue it with a common name without dots, with a common name that the CA permits, or with an additional DNS name that the CA permits.',
  }),
  'name-constraints/malformed': rowByKind<
    | { kind: 'malformed'; constraint: string; nameKind: string; reason: string }
    | { kind: 'leading dot'; constraints: string[] }
  >({
    kinds: {
      malformed: {
        message: ({ constraint, nameKind, reason }, who) =>
          `${who} has a name constraint (${nameKind}) "${constraint}" that ${reason}.`,
        remedy: () =>
          'Reissue the CA certificate with a well-formed constraint (openssl: "nameConstraints = permitted;DNS:etcd.svc").',
      },
      'leading dot': {
        severity: 'warning',
        message: ({ constraints }, who) =>
          `${who} has DNS name constraints with a leading dot: ${listed(constraints)}.`,
        remedy: () => 'Remove the leading dot at the next renewal of the CA certificate.',
      },
    },
  }),
  'name-constraints/name-unreadable': rowByKind<
    | ({ kind: 'malformed' | 'not compared' } & ConstrainedName)
    | ({ kind: 'malformed for Go' } & ConstrainedName & UsageDetails)
  >({
    kinds: {
      malformed: {
        refusals: UNPARSED,
        message: ({ name, nameKind, constrainedBy }, who) =>
          `${who} has a malformed ${nameKind} name "${name}", which must be readable because its CA "${constrainedBy}" constrains names.`,
        remedy: () => 'Reissue it with well-formed names.',
      },
      'not compared': {
        message: ({ nameKind, constrainedBy }, who) =>
          `${who} has a name of the kind ${nameKind}, which its CA "${constrainedBy}" constrains and this package does not compare.`,
        remedy: () => 'Reissue it without such a name, or from a CA that does not constrain it.',
      },
      'malformed for Go': {
        severity: refusedByGoAlone,
        refusals: UNPARSED,
        message: ({ name, nameKind, constrainedBy }, who) =>
          `${who} carries the ${nameKind} name "${name}", and its CA "${constrainedBy}" constrains names; etcd cannot read the name and refuses the certificate.`,
        remedy: () => 'Issue it again with well-formed names.',
      },
    },
  }),
}

function sanText(kind: 'dns' | 'ip' | 'uri', host: string): string {
  return `${{ dns: 'DNS', ip: 'IP', uri: 'URI' }[kind]}:${host}`
}
