/** Findings about a revocation list by itself: why nothing can be concluded from it, and what will cause trouble. */
import { row, rowByKind } from '../row.js'
import { NOT_FOUND, type List, lower } from './revocation-list.js'

const EXPIRED = { OpenSSL: 'CRL has expired', Node: 'CRL_HAS_EXPIRED' }

function isCritical({ reason }: { reason: string }): boolean {
  return reason.startsWith('it is critical')
}

export const lists = {
  'revocation/crl-malformed': row<List & { reason: string }>({
    refusals: {
      etcd: [
        'asn1: structure error: …',
        'asn1: syntax error: …',
        'x509: trailing data after CRL',
        'parsing time …',
        'x509: malformed …',
        'x509: unsupported time format',
      ],
      Node: 'Failed to parse CRL',
    },
    message: ({ origin, reason }) => `${origin} does not hold a valid CRL: ${reason}.`,
    remedy: () => 'Create the CRL again ("openssl ca -gencrl -out crl.pem"), or remove it.',
  }),
  'revocation/crl-signer-differs': rowByKind<
    List & ({ kind: 'signature'; issuer: string; otherKey: boolean } | { kind: 'key identifier'; reason: string })
  >({
    kinds: {
      signature: {
        refusals: [{ OpenSSL: 'CRL signature failure', Node: 'CRL_SIGNATURE_FAILURE' }, NOT_FOUND],
        message: ({ origin, issuer, otherKey }) =>
          `The CRL ${origin} of "${issuer}" is not signed by that CA's key${otherKey ? '; its authority key identifier names another key' : ''}.`,
        remedy: ({ otherKey }) =>
          otherKey
            ? 'Have the CRL signed with the key that signed the certificates: after a CA was renewed with a new key, each key needs its own list.'
            : 'Fetch the CRL from the CA again.',
      },
      'key identifier': {
        refusals: NOT_FOUND,
        message: ({ origin, reason }, who) =>
          `The authority key identifier of the CRL ${origin} names ${reason} than ${lower(who)}.`,
        remedy: () =>
          'Set "authorityKeyIdentifier = keyid:always" in openssl’s crl_extensions and create the CRL again.',
      },
    },
  }),
  'revocation/crl-sign-missing': row<List>({
    refusals: { OpenSSL: 'key usage does not include CRL signing' },
    message: ({ origin }, who) => `${who} signed the CRL ${origin}, but its key usage lacks cRLSign.`,
    remedy: () => 'Reissue the CA certificate with "keyUsage = critical, keyCertSign, cRLSign".',
  }),
  'revocation/crl-algorithm-refused': row<
    List & { algorithm: string; reason: 'weak' | 'unsupported' | 'stated twice' }
  >({
    refusals: [
      {
        etcd: "x509: inner and outer signature algorithm identifiers don't match",
        when: ({ reason }) => reason === 'stated twice',
      },
      { OpenSSL: 'CRL signature failure', Node: 'CRL_SIGNATURE_FAILURE', when: ({ reason }) => reason !== 'weak' },
    ],
    message: ({ origin, algorithm, reason }) =>
      reason === 'stated twice'
        ? `The CRL ${origin} states one signature algorithm inside its signed part (${algorithm}) and another outside.`
        : `The CRL ${origin} is signed with ${algorithm}, which ${reason === 'weak' ? 'can be forged' : 'is not supported'}.`,
    remedy: () =>
      'Set "default_md = sha256" in openssl’s CA section, and create the CRL again with an RSA, ECDSA or Ed25519 key.',
  }),
  'revocation/crl-not-current': rowByKind<
    List &
      (
        | { kind: 'expired'; nextUpdate: Date }
        | { kind: 'not yet valid'; thisUpdate: Date }
        | { kind: 'inverted'; thisUpdate: Date; nextUpdate: Date }
      )
  >({
    kinds: {
      expired: {
        refusals: EXPIRED,
        message: ({ origin, nextUpdate }) =>
          `The CRL ${origin} is out of date: the next one was due on ${nextUpdate.toISOString()}.`,
        remedy: () => 'Fetch the current CRL from the CA.',
      },
      'not yet valid': {
        refusals: { OpenSSL: 'CRL is not yet valid', Node: 'CRL_NOT_YET_VALID' },
        message: ({ origin, thisUpdate }) =>
          `The CRL ${origin} is dated ${thisUpdate.toISOString()}, which is in the future.`,
        remedy: () => 'Compare "date -u" on this machine and on the CA, and set the clock that is wrong.',
      },
      inverted: {
        refusals: EXPIRED,
        message: ({ origin, thisUpdate, nextUpdate }) =>
          `The CRL ${origin} is dated ${thisUpdate.toISOString()}, after its own next update on ${nextUpdate.toISOString()}.`,
        remedy: () => 'Create the CRL again with a next update that lies ahead ("openssl ca -gencrl -crldays 30").',
      },
    },
  }),
  'revocation/crl-extension-refused': rowByKind<
    List & ({ kind: 'extension'; extension: string; reason: string } | { kind: 'indirect' })
  >({
    kinds: {
      extension: {
        refusals: [
          {
            OpenSSL: 'unhandled critical CRL extension',
            etcd: 'x509: authority key identifier incorrectly marked critical',
            when: isCritical,
          },
          { etcd: ['x509: malformed crl number', 'x509: invalid authority key identifier'] },
        ],
        message: ({ origin, extension, reason }) =>
          `The extension ${extension} of the CRL ${origin} is refused: ${reason}.`,
        remedy: () => 'Create a full CRL without special extensions ("openssl ca -gencrl").',
      },
      indirect: {
        refusals: NOT_FOUND,
        message: ({ origin }) => `The CRL ${origin} is an indirect CRL, which is not supported.`,
        remedy: () => 'Pass a CRL that the issuing CA signed for its own certificates.',
      },
    },
  }),
  'revocation/crl-unusual': row<List & { reason: string }>({
    severity: 'warning',
    message: ({ origin, reason }) => `The CRL ${origin} ${reason}.`,
    remedy: () =>
      'Create CRLs with "openssl ca -gencrl -crldays 30", with "crlnumber", and with "crl_extensions" that has "authorityKeyIdentifier = keyid:always".',
  }),
}
