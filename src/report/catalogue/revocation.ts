/** Findings about revocation lists. */
import { row } from '../row.js'

export const revocation = {
  'revocation/revoked': row<{ serialNumber: string; reason: string | null; revokedAt: Date | null; crl: string }>({
    severity: 'error',
    meaning:
      'The issuer revoked the certificate. etcd closes the connection right after the handshake, without an alert.',
    source: 'RFC 5280 section 6.3; etcd client/pkg/transport/listener_tls.go checkCRL',
    message: ({ reason, revokedAt, crl }, who) =>
      `${who} was revoked${revokedAt === null ? '' : ` on ${revokedAt.toISOString()}`}${reason === null ? '' : ` (${reason})`}, says ${crl}.`,
    remedy: () => 'Use another certificate; a revoked one stays revoked.',
  }),
  'revocation/crl-malformed': row<{ origin: string; reason: string }>({
    severity: 'error',
    meaning:
      'The bytes are not a certificate revocation list; etcd refuses every client while its CRL file is like that.',
    source: 'RFC 5280 section 5',
    message: ({ origin, reason }) => `What ${origin} holds is not a CRL: ${reason}.`,
    remedy: () => 'Make the CRL anew ("openssl ca -gencrl"), or leave it out.',
  }),
  'revocation/crl-signature-invalid': row<{ origin: string; issuer: string }>({
    severity: 'error',
    meaning: 'The list names the CA as its issuer, but the CA’s key did not sign it.',
    source: 'RFC 5280 section 6.3.3 (g)',
    message: ({ origin, issuer }) => `The CRL ${origin} of "${issuer}" is not signed by that CA's key.`,
    remedy: () => 'Fetch the CRL from the CA again.',
  }),
  'revocation/crl-sign-missing': row<{ origin: string }>({
    severity: 'error',
    meaning: 'The CA’s key usage does not allow it to sign revocation lists.',
    source: 'RFC 5280 section 6.3.3 (f)',
    message: ({ origin }, who) => `${who} signed the CRL ${origin}, but its key usage lacks cRLSign.`,
    remedy: () => 'Issue the CA certificate anew with "keyUsage = critical, keyCertSign, cRLSign".',
  }),
  'revocation/crl-expired': row<{ origin: string; nextUpdate: Date }>({
    severity: 'error',
    meaning: 'A newer list was due: what was revoked since is not known.',
    source: 'RFC 5280 section 5.1.2.5',
    message: ({ origin, nextUpdate }) =>
      `The CRL ${origin} is out of date: the next one was due on ${nextUpdate.toISOString()}.`,
    remedy: () => 'Make or fetch the current CRL.',
  }),
  'revocation/crl-not-yet-valid': row<{ origin: string; thisUpdate: Date }>({
    severity: 'error',
    meaning: 'The list begins in the future; the clock of this machine or of the CA is wrong.',
    source: 'RFC 5280 section 5.1.2.4',
    message: ({ origin, thisUpdate }) =>
      `The CRL ${origin} is dated ${thisUpdate.toISOString()}, which is in the future.`,
    remedy: () => 'Check both clocks.',
  }),
  'revocation/crl-next-update-missing': row<{ origin: string }>({
    severity: 'warning',
    meaning: 'The list does not say when the next one is due, so nobody can tell whether it is current.',
    source: 'RFC 5280 section 5.1.2.5',
    message: ({ origin }) => `The CRL ${origin} does not say when the next one is due.`,
    remedy: () => 'Make CRLs with a next update ("openssl ca -gencrl -crldays 30").',
  }),
  'revocation/crl-number-missing': row<{ origin: string }>({
    severity: 'warning',
    meaning: 'The list has no CRL number, so an old one cannot be told from a new one.',
    source: 'RFC 5280 section 5.2.3',
    message: ({ origin }) => `The CRL ${origin} has no CRL number.`,
    remedy: () => 'Set "crlnumber" in openssl’s CA section.',
  }),
  'revocation/crl-extension-critical': row<{ origin: string; extension: string }>({
    severity: 'error',
    meaning:
      'The list carries a critical extension that is not processed, or one that must not be critical; it cannot be relied on.',
    source: 'RFC 5280 section 5.2',
    message: ({ origin, extension }) =>
      `The CRL ${origin} carries the critical extension ${extension}, which is not processed here.`,
    remedy: () => 'Make a plain, full CRL.',
  }),
  'revocation/crl-delta': row<{ origin: string }>({
    severity: 'error',
    meaning:
      'A delta CRL lists only what changed since another one; alone it proves nothing. etcd would take it for a full one.',
    source: 'RFC 5280 section 5.2.4',
    message: ({ origin }) => `The CRL ${origin} is a delta CRL.`,
    remedy: () => 'Give the full CRL.',
  }),
  'revocation/crl-indirect': row<{ origin: string }>({
    severity: 'error',
    meaning: 'An indirect CRL speaks for other issuers too, which is not supported here nor in etcd.',
    source: 'RFC 5280 section 5.2.5',
    message: ({ origin }) => `The CRL ${origin} is an indirect CRL.`,
    remedy: () => 'Give a CRL that the issuing CA signed for its own certificates.',
  }),
  'revocation/crl-scope': row<{ origin: string; scope: string }>({
    severity: 'error',
    meaning: 'The list covers only some certificates (only CAs, only end entities, some reasons), and not this one.',
    source: 'RFC 5280 section 6.3.3 (b)',
    message: ({ origin, scope }, who) =>
      `The CRL ${origin} covers only ${scope}, so it says nothing about ${lower(who)}.`,
    remedy: () => 'Give the CRL that covers it, or a full one.',
  }),
  'revocation/no-crl': row<{ issuer: string }>({
    severity: 'info',
    meaning: 'Revocation lists were given, but none of this issuer: whether it revoked the certificate is not known.',
    source: 'RFC 5280 section 6.3',
    message: ({ issuer }, who) => `${who} was not checked for revocation: no CRL of "${issuer}" was given.`,
    remedy: () => 'Add that CA’s CRL, too, if it issues one.',
  }),
  'revocation/crl-unused': row<{ origin: string; issuer: string }>({
    severity: 'info',
    meaning:
      'The list is of a CA that is not part of the path. etcd compares serial numbers only, whoever signed the list.',
    source: 'etcd client/pkg/transport/listener_tls.go checkCRL',
    message: ({ origin, issuer }) => `The CRL ${origin} is of "${issuer}", which issued nothing in the path.`,
    remedy: () => 'Leave it out.',
  }),
}

function lower(who: string): string {
  return who.charAt(0).toLowerCase() + who.slice(1)
}
