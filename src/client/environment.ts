/** What the environment says about TLS and proxies: told aloud, and without effect on this client. */
import type { Finding } from '../report/finding.js'
import { finding } from './finding.js'

/** The variables by which grpc-js finds a proxy (its http_proxy.ts). */
const PROXIES = ['grpc_proxy', 'https_proxy', 'http_proxy']

export function environmentFindings(env: NodeJS.ProcessEnv): Finding[] {
  const findings: Finding[] = []
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    findings.push(finding('environment/verification-off', { variable: 'NODE_TLS_REJECT_UNAUTHORIZED' }))
  }
  const file = env['NODE_EXTRA_CA_CERTS'] ?? ''
  if (file !== '') findings.push(finding('environment/extra-cas', { variable: 'NODE_EXTRA_CA_CERTS', file }))
  // The values may hold a password.
  const variables = PROXIES.filter((name) => (env[name] ?? '') !== '')
  if (variables.length > 0) findings.push(finding('environment/proxy', { variables }))
  return findings
}
