/** Findings about the roll of a CA: what would lock a member or client out, and what is unknown. */
import { row } from '../row.js'

export const caRoll = {
  'ca-roll/trust-missing': row<{ certificate: string; issuer: string; where: string; loaded: boolean }>({
    severity: 'error',
    meaning:
      'A certificate in use leads to a CA that a member or client does not trust: the old CA was removed too early, or the certificate was reissued before all members had read the new CA. Members then refuse each other and refuse clients.',
    source: 'etcd reads trusted CAs at its start only (issue 11555); RFC 5280 section 6.1.1 (d)',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Go', words: 'tls: failed to verify certificate: x509: certificate signed by unknown authority' },
    ],
    message: ({ certificate, issuer, where, loaded }) =>
      `The certificate ${certificate} leads to "${issuer}", which ${where} ${loaded ? 'does not trust' : 'does not hold, so it is refused after the next restart'}.`,
    remedy: ({ loaded }) =>
      loaded
        ? 'Write both CAs into the files of trust anchors (writeTrust) and restart that member first. Until then, restore the former certificate.'
        : 'Write both CAs back into the files of trust anchors (writeTrust) before any member restarts. Then continue with the step that checkCaRoll names.',
  }),
  'ca-roll/foreign-issuer': row<{ certificate: string; issuer: string }>({
    severity: 'error',
    meaning: 'A certificate is from neither the old CA nor the new one, so the plan does not cover it.',
    source: 'a rule of this package',
    message: ({ certificate, issuer }) =>
      `The certificate ${certificate} was issued by "${issuer}", which is neither the old CA of the plan nor the new one.`,
    remedy: () =>
      'Check that the plan is for this cluster. If clients and peers have separate CAs, make one plan for each (option "traffic").',
  }),
  'ca-roll/file-unreadable': row<{ file: string; reason: string }>({
    severity: 'error',
    meaning: 'A file of the plan is missing or holds no certificates, so the progress of the roll is unknown.',
    source: 'a rule of this package',
    message: ({ file, reason }) => `The file ${file} of the plan cannot be read: ${reason}`,
    remedy: () => 'Check the directory and the names of members and clients in the plan, then check again.',
  }),
  'ca-roll/endpoint-silent': row<{ endpoint: string; reason: string }>({
    severity: 'error',
    meaning:
      'A member did not answer, so the CAs that it trusts are unknown. While one is down, no other may be restarted: a cluster of three has no quorum then.',
    source: 'etcd: quorum, server/etcdserver',
    message: ({ endpoint, reason }) => `The endpoint ${endpoint} could not be checked: ${reason}.`,
    remedy: () => 'Start the member again. "etcdctl endpoint health --cluster" must report every member as healthy.',
  }),
  'ca-roll/trust-hidden': row<{ endpoint: string; reason: string }>({
    severity: 'warning',
    meaning:
      'A handshake does not show which of the two CAs a member trusts: the member supports only TLS 1.3, requests no certificate, or the two CAs have the same name and no client certificate was given to try.',
    source: 'RFC 8446 section 4.3.2: the request for a certificate is encrypted; RFC 5246 section 7.4.4',
    message: ({ endpoint, reason }) => `A handshake with ${endpoint} does not show which CAs it trusts: ${reason}.`,
    remedy: () =>
      'Pass client credentials of the old and of the new CA (option "credentials"), or check that the member was started after its files changed.',
  }),
}
