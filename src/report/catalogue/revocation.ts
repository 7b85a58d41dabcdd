/** Findings about revocation: revoked certificates, missing and invalid CRLs, and how etcd applies CRLs. */
import {
  error,
  info,
  type OpensslDetails,
  severityIfOnlyGoRefuses,
  severityIfOnlyOpensslRefuses,
  row,
  type UsageDetails,
  warning,
} from '../row.js'
import { listed, quoted } from '../words.js'

/** OpenSSL and Node report an unusable CRL as missing: they select a CRL before they verify it. */
const NOT_FOUND = { OpenSSL: 'unable to get certificate CRL', Node: 'UNABLE_TO_GET_CRL' }

export interface CrlDetails {
  origin: string
}

const EXPIRED = { OpenSSL: 'CRL has expired', Node: 'CRL_HAS_EXPIRED' }

function isCritical({ reason }: { reason: string }): boolean {
  return reason.startsWith('it is critical')
}

/** A CRL that does not list every revoked certificate of its issuer, or also those of others. */
export interface UnsupportedCrl extends CrlDetails {
  unsupportedScope: keyof typeof UNSUPPORTED_SCOPES
  /** Whether it is a CRL file of etcd, which compares serial numbers only. */
  readByEtcd: boolean
}

const UNSUPPORTED_SCOPES = {
  delta: 'is a delta CRL',
  certificates: 'covers only some kinds of certificate',
  reasons: 'covers only some reasons of revocation',
  indirect: 'is an indirect CRL',
}

export interface NoCrl extends OpensslDetails {
  issuer: string
  /** The issuers of the CRLs. */
  given: string[]
  /** Whether the certificate is a CA. */
  ofCa: boolean
  /** Whether the option `revocation` requires the CRL. */
  required: boolean
}

export interface Revoked {
  serialNumber: string
  reason: string | null
  revokedAt: Date
  invalidSince: Date | null
  inFuture: boolean
  /** Whether no path needs the certificate, but a client sends it to etcd. */
  isUnneeded: boolean
  crl: string
}

export const revocation = {
  'revocation/revoked': error((d: Revoked, who, { inside }) => [
    `${who}${d.isUnneeded ? ' is sent without need, and etcd compares each certificate that is sent with its CRL. It' : ''} ${d.reason === 'certificateHold' ? 'was put on hold' : 'was revoked'} ${d.inFuture ? 'as of' : 'on'} ${d.revokedAt.toISOString()}${d.inFuture ? ', a date in the future that counts at once' : ''}${d.reason === null ? '' : ` (${d.reason})`}, according to ${d.crl}${d.invalidSince === null ? '' : `, and its key may be compromised since ${d.invalidSince.toISOString()}`}.`,
    d.isUnneeded
      ? `Remove ${inside}.`
      : d.reason === 'certificateHold'
        ? 'Ask the CA to lift the hold and use the CRL that it issues then, or use another certificate.'
        : d.reason === 'removeFromCRL'
          ? 'Have the CA issue a full CRL without the entry if the certificate is meant to be valid; only delta CRLs may hold removals.'
          : 'Issue a new certificate with a new key. A revoked certificate stays revoked.',
  ]).refusedAs({
    etcd: 'transport: certificate serial … revoked',
    OpenSSL: 'certificate revoked',
    Node: 'CERT_REVOKED',
  }),
  'revocation/crl-unsupported': error((d: UnsupportedCrl) => [
    `The CRL ${d.origin} ${UNSUPPORTED_SCOPES[d.unsupportedScope]}${d.readByEtcd ? '; etcd reads its serial numbers like those of a full CRL' : ', which is not supported'}.`,
    'Use the current full CRL, which lists every revoked certificate of its issuer and no others.',
  ])
    .or('warning', ({ readByEtcd }) => readByEtcd)
    .refusedAs([
      { OpenSSL: 'different CRL scope', when: ({ unsupportedScope }) => unsupportedScope === 'certificates' },
      { ...NOT_FOUND, when: ({ readByEtcd }) => !readByEtcd },
    ]),
  'revocation/crl-scope': error((d: { lists: { origin: string; point: string }[] }, _who, { inside }) => [
    `No CRL covers ${inside}: ${listed(d.lists.map(({ origin, point }) => `${origin} covers only certificates that name the distribution point ${point}`))}.`,
    'Pass the CRL of its distribution point, or a CRL without a distribution point.',
  ]).refusedAs({ OpenSSL: 'different CRL scope', Node: 'UNABLE_TO_GET_CRL' }),
  'revocation/no-crl': warning((d: NoCrl, who) => [
    `${who} was not checked for revocation: no CRL of "${d.issuer}" was given${d.given.length === 0 ? '' : `; the CRLs given are of ${quoted(d.given)}`}.`,
    `Add the CRL of "${d.issuer}"${d.required ? ', or set the option revocation to "if-listed"' : d.usage === 'server' ? ', or pass no CRL at all' : ' if it issues one'}.`,
  ])
    .or('info', ({ ofCa }) => ofCa)
    .or('error', ({ required, usage, connected }) => required || (usage === 'server' && !connected))
    .refusedAs(NOT_FOUND),
  'revocation/openssl-picks-other-crl': row(
    severityIfOnlyOpensslRefuses,
    (d: CrlDetails & { reason: string } & OpensslDetails, _who, { inside }) => [
      `For ${inside}, OpenSSL, and so Node, chooses the CRL ${d.origin} and refuses it: ${d.reason}.`,
      'Pass one current, full CRL for each CA key, each with "authorityKeyIdentifier = keyid:always".',
    ],
  ).refusedAs([
    {
      OpenSSL: 'CRL signature failure',
      Node: 'CRL_SIGNATURE_FAILURE',
      when: ({ reason }) => /signed|algorithms/.test(reason),
    },
    { Node: 'CERT_REVOKED', when: ({ reason }) => reason.includes('revokes') },
  ]),
  'revocation/crl-unused': info((d: CrlDetails & { issuer: string; reason: string }) => [
    `The CRL ${d.origin} of "${d.issuer}" was not used: ${d.reason}.`,
    'Remove it from the CRLs that are passed, or pass the one that is signed with the key that signed the certificates.',
  ]),
  'revocation/crl-form': {
    PEM: warning((d: { origins: string[] }) => [
      `${listed(d.origins)} ${d.origins.length === 1 ? 'holds its CRL' : 'hold their CRLs'} as PEM; etcd 3.6 and later would refuse every client.`,
      'Give etcd DER, which every version reads: "openssl crl -in crl.pem -outform der -out crl.der".',
    ]).refusedAs({ etcd: 'x509: malformed crl' }),
    text: row(severityIfOnlyGoRefuses, (d: { origins: string[] } & UsageDetails) => [
      `etcd does not read the PEM of ${listed(d.origins)} and refuses every client with it: etcd skips no text before "-----BEGIN X509 CRL", as "openssl crl -text" writes it, and requires line feeds.`,
      'Give etcd DER, which every version reads: "openssl crl -in crl.pem -outform der -out crl.der".',
    ]).refusedAs({ etcd: ['asn1: structure error: …', 'x509: malformed crl'] }),
    several: warning((d: CrlDetails & { count: number }) => [
      `${d.origin} holds ${String(d.count)} CRLs, of which etcd reads only the first.`,
      'Give etcd one full CRL: it reads one file with one CRL.',
    ]),
    'version 1': warning((d: CrlDetails) => [
      `The CRL ${d.origin} is of version 1, which etcd 3.6 and later does not read.`,
      'Set "crl_extensions" with "authorityKeyIdentifier = keyid:always" and "crlnumber" in openssl\'s CA section, which makes version 2.',
    ]).refusedAs({ etcd: 'x509: unsupported crl version' }),
  },
  'revocation/serial-listed': warning(
    (d: { serialNumber: string; lists: { origin: string; why: string }[] }, _who, { inside }) => [
      `etcd would refuse ${inside} for its serial number ${d.serialNumber}, which is in ${listed(d.lists.map(({ origin, why }) => `${origin} (${why})`))}.`,
      'Do not give etcd that CRL as --client-crl-file, or reissue the certificate with another serial number.',
    ],
  ).refusedAs({ etcd: 'transport: certificate serial … revoked' }),
  'revocation/crl-malformed': error((d: CrlDetails & { reason: string }) => [
    `${d.origin} does not hold a valid CRL: ${d.reason}.`,
    'Create the CRL again ("openssl ca -gencrl -out crl.pem"), or remove it.',
  ]).refusedAs({
    etcd: [
      'asn1: structure error: …',
      'asn1: syntax error: …',
      'x509: trailing data after CRL',
      'parsing time …',
      'x509: malformed …',
      'x509: unsupported time format',
    ],
    Node: 'Failed to parse CRL',
  }),
  'revocation/crl-signer-differs': {
    signature: error((d: CrlDetails & { issuer: string; otherKey: boolean }) => [
      `The CRL ${d.origin} of "${d.issuer}" is not signed by that CA's key${d.otherKey ? '; its authority key identifier names another key' : ''}.`,
      d.otherKey
        ? 'Have the CRL signed with the key that signed the certificates: after a CA was renewed with a new key, each key needs its own CRL.'
        : 'Fetch the CRL from the CA again.',
    ]).refusedAs([{ OpenSSL: 'CRL signature failure', Node: 'CRL_SIGNATURE_FAILURE' }, NOT_FOUND]),
    'key identifier': error((d: CrlDetails & { reason: string }, _who, { inside }) => [
      `The authority key identifier of the CRL ${d.origin} names ${d.reason} than ${inside}.`,
      'Set "authorityKeyIdentifier = keyid:always" in openssl\'s crl_extensions and create the CRL again.',
    ]).refusedAs(NOT_FOUND),
  },
  'revocation/crl-sign-missing': error((d: CrlDetails, who) => [
    `${who} signed the CRL ${d.origin}, but its key usage lacks cRLSign.`,
    'Reissue the CA certificate with "keyUsage = critical, keyCertSign, cRLSign".',
  ]).refusedAs({ OpenSSL: 'key usage does not include CRL signing' }),
  'revocation/crl-algorithm-refused': error(
    (d: CrlDetails & { algorithm: string; reason: 'weak' | 'unsupported' | 'stated twice' }) => [
      d.reason === 'stated twice'
        ? `The CRL ${d.origin} states one signature algorithm inside its signed part (${d.algorithm}) and another outside.`
        : `The CRL ${d.origin} is signed with ${d.algorithm}, which ${d.reason === 'weak' ? 'can be forged' : 'is not supported'}.`,
      'Set "default_md = sha256" in openssl\'s CA section, and create the CRL again with an RSA, ECDSA or Ed25519 key.',
    ],
  ).refusedAs([
    {
      etcd: "x509: inner and outer signature algorithm identifiers don't match",
      when: ({ reason }) => reason === 'stated twice',
    },
    { OpenSSL: 'CRL signature failure', Node: 'CRL_SIGNATURE_FAILURE', when: ({ reason }) => reason !== 'weak' },
  ]),
  'revocation/crl-not-current': {
    expired: error((d: CrlDetails & { nextUpdate: Date }) => [
      `The CRL ${d.origin} is out of date: the next one was due on ${d.nextUpdate.toISOString()}.`,
      'Fetch the current CRL from the CA.',
    ]).refusedAs(EXPIRED),
    'not yet valid': error((d: CrlDetails & { thisUpdate: Date }) => [
      `The CRL ${d.origin} is dated ${d.thisUpdate.toISOString()}, which is in the future.`,
      'Compare "date -u" on this machine and on the CA, and set the clock that is wrong.',
    ]).refusedAs({ OpenSSL: 'CRL is not yet valid', Node: 'CRL_NOT_YET_VALID' }),
    inverted: error((d: CrlDetails & { thisUpdate: Date; nextUpdate: Date }) => [
      `The CRL ${d.origin} is dated ${d.thisUpdate.toISOString()}, after its own next update on ${d.nextUpdate.toISOString()}.`,
      'Create the CRL again with a next update in the future ("openssl ca -gencrl -crldays 30").',
    ]).refusedAs(EXPIRED),
  },
  'revocation/crl-extension-refused': error((d: CrlDetails & { extension: string; reason: string }) => [
    `The extension ${d.extension} of the CRL ${d.origin} is refused: ${d.reason}.`,
    'Create a full CRL without special extensions ("openssl ca -gencrl").',
  ]).refusedAs([
    {
      OpenSSL: 'unhandled critical CRL extension',
      etcd: 'x509: authority key identifier incorrectly marked critical',
      when: isCritical,
    },
    { etcd: ['x509: malformed crl number', 'x509: invalid authority key identifier'] },
  ]),
  'revocation/crl-unusual': warning((d: CrlDetails & { reason: string }) => [
    `The CRL ${d.origin} ${d.reason}.`,
    'Create CRLs with "openssl ca -gencrl -crldays 30", with "crlnumber", and with "crl_extensions" that has "authorityKeyIdentifier = keyid:always".',
  ]),
}
