/** Findings about validity in time. */
import { refusedByGoAlone, row, rowByKind, type UsageDetails } from '../row.js'

/** Codes of Node for alert 45, which etcd sends for both. */
const ALERTS = ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED']
const RENEW = 'Renew it now, or automate the renewal (see renewDirectory and fromAuthority).'

export const validity = {
  'validity/expired': row<{ notAfter: Date; at: Date; ago: string }>({
    refusals: {
      Go: [
        'x509: certificate has expired or is not yet valid: current time … is after …',
        'remote error: tls: expired certificate',
      ],
      Node: ['CERT_HAS_EXPIRED', ...ALERTS],
      OpenSSL: 'certificate has expired',
    },
    message: ({ notAfter, ago }, who) => `${who} expired on ${notAfter.toISOString()}, ${ago} ago.`,
    remedy: () => 'Renew it. If it should still be valid, check the clock of this machine ("date -u").',
  }),
  'validity/not-yet-valid': row<{ notBefore: Date; at: Date; ahead: string }>({
    refusals: {
      Go: [
        'x509: certificate has expired or is not yet valid: current time … is before …',
        'remote error: tls: expired certificate',
      ],
      Node: ['CERT_NOT_YET_VALID', ...ALERTS],
      OpenSSL: 'certificate is not yet valid',
    },
    message: ({ notBefore, ahead }, who) => `${who} is not valid before ${notBefore.toISOString()}, in ${ahead}.`,
    remedy: () =>
      'Compare "date -u" on this machine and on the one that issued it, and set the clock that is wrong. Otherwise reissue it.',
  }),
  'validity/clock-suspect': row<{ at: Date; earliest: Date }>({
    severity: 'warning',
    message: ({ at, earliest }) =>
      `All certificates of the path begin after ${at.toISOString()}, the first on ${earliest.toISOString()}: the clock of this machine is probably slow.`,
    remedy: () => 'Set the clock ("timedatectl set-ntp true"), then try again.',
  }),
  'validity/inverted': row<{ notBefore: Date; notAfter: Date }>({
    message: ({ notBefore, notAfter }, who) =>
      `${who} ends on ${notAfter.toISOString()}, before it begins on ${notBefore.toISOString()}.`,
    remedy: () => 'Reissue it with notAfter later than notBefore.',
  }),
  'validity/expires-soon': rowByKind<
    { kind: 'soon'; notAfter: Date; left: string } | ({ kind: 'last second'; notAfter: Date; at: Date } & UsageDetails)
  >({
    kinds: {
      soon: {
        severity: 'warning',
        message: ({ notAfter, left }, who) => `${who} expires on ${notAfter.toISOString()}, in ${left}.`,
        remedy: () => RENEW,
      },
      'last second': {
        severity: refusedByGoAlone,
        message: ({ notAfter }, who) => `${who} is in its last second: it expires on ${notAfter.toISOString()}.`,
        remedy: () => RENEW,
      },
    },
  }),
  'validity/outlives-issuer': row<{ notAfter: Date; issuerNotAfter: Date; issuer: string }>({
    severity: 'warning',
    message: ({ notAfter, issuerNotAfter, issuer }, who) =>
      `${who} is valid until ${notAfter.toISOString()}, but its issuer "${issuer}" only until ${issuerNotAfter.toISOString()}.`,
    remedy: () => 'Renew the issuer before that date. Issue certificates that expire before their issuer.',
  }),
  'validity/lifetime-long': row<{ days: number }>({
    severity: 'warning',
    message: ({ days }, who) => `${who} is valid for ${String(days)} days.`,
    remedy: () => 'Issue certificates for a year or less, and renew them automatically.',
  }),
}
