/** Findings about validity periods. */
import { error, type UsageDetails, warning } from '../row.js'

/** Codes of Node for alert 45, which etcd sends for expired and for not yet valid certificates. */
const ALERTS = ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED']
const RENEW = 'Renew it now, or automate the renewal (see renewDirectory and fromAuthority).'

/** The clock of the server, if it differs and the certificates are valid by it; else absent. */
export interface OtherClock {
  peerTime?: Date
}

const COMPARE_CLOCKS =
  'Compare both machines with a time server ("timedatectl timesync-status" or "chronyc tracking"), and set the clock that is wrong.'

function otherClock({ at, peerTime }: OtherClock & { at: Date }): string {
  return peerTime === undefined
    ? ''
    : `: the clock of this machine says ${at.toISOString()}, and that of the server ${peerTime.toISOString()}, by which it is valid`
}

export const validity = {
  'validity/expired': error((d: { notAfter: Date; at: Date; ago: string } & OtherClock, who, { isAnchor }) => [
    `${who} expired ${d.ago} ago, on ${d.notAfter.toISOString()}${otherClock(d)}.`,
    d.peerTime === undefined
      ? `${isAnchor ? 'Replace it by a new CA certificate in each CA file, and reissue what it issued' : 'Renew it'}. If it should still be valid, check the clock of this machine ("date -u").`
      : COMPARE_CLOCKS,
  ]).refusedAs({
    Go: [
      'x509: certificate has expired or is not yet valid: current time … is after …',
      'remote error: tls: expired certificate',
    ],
    Node: ['CERT_HAS_EXPIRED', ...ALERTS],
    OpenSSL: 'certificate has expired',
  }),
  'validity/not-yet-valid': error((d: { notBefore: Date; at: Date; ahead: string } & OtherClock, who) => [
    `${who} is not valid before ${d.notBefore.toISOString()}, in ${d.ahead}${otherClock(d)}.`,
    d.peerTime !== undefined
      ? COMPARE_CLOCKS
      : 'Compare "date -u" on this machine and on the one that issued it, and set the clock that is wrong. Otherwise reissue it.',
  ]).refusedAs({
    Go: [
      'x509: certificate has expired or is not yet valid: current time … is before …',
      'remote error: tls: expired certificate',
    ],
    Node: ['CERT_NOT_YET_VALID', ...ALERTS],
    OpenSSL: 'certificate is not yet valid',
  }),
  'validity/clock-suspect': warning((d: { at: Date; earliest: Date }) => [
    `All certificates of the path begin after ${d.at.toISOString()}, the first on ${d.earliest.toISOString()}: the clock of this machine is probably slow.`,
    'Set the clock ("timedatectl set-ntp true"), then try again.',
  ]),
  'validity/inverted': error((d: { notBefore: Date; notAfter: Date }, who) => [
    `${who} ends on ${d.notAfter.toISOString()}, before it begins on ${d.notBefore.toISOString()}.`,
    'Reissue it with notAfter later than notBefore.',
  ]),
  'validity/expires-soon': {
    soon: warning((d: { notAfter: Date; left: string }, who) => [
      `${who} expires on ${d.notAfter.toISOString()}, in ${d.left}.`,
      RENEW,
    ]),
    'last second': error((d: UsageDetails & { notAfter: Date; at: Date }, who) => [
      `${who} is in its last second: it expires on ${d.notAfter.toISOString()}.`,
      RENEW,
    ]).or('info', ({ usage }) => usage === 'any'),
  },
  'validity/outlives-issuer': warning((d: { notAfter: Date; issuerNotAfter: Date; issuer: string }, who) => [
    `${who} is valid until ${d.notAfter.toISOString()}, but its issuer "${d.issuer}" only until ${d.issuerNotAfter.toISOString()}.`,
    'Renew the issuer before that date. Issue certificates that expire before their issuer.',
  ]),
  'validity/lifetime-long': warning((d: { days: number }, who) => [
    `${who} is valid for ${String(d.days)} days.`,
    'Issue certificates for a year or less, and renew them automatically.',
  ]),
}
