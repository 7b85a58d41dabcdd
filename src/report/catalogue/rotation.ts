/** Findings about switching from one set of credentials to the next while the client runs. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const rotation = {
  'rotation/source-failed': row<{ origin: string; detail: string }>({
    message: ({ origin, detail }) => `Could not load credentials from ${origin}: ${detail}.`,
    remedy: ({ origin }) => `Fix ${origin}, then call client.tls.rotate(), or wait for the next change of the source.`,
  }),
  'rotation/not-verified': row<{
    origin: string
    /** The endpoints that are not connected with them. */
    endpoints: string[]
    /** Whether they are in use all the same: after another endpoint was verified, or because no endpoint answered. */
    used: 'no' | 'elsewhere' | 'unverified'
    /** Why the endpoints could not be verified, if other findings do not say so; else empty. */
    detail: string
  }>({
    severity: ({ used }) => (used === 'no' ? 'error' : 'warning'),
    message: ({ origin, endpoints, used, detail }) => {
      switch (used) {
        case 'no':
          return `The credentials from ${origin} are refused, because they could not be verified against any endpoint: ${listed(endpoints)}.`
        case 'elsewhere':
          return `${listed(endpoints)} is not connected with the new credentials: ${detail}`
        case 'unverified':
          return `The credentials from ${origin} are in use without verification, because no endpoint answered: ${listed(endpoints)}.`
      }
    },
    remedy: ({ endpoints, used }) => {
      switch (used) {
        case 'no':
          return 'Fix the other findings of this report, which name the cause for each endpoint. If the CA is new, add it to the servers’ --trusted-ca-file and restart etcd, which reads that file only at its start.'
        case 'elsewhere':
          return `Fix the findings that client.tls.endpoints lists for ${listed(endpoints)}. The client then reconnects automatically.`
        case 'unverified':
          return 'Start an endpoint again. The client dials it with the new credentials.'
      }
    },
  }),
}
