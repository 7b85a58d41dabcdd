/** Whether the cipher suites that are listed can be served with the key that is there. */
import type { Finding } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import { cipherSuites } from '../cipher-suites.js'
import { formAvailability } from '../options.js'
import { finding } from './finding.js'
import type { LintMember } from './member.js'

/** Suites of TLS 1.2 name the key that proves the server (RFC 5246 appendix A.5, RFC 8422): RSA, or else an ECDSA suite. */
function fits(suite: string, algorithm: string): boolean {
  return suite.includes('_ECDSA_') !== (algorithm === 'RSA')
}

const OF_TLS12: ReadonlySet<string> = new Set(
  cipherSuites.flatMap(({ name, kind }) => (kind === 'tls13' ? [] : [name])),
)

/** Suites of which none goes with the key of a certificate. TLS 1.3 has suites of its own, which go with all keys. */
export function suitesUnlikeKey({ settings, version }: LintMember, leaf: Certificate, cert: string): Finding[] {
  const setting = settings.server('cipherSuites')
  const { algorithm } = leaf.publicKeyInfo
  const listed = setting.values.filter((suite) => OF_TLS12.has(suite))
  if (!setting.isSet || setting.isUnresolved || listed.length === 0) return []
  if (settings.server('tlsMinVersion').text === 'TLS1.3' || listed.some((suite) => fits(suite, algorithm))) return []
  const newest = settings.server('tlsMaxVersion')
  // Releases of 3.5 without --tls-max-version serve TLS 1.2 only (client/pkg/transport/listener.go v3.5.7). Those of 3.4 set
  // no limit: 3.4.23 serves TLS 1.3.
  const speaks13 = version?.minor !== 5 || formAvailability(newest.row, 'flags', version) !== 'none'
  const code =
    speaks13 && newest.text !== 'TLS1.2' ? 'config/cipher-suites-unlike-key' : 'config/cipher-suites-serve-nobody'
  return [finding(code, { ...setting.place, algorithm, subject: leaf.subject.toString(), cert })]
}
