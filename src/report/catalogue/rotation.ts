/** Findings about going over from one set of credentials to the next while a client lives. */
import { row } from '../row.js'

export const rotation = {
  'rotation/source-failed': row<{ origin: string; detail: string }>({
    severity: 'error',
    meaning:
      'The source could not hand out credentials, for a reason of its own. The client goes on with those that it has.',
    source: 'CredentialSource.load() and watch()',
    message: ({ origin, detail }) => `The credentials of ${origin} could not be had: ${detail}.`,
    remedy: ({ origin }) => `Repair ${origin}, then call client.tls.rotate(), or let the source change again.`,
  }),
  'rotation/not-proved': row<{ origin: string; endpoints: string[] }>({
    severity: 'error',
    meaning:
      'No endpoint could be proved with the new credentials, so they are not used; the client goes on with those that it has.',
    source: 'the option preflight: one proved endpoint is enough, none is too few',
    message: ({ origin, endpoints }) =>
      `The credentials from ${origin} are refused, because none of ${endpoints.join(', ')} could be proved with them.`,
    remedy: () =>
      'The findings beside this one say why, endpoint by endpoint. A new CA has to stand in the servers’ --trusted-ca-file, and etcd reads that only at its start.',
  }),
  'rotation/unproved': row<{ origin: string; endpoints: string[] }>({
    severity: 'warning',
    meaning:
      'New credentials are in use without a proof: no endpoint answered, and none was connected with the old ones either.',
    source: 'the option preflight: one proved endpoint is enough, none is too few',
    message: ({ origin, endpoints }) =>
      `The credentials from ${origin} are in use unproved: none of ${endpoints.join(', ')} answered.`,
    remedy: () => 'Bring an endpoint back; it is dialled with the new credentials.',
  }),
  'rotation/endpoint-left-behind': row<{ endpoint: string; detail: string }>({
    severity: 'warning',
    meaning:
      'An endpoint that was connected could not be proved with the new credentials, while another one was. Its old connection ends, and it is dialled again.',
    source: 'a renewed identity that keeps old connections is no revocation',
    message: ({ endpoint, detail }) => `${endpoint} is not connected with the new credentials: ${detail}`,
    remedy: ({ endpoint }) =>
      `client.tls.endpoints says what is wrong with ${endpoint}; once that is mended, it is connected by itself.`,
  }),
}
