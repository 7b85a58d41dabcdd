/** Findings about the files that a configuration of etcd names. */
import { error, info, warning } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { privately } from '../conversion.js'
import { day, verb } from './place.js'
import { type ConfigPlace, shellArgument } from '../place.js'

/** Why etcd 3.6 rejects a CRL that older releases accept. */
export type CrlFlaw = 'PEM' | 'version 1' | 'two algorithms' | 'critical key identifier'

const CRL_FLAWS: Readonly<
  Record<CrlFlaw, { has: string; wants: string; words: string; remedy: (details: { path: string }) => string }>
> = {
  PEM: {
    has: 'is PEM',
    wants: 'DER',
    words: 'x509: malformed crl',
    remedy: ({ path }) =>
      `Convert it: "openssl crl -in ${shellArgument(path)} -outform DER -out ${shellArgument(`${path}.der`)}", and name ${path}.der.`,
  },
  'version 1': {
    has: 'is a CRL of version 1',
    wants: 'version 2',
    words: 'x509: unsupported crl version',
    remedy: () => 'Issue it with a number, which makes it version 2 ("crlnumber" in the configuration of openssl ca).',
  },
  'two algorithms': {
    has: 'names one signature algorithm inside and another one outside',
    wants: 'the same twice',
    words: "x509: inner and outer signature algorithm identifiers don't match",
    remedy: () => 'Issue the CRL again, with another program.',
  },
  'critical key identifier': {
    has: 'has a critical authority key identifier',
    wants: 'one that is not critical',
    words: 'x509: authority key identifier incorrectly marked critical',
    remedy: () => 'Issue it with "authorityKeyIdentifier = keyid:always", without "critical".',
  },
}

/** `path`: a file that the option names. */
export type NamedPath = ConfigPlace & { path: string }

export type CrlUnreadable = NamedPath & { reason: string }

export const configFiles = {
  'config/crl-form': error((d: ConfigPlace & { path: string; version: string; isAhead: boolean; is: CrlFlaw }) => [
    `${d.option} names ${d.path}, which ${CRL_FLAWS[d.is].has}; etcd ${d.isAhead ? '3.6' : d.version} requires ${CRL_FLAWS[d.is].wants}${d.isAhead ? '' : ' and refuses every client'}.`,
    `${CRL_FLAWS[d.is].remedy(d)}${d.isAhead ? ' Do so before the update to 3.6.' : ''}`,
  ])
    .or('info', ({ isAhead }) => isAhead)
    .refusedAs(
      Object.entries(CRL_FLAWS).map(([flaw, { words }]) => ({
        Go: words,
        when: ({ is, isAhead }) => !isAhead && is === flaw,
      })),
    ),
  'config/crl-unreadable': {
    damaged: error((d: CrlUnreadable) => [
      `${d.option} ${unusable(d)}`,
      `Write the CRL again, for example with "openssl ca -gencrl -out ${shellArgument(d.path)}", or remove ${d.option}.`,
    ]),
    // A file that is not a CRL may be a certificate, which must not be overwritten.
    'something else': error((d: CrlUnreadable) => [
      `${d.option} ${unusable(d)}`,
      `Set ${d.option} to a CRL, which "openssl ca -gencrl" writes to a new file, or remove ${d.option}. Do not overwrite ${d.path}.`,
    ]),
    several: error((d: NamedPath & { count: number }) => [
      `${d.option} names ${d.path}, which contains ${String(d.count)} CRLs. etcd reads only the first one.`,
      'Write one CRL with all serial numbers: etcd compares only these, not the issuer.',
    ]),
  },
  'config/crl-doubtful': {
    'other CA': warning((d: NamedPath & { issuer: string; ca: string }) => [
      `${d.option} names ${d.path}, a CRL of "${d.issuer}", which is not one of the CAs of ${d.ca}.`,
      `Use the CRL that a CA of ${d.ca}, or an intermediate below it, issued.`,
    ]),
    stale: warning((d: NamedPath & { nextUpdate: Date }) => [
      `${d.option} names ${d.path}, whose next update was due on ${day(d.nextUpdate)}. etcd ignores that date.`,
      `Write a new CRL to ${d.path}, for example with "openssl ca -gencrl -out ${shellArgument(d.path)}", and repeat it by a timer.`,
    ]),
  },
  'config/key-not-readable': error((d: NamedPath) => [
    `${d.option} names ${d.path}, which is encrypted.`,
    `Decrypt it: "${privately(`openssl pkey -in ${shellArgument(d.path)} -out ${shellArgument(`${d.path}.pem`)}`)}", name ${d.path}.pem, and let only the user of etcd read it.`,
  ]).refusedAs({ Go: 'tls: failed to parse private key' }),
  'config/peer-address-unprovable': warning((d: ConfigPlace & { names: string[]; addresses: string[] }) => [
    `${d.option} names a certificate whose only names are wildcards: ${listed(d.names)}. etcd cannot resolve them, so other members accept this member (${listed(d.addresses)}) only if reverse DNS of its address returns a name that they cover.`,
    'Reissue it with the address or the host name of the member in addition.',
  ]).refusedAs({ Go: 'tls: "…" does not match any of DNSNames […]' }),
  'config/ca-expired': warning(
    (d: ConfigPlace & { subjects: string[]; notAfter: Date; block: 'client' | 'peer'; isEvery: boolean }) => [
      `${d.option} ${
        d.isEvery
          ? `contains no valid CA: ${quoted(d.subjects)} expired, the last on ${day(d.notAfter)}, so etcd refuses every ${callerNoun(d.block)}.`
          : `contains the CA ${quoted(d.subjects)}, which expired on ${day(d.notAfter)}.`
      }`,
      d.isEvery
        ? `Add a valid CA to the file of ${d.option}, restart etcd, and reissue the certificates of the ${callerNoun(d.block)}s by that CA.`
        : 'Reissue its certificates by a valid CA, and remove it from the file.',
    ],
  )
    .or('error', ({ isEvery }) => isEvery)
    .refusedAs({ Go: 'x509: certificate has expired or is not yet valid: …' }),
  'config/keys-beyond-2030': info((d: ConfigPlace & { subjects: string[] }) => [
    `${listed(d.subjects)} ${verb(d.subjects, 'relies', 'rely')} beyond 2030 on RSA keys that are too small by then.`,
    'Create the next CA with ECDSA P-256 or RSA 3072.',
  ]),
  'config/client-and-peer-swapped': error(
    (d: ConfigPlace & { subject: string; peerCa: string; peerCert: string; ca: string }) => [
      `${d.option} names "${d.subject}", which chains to a CA of ${d.peerCa}, and ${d.peerCert} chains to a CA of ${d.ca}. The two sides are swapped.`,
      `Swap the files of ${d.option} and ${d.peerCert}, with their keys, or those of ${d.ca} and ${d.peerCa}.`,
    ],
  ).refusedAs({ Go: 'x509: certificate signed by unknown authority' }),
  'config/volume-invalid': error((d: ConfigPlace & { names: string[] }) => [
    `${d.option} names ${listed(d.names)}, which is not in a directory of the host that the container mounts.`,
    'Read it in the container, or pass the files to fromFiles. If it is a mounted Secret, mount the Secret in your pod as well and use fromKubernetesSecret.',
  ]),
}

function callerNoun(block: 'client' | 'peer'): string {
  return block === 'client' ? 'client' : 'member'
}

function unusable({ path, reason }: { path: string; reason: string }): string {
  return `names ${path}, which cannot be used: ${reason}`
}
