/** Findings about validity in time. */
import { refusedByGoAlone, row, type UsageDetails } from '../row.js'

export const validity = {
  'validity/expired': row<{ notAfter: Date; at: Date; ago: string }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'x509: certificate has expired or is not yet valid: current time … is after …' },
      { by: 'Go', words: 'remote error: tls: expired certificate' },
      { by: 'Node', words: 'CERT_HAS_EXPIRED' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'Node', words: 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'OpenSSL', words: 'certificate has expired' },
    ],
    message: ({ notAfter, ago }, who) => `${who} expired on ${notAfter.toISOString()}, ${ago} ago.`,
    remedy: () => 'Renew it. If it should still be valid, check the clock of this machine ("date -u").',
  }),
  'validity/last-second': row<{ notAfter: Date; at: Date } & UsageDetails>({
    severity: refusedByGoAlone,
    message: ({ notAfter }, who) => `${who} is in its last second: it expires on ${notAfter.toISOString()}.`,
    remedy: () => 'Renew it now, or automate the renewal (see renewDirectory and fromAuthority).',
  }),
  'validity/not-yet-valid': row<{ notBefore: Date; at: Date; ahead: string }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'x509: certificate has expired or is not yet valid: current time … is before …' },
      { by: 'Go', words: 'remote error: tls: expired certificate' },
      { by: 'Node', words: 'CERT_NOT_YET_VALID' },
      { by: 'Node', words: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'Node', words: 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED' },
      { by: 'OpenSSL', words: 'certificate is not yet valid' },
    ],
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
    severity: 'error',
    message: ({ notBefore, notAfter }, who) =>
      `${who} ends on ${notAfter.toISOString()}, before it begins on ${notBefore.toISOString()}.`,
    remedy: () => 'Reissue it with notAfter later than notBefore.',
  }),
  'validity/expires-soon': row<{ notAfter: Date; left: string }>({
    severity: 'warning',
    message: ({ notAfter, left }, who) => `${who} expires on ${notAfter.toISOString()}, in ${left}.`,
    remedy: () => 'Renew it now, or automate the renewal (see renewDirectory and fromAuthority).',
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
