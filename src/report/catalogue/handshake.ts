/** Findings about endpoints and handshakes: what a live server or the network answered. */
import { row } from '../row.js'

export const handshake = {
  'endpoint/refused': row<{ endpoint: string }>({
    severity: 'error',
    meaning: 'Nothing listens at the endpoint: the connection was refused.',
    source: 'connect(2): ECONNREFUSED',
    message: ({ endpoint }) => `Nothing listens at ${endpoint}.`,
    remedy: ({ endpoint }) => `Check that etcd runs and that its --listen-client-urls cover ${endpoint}.`,
  }),
}
