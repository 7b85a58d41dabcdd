/** Findings about revocation: what lists say of certificates, which lists count, and what etcd makes of them. */
import { type OpensslDetails, refusedByOpensslAlone, row, rowByKind } from '../row.js'
import { lists } from './revocation-faults.js'
import { NOT_FOUND, type List, lower } from './revocation-list.js'
import { listed, quoted } from '../words.js'

export interface NoCrl extends OpensslDetails {
  issuer: string
  /** Issuers of the CRLs that were given. */
  given: string[]
  /** Whether the certificate is that of a CA. */
  ofCa: boolean
  /** Whether the option `revocation` requires the CRL. */
  required: boolean
}

export const revocation = {
  ...lists,
  'revocation/revoked': row<{
    serialNumber: string
    reason: string | null
    revokedAt: Date
    invalidSince: Date | null
    inFuture: boolean
    crl: string
  }>({
    refusals: { etcd: 'transport: certificate serial … revoked', OpenSSL: 'certificate revoked', Node: 'CERT_REVOKED' },
    message: ({ reason, revokedAt, invalidSince, inFuture, crl }, who) => {
      const verb = reason === 'certificateHold' ? 'was put on hold' : 'was revoked'
      const date = `${inFuture ? 'as of' : 'on'} ${revokedAt.toISOString()}${inFuture ? ', a date ahead that counts at once' : ''}`
      const since = invalidSince === null ? '' : `, and its key may be compromised since ${invalidSince.toISOString()}`
      return `${who} ${verb} ${date}${reason === null ? '' : ` (${reason})`}, according to ${crl}${since}.`
    },
    remedy: ({ reason }) => {
      if (reason === 'certificateHold')
        return 'Ask the CA to lift the hold and use the CRL that it issues then, or use another certificate.'
      if (reason === 'removeFromCRL')
        return 'Have the CA issue a full CRL without the entry if the certificate is meant to be valid; only delta CRLs may hold removals.'
      return 'Issue a new certificate with a new key. A revoked certificate stays revoked.'
    },
  }),
  'revocation/crl-delta': rowByKind<
    List & ({ kind: 'refused'; reason: string } | { kind: 'applied'; to: string } | { kind: 'announced' })
  >({
    kinds: {
      refused: {
        // OpenSSL 3.0, which Node 20 has, takes it for a full list.
        refusals: { OpenSSL: 'unable to get certificate CRL' },
        message: ({ origin, reason }) => `The CRL ${origin} is a delta CRL that cannot be applied: ${reason}.`,
        remedy: () => 'Pass the current full CRL.',
      },
      applied: {
        severity: 'info',
        message: ({ origin, to }) => `The delta CRL ${origin} was applied to ${to}.`,
        remedy: () => 'Give etcd a full CRL that is created again after each revocation.',
      },
      announced: {
        severity: 'info',
        message: ({ origin }) => `The CRL ${origin} announces delta CRLs, which were not read.`,
        remedy: () => 'Pass the newest full CRL, or the newest delta CRL in addition to it.',
      },
    },
  }),
  'revocation/crl-scope': rowByKind<
    { kind: 'certificates'; lists: { origin: string; only: string }[] } | { kind: 'reasons'; missing: string[] }
  >({
    kinds: {
      certificates: {
        refusals: { OpenSSL: 'different CRL scope', Node: 'UNABLE_TO_GET_CRL' },
        message: ({ lists }, who) =>
          `No CRL covers ${lower(who)}: ${listed(lists.map(({ origin, only }) => `${origin} covers only ${only}`))}.`,
        remedy: () => 'Pass the CRL that covers it, or a full CRL.',
      },
      reasons: {
        refusals: NOT_FOUND,
        message: ({ missing }, who) => `No CRL says whether ${lower(who)} was revoked for ${listed(missing)}.`,
        remedy: () => 'Pass the CRLs of the other reasons too, or a full CRL.',
      },
    },
  }),
  'revocation/no-crl': row<NoCrl>({
    severity: ({ ofCa, required, usage, connected }) =>
      required || (usage === 'server' && !connected) ? 'error' : ofCa ? 'info' : 'warning',
    refusals: NOT_FOUND,
    message: ({ issuer, given }, who) =>
      `${who} was not checked for revocation: no CRL of "${issuer}" was given${given.length === 0 ? '' : `; the CRLs given are of ${quoted(given)}`}.`,
    remedy: ({ issuer, required, usage }) =>
      `Add the CRL of "${issuer}"${required ? ', or set the option revocation to "if-listed"' : usage === 'server' ? ', or pass no CRL at all' : ' if it issues one'}.`,
  }),
  'revocation/openssl-picks-other-crl': row<List & { reason: string } & OpensslDetails>({
    severity: refusedByOpensslAlone,
    refusals: [
      {
        OpenSSL: 'CRL signature failure',
        Node: 'CRL_SIGNATURE_FAILURE',
        when: ({ reason }) => reason.includes('signed'),
      },
      { Node: 'CERT_REVOKED', when: ({ reason }) => reason.includes('revokes') },
    ],
    message: ({ origin, reason }, who) =>
      `For ${lower(who)}, OpenSSL, and so Node, chooses the CRL ${origin} and refuses it: ${reason}.`,
    remedy: () => 'Pass one current, full CRL for each CA key, each with "authorityKeyIdentifier = keyid:always".',
  }),
  'revocation/crl-unused': row<List & { issuer: string; reason: string }>({
    severity: 'info',
    message: ({ origin, issuer, reason }) => `The CRL ${origin} of "${issuer}" was not used: ${reason}.`,
    remedy: () =>
      'Remove it from the CRLs that are passed, or pass the one that is signed with the key that signed the certificates.',
  }),
  'revocation/crl-form': rowByKind<
    { kind: 'PEM'; origins: string[] } | ({ kind: 'several'; count: number } & List) | ({ kind: 'version 1' } & List)
  >({
    kinds: {
      PEM: {
        severity: 'warning',
        refusals: { etcd: 'x509: malformed crl' },
        message: ({ origins }) =>
          `${listed(origins)} ${origins.length === 1 ? 'holds its CRL' : 'hold their CRLs'} as PEM; etcd 3.6 and later would refuse every client.`,
        remedy: () => 'Give etcd DER, which every version reads: "openssl crl -in crl.pem -outform der -out crl.der".',
      },
      several: {
        severity: 'warning',
        message: ({ origin, count }) => `${origin} holds ${String(count)} CRLs, of which etcd reads only the first.`,
        remedy: () => 'Give etcd one full CRL: it reads a single file with a single list.',
      },
      'version 1': {
        severity: 'warning',
        refusals: { etcd: 'x509: unsupported crl version' },
        message: ({ origin }) => `The CRL ${origin} is of version 1, which etcd 3.6 and later does not read.`,
        remedy: () =>
          'Set "crl_extensions" with "authorityKeyIdentifier = keyid:always" and "crlnumber" in openssl’s CA section, which makes version 2.',
      },
    },
  }),
  'revocation/serial-listed': row<{ serialNumber: string; lists: { origin: string; why: string }[] }>({
    severity: 'warning',
    refusals: { etcd: 'transport: certificate serial … revoked' },
    message: ({ serialNumber, lists }, who) =>
      `${who} is not revoked, but etcd would refuse it for its serial number ${serialNumber}, which is in ${listed(lists.map(({ origin, why }) => `${origin} (${why})`))}.`,
    remedy: () =>
      'Do not give etcd that list as --client-crl-file, or reissue the certificate with another serial number.',
  }),
}
