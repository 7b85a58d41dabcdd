/** Findings about revocation: what lists say of certificates, which lists count, and what etcd makes of them. */
import { type OpensslDetails, refusedByOpensslAlone, row } from '../row.js'
import { lists } from './revocation-faults.js'
import { CHECK_CRL, NOT_FOUND, type List, lower } from './revocation-list.js'
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
    severity: 'error',
    meaning:
      'The issuer revoked the certificate. etcd closes the connection right after the handshake, without an alert; existing connections are not checked again. A date of revocation in the future counts at once, as for OpenSSL and etcd. A certificate on hold is refused like any other; the CA may lift the hold by leaving it out of its next list. In a full list, the reason removeFromCRL, which only a delta CRL may give, counts as revoked.',
    source: `RFC 5280 sections 5.3.1 and 6.3; ${CHECK_CRL}`,
    refusals: [
      { by: 'etcd', words: 'transport: certificate serial … revoked' },
      { by: 'OpenSSL', words: 'certificate revoked' },
      { by: 'Node', words: 'CERT_REVOKED' },
    ],
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
  'revocation/crl-delta': row<List & { reason: string }>({
    severity: 'error',
    meaning:
      'A delta CRL lists only what changed since a full one; alone, or next to a full one to which it does not belong, it shows no status. What it revokes is refused all the same. etcd reads it as a full list.',
    source: 'RFC 5280 section 5.2.4',
    // OpenSSL 3.0, which Node 20 brings along, takes it for a full list.
    refusals: [{ by: 'OpenSSL', words: 'unable to get certificate CRL' }],
    message: ({ origin, reason }) => `The CRL ${origin} is a delta CRL that cannot be applied: ${reason}.`,
    remedy: () => 'Pass the current full CRL.',
  }),
  'revocation/crl-delta-applied': row<List & { to: string }>({
    severity: 'info',
    meaning:
      'The delta CRL was applied to the full one that it belongs to. etcd does not support delta CRLs: it reads one file as a full list, and refuses what a delta CRL removes, too.',
    source: `RFC 5280 section 5.2.4; ${CHECK_CRL}`,
    message: ({ origin, to }) => `The delta CRL ${origin} was applied to ${to}.`,
    remedy: () => 'Give etcd a full CRL that is created again after each revocation.',
  }),
  'revocation/crl-delta-announced': row<List>({
    severity: 'info',
    meaning: 'The list names a location of delta CRLs that may be newer. This package fetches nothing.',
    source: 'RFC 5280 section 5.2.6',
    message: ({ origin }) => `The CRL ${origin} announces delta CRLs, which were not read.`,
    remedy: () => 'Pass the newest full CRL, or the newest delta CRL in addition to it.',
  }),
  'revocation/crl-indirect': row<List>({
    severity: 'error',
    meaning:
      'An indirect CRL covers other issuers too, which this package does not support. etcd reads its serial numbers as if they were all of one issuer.',
    source: 'RFC 5280 sections 5.2.5 and 5.3.3',
    refusals: NOT_FOUND,
    message: ({ origin }) => `The CRL ${origin} is an indirect CRL, which is not supported.`,
    remedy: () => 'Pass a CRL that the issuing CA signed for its own certificates.',
  }),
  'revocation/crl-scope': row<{ lists: { origin: string; only: string }[] }>({
    severity: 'error',
    meaning:
      'There are lists of the issuer, but each covers only some certificates (only CAs, only end entities, those of another distribution point), and none covers this one.',
    source: 'RFC 5280 section 6.3.3 (b)',
    refusals: [
      { by: 'OpenSSL', words: 'different CRL scope' },
      { by: 'Node', words: 'UNABLE_TO_GET_CRL' },
    ],
    message: ({ lists }, who) =>
      `No CRL covers ${lower(who)}: ${listed(lists.map(({ origin, only }) => `${origin} covers only ${only}`))}.`,
    remedy: () => 'Pass the CRL that covers it, or a full CRL.',
  }),
  'revocation/crl-reasons-incomplete': row<{ missing: string[] }>({
    severity: 'error',
    meaning:
      'The lists at hand cover only some reasons of revocation; for the others, whether the certificate is revoked is not known.',
    source: 'RFC 5280 section 6.3.3 (d) and (e)',
    refusals: NOT_FOUND,
    message: ({ missing }, who) => `No CRL says whether ${lower(who)} was revoked for ${listed(missing)}.`,
    remedy: () => 'Pass the CRLs of the other reasons too, or a full CRL.',
  }),
  'revocation/no-crl': row<NoCrl>({
    severity: ({ ofCa, required, usage, connected }) =>
      required || (usage === 'server' && !connected) ? 'error' : ofCa ? 'info' : 'warning',
    meaning:
      'CRLs were given, but none of the issuer of the certificate: whether the certificate is revoked is not known. A Node client that is given the same CRLs requires one for every certificate of the chain, the root included, and refuses the server. For the certificate of a client it is a warning, and information if it is that of a CA, since many roots issue no CRL. The option `revocation: "require"` makes it an error in every case.',
    source: 'RFC 5280 section 6.3; Node tls.createSecureContext, option crl; OpenSSL X509_V_FLAG_CRL_CHECK_ALL',
    refusals: NOT_FOUND,
    message: ({ issuer, given }, who) =>
      `${who} was not checked for revocation: no CRL of "${issuer}" was given${given.length === 0 ? '' : `; the CRLs given are of ${quoted(given)}`}.`,
    remedy: ({ issuer, required, usage }) =>
      `Add the CRL of "${issuer}"${required ? ', or set the option revocation to "if-listed"' : usage === 'server' ? ', or pass no CRL at all' : ' if it issues one'}.`,
  }),
  'revocation/openssl-picks-other-crl': row<List & { reason: string } & OpensslDetails>({
    severity: refusedByOpensslAlone,
    meaning:
      'The CRLs given show that the certificate is not revoked, but OpenSSL, and so Node, chooses another of them for it and refuses that one. It chooses by names, dates and key identifiers, and tries no other.',
    source: 'OpenSSL crypto/x509/x509_vfy.c, get_crl_score and check_crl',
    refusals: [
      { by: 'OpenSSL', words: 'CRL signature failure', when: ({ reason }) => reason.includes('signed') },
      { by: 'Node', words: 'CRL_SIGNATURE_FAILURE', when: ({ reason }) => reason.includes('signed') },
      { by: 'Node', words: 'CERT_REVOKED', when: ({ reason }) => reason.includes('revokes') },
    ],
    message: ({ origin, reason }, who) =>
      `For ${lower(who)}, OpenSSL, and so Node, chooses the CRL ${origin} and refuses it: ${reason}.`,
    remedy: () => 'Pass one current, full CRL for each CA key, each with "authorityKeyIdentifier = keyid:always".',
  }),
  'revocation/crl-unused': row<List & { issuer: string; reason: string }>({
    severity: 'info',
    meaning:
      'The CRL had no effect: a newer one of the same CA, key and scope replaces it, it is of a CA that is not part of the path, another key of the same name signed it (each key needs a CRL of its own), or it is faulty and not needed next to the others. etcd compares only serial numbers, not the issuer of the CRL.',
    source: `RFC 5280 sections 5.2.3 and 6.3.3 (f); OpenSSL crypto/x509/x509_vfy.c crl_akid_check; ${CHECK_CRL}`,
    message: ({ origin, issuer, reason }) => `The CRL ${origin} of "${issuer}" was not used: ${reason}.`,
    remedy: () =>
      'Remove it from the CRLs that are passed, or pass the one that is signed with the key that signed the certificates.',
  }),
  'revocation/crl-pem': row<{ origins: string[] }>({
    severity: 'warning',
    meaning:
      'etcd 3.5 reads --client-crl-file as PEM or DER; etcd 3.6 and later reads DER only, and with a PEM file refuses every client.',
    source: `Go crypto/x509 ParseRevocationList; ${CHECK_CRL}`,
    refusals: [{ by: 'etcd', words: 'x509: malformed crl' }],
    message: ({ origins }) =>
      `${listed(origins)} ${origins.length === 1 ? 'holds its CRL' : 'hold their CRLs'} as PEM; etcd 3.6 and later would refuse every client.`,
    remedy: () => 'Give etcd DER, which every version reads: "openssl crl -in crl.pem -outform der -out crl.der".',
  }),
  'revocation/crl-file-several': row<List & { count: number }>({
    severity: 'warning',
    meaning: 'The file holds several lists. All are used here; etcd reads the first and ignores the others.',
    source: `Go crypto/x509 ParseCRL; ${CHECK_CRL}`,
    message: ({ origin, count }) => `${origin} holds ${String(count)} CRLs, of which etcd reads only the first.`,
    remedy: () => 'Give etcd one full CRL: it reads a single file with a single list.',
  }),
  'revocation/serial-listed': row<{ serialNumber: string; lists: { origin: string; why: string }[] }>({
    severity: 'warning',
    meaning:
      'The certificate is not revoked, but a list of another scope names its serial number. etcd compares only the number, not the issuer, signature or dates.',
    source: CHECK_CRL,
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: ({ serialNumber, lists }, who) =>
      `${who} is not revoked, but etcd would refuse it for its serial number ${serialNumber}, which is in ${listed(lists.map(({ origin, why }) => `${origin} (${why})`))}.`,
    remedy: () =>
      'Do not give etcd that list as --client-crl-file, or reissue the certificate with another serial number.',
  }),
}
