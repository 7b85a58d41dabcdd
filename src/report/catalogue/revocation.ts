/** Findings about revocation lists. */
import { type Refusal, row } from '../row.js'

const CHECK_CRL = 'etcd client/pkg/transport/listener_tls.go checkCRL'
/** OpenSSL, and Node with it, looks for a list that fits before it judges one. */
const NOT_FOUND: readonly Refusal[] = [
  { by: 'OpenSSL', words: 'unable to get certificate CRL' },
  { by: 'Node', words: 'UNABLE_TO_GET_CRL' },
]

/** Every finding about a list names it by where it came from. */
export interface List {
  origin: string
}
export type Extension = List & { extension: string }

export const revocation = {
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
      'The issuer revoked the certificate. etcd closes the connection right after the handshake, without an alert; connections that stand are not looked at again. A date of revocation in the future counts at once, as for OpenSSL and etcd. A certificate on hold is refused like any other; the CA may lift the hold by leaving it out of its next list. In a full list, the reason removeFromCRL, which only a delta CRL may give, counts as revoked.',
    source: `RFC 5280 sections 5.3.1 and 6.3; ${CHECK_CRL}`,
    refusals: [
      { by: 'etcd', words: 'transport: certificate serial … revoked' },
      { by: 'OpenSSL', words: 'certificate revoked' },
      { by: 'Node', words: 'CERT_REVOKED' },
    ],
    message: ({ reason, revokedAt, invalidSince, inFuture, crl }, who) => {
      const verb = reason === 'certificateHold' ? 'was put on hold' : 'was revoked'
      const date = `with ${inFuture ? 'the future ' : ''}date ${revokedAt.toISOString()}`
      const since =
        invalidSince === null ? '' : `, and its key may be in wrong hands since ${invalidSince.toISOString()}`
      return `${who} ${verb} ${date}${reason === null ? '' : ` (${reason})`}, says ${crl}${since}.`
    },
    remedy: ({ reason }) => {
      if (reason === 'certificateHold')
        return 'Ask the CA to lift the hold and take the list that it issues then, or use another certificate.'
      if (reason === 'removeFromCRL')
        return 'Have the CA issue a full CRL without the entry if the certificate is meant to be valid; only delta CRLs may hold removals.'
      return 'Use another certificate; a revoked one stays revoked.'
    },
  }),
  'revocation/crl-malformed': row<List & { reason: string }>({
    severity: 'error',
    meaning:
      'The bytes are not a certificate revocation list, or an entry of it is damaged. etcd starts with such a file and then closes the connection of every client after the handshake.',
    source: 'RFC 5280 section 5',
    refusals: [
      { by: 'etcd', words: 'asn1: structure error: …' },
      { by: 'etcd', words: 'asn1: syntax error: …' },
      { by: 'etcd', words: 'x509: trailing data after CRL' },
      { by: 'etcd', words: 'parsing time …' },
      { by: 'etcd', words: 'x509: malformed …' },
      { by: 'etcd', words: 'x509: unsupported time format' },
      { by: 'Node', words: 'Failed to parse CRL' },
    ],
    message: ({ origin, reason }) => `What ${origin} holds is not a CRL: ${reason}.`,
    remedy: () => 'Make the CRL anew ("openssl ca -gencrl"), or leave it out.',
  }),
  'revocation/crl-signature-invalid': row<List & { issuer: string; otherKey: boolean }>({
    severity: 'error',
    meaning:
      'The list names the CA as its issuer, but the CA’s key did not sign it: it was altered, it is another CA’s of the same name, or it was signed with another key of this CA. etcd does not look at the signature.',
    source: 'RFC 5280 section 6.3.3 (f) and (g)',
    refusals: [
      { by: 'OpenSSL', words: 'CRL signature failure' },
      { by: 'Node', words: 'CRL_SIGNATURE_FAILURE' },
      ...NOT_FOUND,
    ],
    message: ({ origin, issuer, otherKey }) =>
      `The CRL ${origin} of "${issuer}" is not signed by that CA's key${otherKey ? '; its authority key identifier names another key' : ''}.`,
    remedy: ({ otherKey }) =>
      otherKey
        ? 'Have the CRL signed with the key that signed the certificates: after a CA was renewed with a new key, each key needs its own list.'
        : 'Fetch the CRL from the CA again.',
  }),
  'revocation/crl-key-identifier-differs': row<List & { reason: string }>({
    severity: 'error',
    meaning:
      'The CA’s key signed the list, but the list’s authority key identifier points to another one. OpenSSL, and Node with it, does not find the signer then.',
    source: 'RFC 5280 section 5.2.1; OpenSSL crypto/x509/x509_vfy.c crl_akid_check',
    refusals: NOT_FOUND,
    message: ({ origin, reason }, who) =>
      `The authority key identifier of the CRL ${origin} names ${reason} than ${lower(who)}.`,
    remedy: () => 'Set "authorityKeyIdentifier = keyid:always" in openssl’s crl_extensions and make the CRL anew.',
  }),
  'revocation/crl-sign-missing': row<List>({
    severity: 'error',
    meaning: 'The CA’s key usage does not allow it to sign revocation lists.',
    source: 'RFC 5280 section 6.3.3 (f)',
    refusals: [{ by: 'OpenSSL', words: 'key usage does not include CRL signing' }],
    message: ({ origin }, who) => `${who} signed the CRL ${origin}, but its key usage lacks cRLSign.`,
    remedy: () => 'Issue the CA certificate anew with "keyUsage = critical, keyCertSign, cRLSign".',
  }),
  'revocation/crl-algorithm-weak': row<List & { algorithm: string }>({
    severity: 'error',
    meaning: 'The signature of the list uses a digest that can be forged.',
    source: 'RFC 6194, RFC 6151',
    message: ({ origin, algorithm }) => `The CRL ${origin} is signed by ${algorithm}.`,
    remedy: () => 'Set "default_md = sha256" in openssl’s CA section and make the CRL anew.',
  }),
  'revocation/crl-algorithm-unsupported': row<List & { algorithm: string }>({
    severity: 'error',
    meaning: 'The signature of the list is of a kind that is not known here, so nobody can tell who signed it.',
    source: 'RFC 5280 section 5.1.1.2',
    refusals: [
      { by: 'OpenSSL', words: 'CRL signature failure' },
      { by: 'Node', words: 'CRL_SIGNATURE_FAILURE' },
    ],
    message: ({ origin, algorithm }) => `The CRL ${origin} is signed by the unknown algorithm ${algorithm}.`,
    remedy: () => 'Have the CRL signed with RSA, ECDSA or Ed25519.',
  }),
  'revocation/crl-algorithms-disagree': row<List>({
    severity: 'error',
    meaning: 'The list names two signature algorithms, one inside and one outside the signed part.',
    source: 'RFC 5280 section 5.1.1.2',
    refusals: [
      { by: 'etcd', words: "x509: inner and outer signature algorithm identifiers don't match" },
      { by: 'OpenSSL', words: 'CRL signature failure' },
    ],
    message: ({ origin }) =>
      `The CRL ${origin} names one signature algorithm inside its signed part and another outside.`,
    remedy: () => 'Make the CRL anew; no usual tool writes such a list.',
  }),
  'revocation/crl-expired': row<List & { nextUpdate: Date }>({
    severity: 'error',
    meaning:
      'A newer list was due: what was revoked since is not known. etcd does not look at the date; an old list revokes there as a new one does.',
    source: 'RFC 5280 section 5.1.2.5',
    refusals: [
      { by: 'OpenSSL', words: 'CRL has expired' },
      { by: 'Node', words: 'CRL_HAS_EXPIRED' },
    ],
    message: ({ origin, nextUpdate }) =>
      `The CRL ${origin} is out of date: the next one was due on ${nextUpdate.toISOString()}.`,
    remedy: () => 'Make or fetch the current CRL.',
  }),
  'revocation/crl-not-yet-valid': row<List & { thisUpdate: Date }>({
    severity: 'error',
    meaning: 'The list begins in the future; the clock of this machine or of the CA is wrong.',
    source: 'RFC 5280 section 5.1.2.4',
    refusals: [
      { by: 'OpenSSL', words: 'CRL is not yet valid' },
      { by: 'Node', words: 'CRL_NOT_YET_VALID' },
    ],
    message: ({ origin, thisUpdate }) =>
      `The CRL ${origin} is dated ${thisUpdate.toISOString()}, which is in the future.`,
    remedy: () => 'Check both clocks.',
  }),
  'revocation/crl-dates-inverted': row<List & { thisUpdate: Date; nextUpdate: Date }>({
    severity: 'error',
    meaning: 'The next list was due before this one was made, so it never was the current one.',
    source: 'RFC 5280 sections 5.1.2.4 and 5.1.2.5',
    refusals: [
      { by: 'OpenSSL', words: 'CRL has expired' },
      { by: 'Node', words: 'CRL_HAS_EXPIRED' },
    ],
    message: ({ origin, thisUpdate, nextUpdate }) =>
      `The CRL ${origin} is dated ${thisUpdate.toISOString()}, after its own next update on ${nextUpdate.toISOString()}.`,
    remedy: () => 'Make the CRL anew with a next update that lies ahead ("openssl ca -gencrl -crldays 30").',
  }),
  'revocation/crl-next-update-missing': row<List>({
    severity: 'warning',
    meaning: 'The list does not say when the next one is due, so nobody can tell whether it is current.',
    source: 'RFC 5280 section 5.1.2.5',
    message: ({ origin }) => `The CRL ${origin} does not say when the next one is due.`,
    remedy: () => 'Make CRLs with a next update ("openssl ca -gencrl -crldays 30").',
  }),
  'revocation/crl-number-missing': row<List>({
    severity: 'warning',
    meaning: 'The list has no CRL number, so an old one cannot be told from a new one.',
    source: 'RFC 5280 section 5.2.3',
    message: ({ origin }) => `The CRL ${origin} has no CRL number.`,
    remedy: () => 'Set "crlnumber" in openssl’s CA section.',
  }),
  'revocation/crl-version-1': row<List>({
    severity: 'warning',
    meaning:
      'The list is of version 1, which has no extensions: openssl makes such lists where no crl_extensions are set. etcd 3.5 reads them; etcd 3.6 and later does not, and refuses every client.',
    source: 'RFC 5280 section 5.1.2.1; Go crypto/x509 ParseRevocationList',
    refusals: [{ by: 'etcd', words: 'x509: unsupported crl version' }],
    message: ({ origin }) => `The CRL ${origin} is of version 1.`,
    remedy: () =>
      'Set "crl_extensions" with "authorityKeyIdentifier = keyid:always" and "crlnumber" in openssl’s CA section, which makes version 2.',
  }),
  'revocation/crl-extension-critical': row<Extension>({
    severity: 'error',
    meaning:
      'The list, or one of its entries, carries a critical extension that is not processed, or one that must not be critical; it cannot be relied on. etcd from 3.6 on refuses every client where the authority key identifier is critical, and does not look at other extensions.',
    source: 'RFC 5280 sections 5.2 and 5.3',
    refusals: [
      { by: 'OpenSSL', words: 'unhandled critical CRL extension' },
      { by: 'etcd', words: 'x509: authority key identifier incorrectly marked critical' },
    ],
    message: ({ origin, extension }) =>
      `The CRL ${origin} carries the critical extension ${extension}, which is not processed or must not be critical.`,
    remedy: () => 'Make a plain, full CRL.',
  }),
  'revocation/crl-extension-malformed': row<Extension & { reason: string }>({
    severity: 'error',
    meaning: 'An extension of the list cannot be read, so what the list covers, or how new it is, is not known.',
    source: 'RFC 5280 section 5.2; X.690',
    refusals: [
      { by: 'etcd', words: 'x509: malformed crl number' },
      { by: 'etcd', words: 'x509: invalid authority key identifier' },
    ],
    message: ({ origin, extension, reason }) =>
      `The extension ${extension} of the CRL ${origin} cannot be read: ${reason}.`,
    remedy: () => 'Make a plain, full CRL.',
  }),
  'revocation/crl-extension-duplicate': row<Extension>({
    severity: 'error',
    meaning: 'The list has the same extension twice, and readers differ on which of them counts.',
    source: 'RFC 5280 section 5.2; X.509 section 8',
    message: ({ origin, extension }) => `The CRL ${origin} has the extension ${extension} more than once.`,
    remedy: () => 'Make the CRL anew; no usual tool writes such a list.',
  }),
  'revocation/crl-extension-not-critical': row<Extension>({
    severity: 'warning',
    meaning:
      'The extension narrows the list but is not marked as critical, so a reader that does not know it takes the list for a full one.',
    source: 'RFC 5280 sections 5.2.4 and 5.2.5',
    message: ({ origin, extension }) => `The CRL ${origin} does not mark its ${extension} as critical.`,
    remedy: ({ extension }) =>
      `Mark ${extension} as critical ("${extension} = critical, …" in openssl’s crl_extensions).`,
  }),
  'revocation/crl-unusual': row<List & { reason: string }>({
    severity: 'warning',
    meaning: 'The list can be understood, but is not written as RFC 5280 asks; stricter readers refuse it.',
    source: 'RFC 5280 section 5',
    message: ({ origin, reason }) => `The CRL ${origin} ${reason}.`,
    remedy: () =>
      'Make CRLs with "openssl ca -gencrl" and "crl_extensions" with "authorityKeyIdentifier = keyid:always".',
  }),
  'revocation/crl-delta': row<List & { reason: string }>({
    severity: 'error',
    meaning:
      'A delta CRL lists only what changed since a full one; alone, or beside a full one to which it does not belong, it proves nothing. What it revokes is refused all the same. etcd takes it for a full list.',
    source: 'RFC 5280 section 5.2.4',
    // OpenSSL 3.0, which Node 20 brings along, takes it for a full list.
    refusals: [{ by: 'OpenSSL', words: 'unable to get certificate CRL' }],
    message: ({ origin, reason }) => `The CRL ${origin} is a delta CRL that cannot be applied: ${reason}.`,
    remedy: () => 'Give the current full CRL.',
  }),
  'revocation/crl-delta-applied': row<List & { to: string }>({
    severity: 'info',
    meaning:
      'The delta CRL was applied to the full one that it belongs to. etcd knows no delta CRLs: it reads one file as a full list, and refuses what a delta CRL removes, too.',
    source: `RFC 5280 section 5.2.4; ${CHECK_CRL}`,
    message: ({ origin, to }) => `The delta CRL ${origin} was applied to ${to}.`,
    remedy: () => 'Give etcd a full CRL that is made anew after each revocation.',
  }),
  'revocation/crl-delta-announced': row<List>({
    severity: 'info',
    meaning: 'The list says where delta CRLs are found that may be newer. Nothing is fetched here.',
    source: 'RFC 5280 section 5.2.6',
    message: ({ origin }) => `The CRL ${origin} announces delta CRLs, which were not looked at.`,
    remedy: () => 'Give the newest full CRL, or the newest delta CRL beside it.',
  }),
  'revocation/crl-superseded': row<List & { by: string }>({
    severity: 'info',
    meaning: 'A newer list of the same CA, key and scope is at hand, so this one does not count.',
    source: 'RFC 5280 section 5.2.3',
    message: ({ origin, by }) => `The CRL ${origin} is replaced by the newer ${by}.`,
    remedy: () => 'Leave it out.',
  }),
  'revocation/crl-indirect': row<List>({
    severity: 'error',
    meaning:
      'An indirect CRL speaks for other issuers too, which is not supported here. etcd reads its serial numbers as if they were all of one issuer.',
    source: 'RFC 5280 sections 5.2.5 and 5.3.3',
    refusals: NOT_FOUND,
    message: ({ origin }) => `The CRL ${origin} is an indirect CRL.`,
    remedy: () => 'Give a CRL that the issuing CA signed for its own certificates.',
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
      `No CRL says anything about ${lower(who)}: ${lists.map(({ origin, only }) => `${origin} covers only ${only}`).join('; ')}.`,
    remedy: () => 'Give the CRL that covers it, or a full one.',
  }),
  'revocation/crl-reasons-incomplete': row<{ missing: string[] }>({
    severity: 'error',
    meaning:
      'The lists at hand cover only some reasons of revocation; for the others, whether the certificate is revoked is not known.',
    source: 'RFC 5280 section 6.3.3 (d) and (e)',
    refusals: NOT_FOUND,
    message: ({ missing }, who) => `No CRL says whether ${lower(who)} was revoked for ${missing.join(', ')}.`,
    remedy: () => 'Give the CRLs of the other reasons, too, or a full one.',
  }),
  'revocation/no-crl': row<{ issuer: string }>({
    severity: 'info',
    meaning: 'Revocation lists were given, but none of this issuer: whether it revoked the certificate is not known.',
    source: 'RFC 5280 section 6.3',
    refusals: NOT_FOUND,
    message: ({ issuer }, who) => `${who} was not checked for revocation: no CRL of "${issuer}" was given.`,
    remedy: () => 'Add that CA’s CRL, too, if it issues one.',
  }),
  'revocation/crl-unused': row<List & { issuer: string; reason: string }>({
    severity: 'info',
    meaning:
      'The list decided nothing: it is of a CA that is not part of the path, of another key of the same name, or faulty and not needed beside the others. etcd compares serial numbers only, whoever signed the list.',
    source: CHECK_CRL,
    message: ({ origin, issuer, reason }) => `The CRL ${origin} of "${issuer}" was not used: ${reason}.`,
    remedy: () => 'Leave it out.',
  }),
  'revocation/crl-pem': row<{ origins: string[] }>({
    severity: 'warning',
    meaning:
      'etcd 3.5 reads --client-crl-file as PEM or DER; etcd 3.6 and later reads DER only, and with a PEM file refuses every client.',
    source: `Go crypto/x509 ParseRevocationList; ${CHECK_CRL}`,
    refusals: [{ by: 'etcd', words: 'x509: malformed crl' }],
    message: ({ origins }) =>
      `${origins.join(', ')} ${origins.length === 1 ? 'holds its CRL' : 'hold their CRLs'} as PEM; etcd 3.6 and later would refuse every client.`,
    remedy: () => 'Give etcd DER, which every version reads: "openssl crl -in crl.pem -outform der -out crl.der".',
  }),
  'revocation/crl-file-several': row<List & { count: number }>({
    severity: 'warning',
    meaning: 'The file holds several lists. All are used here; etcd reads the first and ignores the others.',
    source: `Go crypto/x509 ParseCRL; ${CHECK_CRL}`,
    message: ({ origin, count }) => `${origin} holds ${String(count)} CRLs, of which etcd would read the first only.`,
    remedy: () => 'Give etcd one full CRL that lists everything; it takes a single file with a single list.',
  }),
  'revocation/serial-listed': row<{ serialNumber: string; lists: { origin: string; why: string }[] }>({
    severity: 'warning',
    meaning:
      'The certificate is not revoked, but a list that does not speak of it names its serial number. etcd compares nothing else: neither issuer nor signature nor dates.',
    source: CHECK_CRL,
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: ({ serialNumber, lists }, who) =>
      `${who} is not revoked, but etcd would refuse it for its serial number ${serialNumber}, which is listed: ${lists.map(({ origin, why }) => `${origin} (${why})`).join(', ')}.`,
    remedy: () =>
      'Do not give etcd that list as --client-crl-file, or issue the certificate anew with another serial number.',
  }),
}

function lower(who: string): string {
  return who.charAt(0).toLowerCase() + who.slice(1)
}
