/** Findings about switching from one set of credentials to the next while the client runs. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const rotation = {
  'rotation/source-failed': row<{ origin: string; detail: string }>({
    severity: 'error',
    meaning: 'The source failed to return credentials. The client continues with the previous ones.',
    source: 'CredentialSource.load() and watch()',
    message: ({ origin, detail }) => `Could not load credentials from ${origin}: ${detail}.`,
    remedy: ({ origin }) => `Fix ${origin}, then call client.tls.rotate(), or wait for the next change of the source.`,
  }),
  'rotation/not-proved': row<{ origin: string; endpoints: string[] }>({
    severity: 'error',
    meaning:
      'The new credentials could not be verified against any endpoint, so they are not used. The client continues with the previous ones.',
    source: 'the option preflight: at least one endpoint must be verified',
    message: ({ origin, endpoints }) =>
      `The credentials from ${origin} are refused, because they could not be verified against any endpoint: ${listed(endpoints)}.`,
    remedy: () =>
      'Fix the other findings of this report, which name the cause for each endpoint. If the CA is new, add it to the servers’ --trusted-ca-file and restart etcd, which reads that file only at its start.',
  }),
  'rotation/unproved': row<{ origin: string; endpoints: string[] }>({
    severity: 'warning',
    meaning:
      'New credentials are in use without verification: no endpoint answered, and none was connected with the old ones.',
    source: 'the option preflight: at least one endpoint must be verified',
    message: ({ origin, endpoints }) =>
      `The credentials from ${origin} are in use without verification, because no endpoint answered: ${listed(endpoints)}.`,
    remedy: () => 'Start an endpoint again. The client dials it with the new credentials.',
  }),
  'rotation/endpoint-left-behind': row<{ endpoint: string; detail: string }>({
    severity: 'warning',
    meaning:
      'An endpoint that was connected could not be verified with the new credentials, while another one was. Its old connection is closed, and it is dialled again.',
    source: 'a renewed identity that keeps old connections is not a revocation',
    message: ({ endpoint, detail }) => `${endpoint} is not connected with the new credentials: ${detail}`,
    remedy: ({ endpoint }) =>
      `Fix the findings that client.tls.endpoints lists for ${endpoint}. The client then reconnects automatically.`,
  }),
}
