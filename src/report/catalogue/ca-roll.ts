/** Findings about the roll of a CA: what would lock somebody out, and what cannot be told. */
import { row } from '../row.js'

export const caRoll = {
  'ca-roll/trust-missing': row<{ certificate: string; issuer: string; where: string; loaded: boolean }>({
    severity: 'error',
    meaning:
      'A certificate in use leads to a CA that somebody does not trust: the trust was narrowed too early, or the certificate was issued anew before everybody had read the new CA. Members of the cluster refuse each other then, and clients are refused.',
    source: 'etcd reads trusted CAs at its start only (issue 11555); RFC 5280 section 6.1.1 (d)',
    refusals: [
      { by: 'Go', words: 'x509: certificate signed by unknown authority' },
      { by: 'Go', words: 'tls: failed to verify certificate: x509: certificate signed by unknown authority' },
    ],
    message: ({ certificate, issuer, where, loaded }) =>
      `The certificate ${certificate} leads to "${issuer}", which ${where} ${loaded ? 'does not trust' : 'does not hold, so it is refused after the next restart'}.`,
    remedy: ({ loaded }) =>
      loaded
        ? 'Write both CAs into the files of trust anchors (writeTrust) and restart that member, before anything else; until then put the former certificate back where you can.'
        : 'Write both CAs back into the files of trust anchors (writeTrust), restart nobody before that is done, then go on with the step that checkCaRoll names.',
  }),
  'ca-roll/foreign-issuer': row<{ certificate: string; issuer: string }>({
    severity: 'error',
    meaning: 'A certificate is from neither the old CA nor the new one, so the plan does not cover it.',
    source: 'a rule of this package',
    message: ({ certificate, issuer }) =>
      `The certificate ${certificate} was issued by "${issuer}", which is neither the old CA of the plan nor the new one.`,
    remedy: () =>
      'Check that the plan is for this cluster; where clients and peers have CAs of their own, make one plan for each ("traffic").',
  }),
  'ca-roll/file-unreadable': row<{ file: string; reason: string }>({
    severity: 'error',
    meaning: 'A file of the plan is not there, or holds no certificates, so it is not known how far the roll has come.',
    source: 'a rule of this package',
    message: ({ file, reason }) => `The file ${file} of the plan cannot be read: ${reason}`,
    remedy: () => 'Check the directory and the names of members and clients in the plan, then check again.',
  }),
  'ca-roll/endpoint-silent': row<{ endpoint: string; reason: string }>({
    severity: 'error',
    meaning:
      'A member could not be asked which CAs it trusts. While one is down, no other may be restarted: a cluster of three has no quorum then.',
    source: 'etcd: quorum, server/etcdserver',
    message: ({ endpoint, reason }) => `The endpoint ${endpoint} could not be looked at: ${reason}.`,
    remedy: () => 'Bring the member back, and see with "etcdctl endpoint health --cluster" that all are healthy.',
  }),
  'ca-roll/trust-hidden': row<{ endpoint: string; reason: string }>({
    severity: 'warning',
    meaning:
      'It cannot be told from outside which of the two CAs a member trusts: it speaks TLS 1.3 alone, asks for no certificate, or the two have one name and no client certificate was given to try.',
    source: 'RFC 8446 section 4.3.2: the request for a certificate is encrypted; RFC 5246 section 7.4.4',
    message: ({ endpoint, reason }) => `It cannot be told which CAs ${endpoint} trusts: ${reason}.`,
    remedy: () =>
      'Give client credentials of the old and of the new CA (option "credentials"), or make sure by its start time that the member was restarted after the files changed.',
  }),
}
