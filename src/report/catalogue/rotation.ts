/** Findings about switching from one set of credentials to the next while the client runs. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const rotation = {
  'rotation/source-failed': row<{ origin: string; detail: string }>({
    severity: 'error',
    message: ({ origin, detail }) => `Could not load credentials from ${origin}: ${detail}.`,
    remedy: ({ origin }) => `Fix ${origin}, then call client.tls.rotate(), or wait for the next change of the source.`,
  }),
  'rotation/not-verified': row<{
    origin: string
    endpoints: string[]
    /** Whether they are in use all the same. */
    used: boolean
  }>({
    severity: ({ used }) => (used ? 'warning' : 'error'),
    message: ({ origin, endpoints, used }) =>
      used
        ? `The credentials from ${origin} are in use without verification, because no endpoint answered: ${listed(endpoints)}.`
        : `The credentials from ${origin} are refused, because they could not be verified against any endpoint: ${listed(endpoints)}.`,
    remedy: ({ used }) =>
      used
        ? 'Start an endpoint again. The client dials it with the new credentials.'
        : 'Fix the other findings of this report, which name the cause for each endpoint. If the CA is new, add it to the servers’ --trusted-ca-file and restart etcd, which reads that file only at its start.',
  }),
  'rotation/endpoint-not-updated': row<{ endpoint: string; detail: string }>({
    severity: 'warning',
    message: ({ endpoint, detail }) => `${endpoint} is not connected with the new credentials: ${detail}`,
    remedy: ({ endpoint }) =>
      `Fix the findings that client.tls.endpoints lists for ${endpoint}. The client then reconnects automatically.`,
  }),
}
