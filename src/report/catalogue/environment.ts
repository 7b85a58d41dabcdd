/** Findings about variables of the environment that change how other clients speak TLS, and have no effect on this one. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const environment = {
  'environment/verification-off': row<{ variable: string }>({
    severity: 'warning',
    message: ({ variable }) =>
      `${variable}=0 is set. It has no effect on this client, and leaves other TLS connections of this process unverified.`,
    remedy: ({ variable }) =>
      `Remove ${variable} from the environment, and pass to each client the CA that it is to trust.`,
  }),
  'environment/extra-cas': row<{ variable: string; file: string }>({
    severity: 'info',
    message: ({ variable, file }) => `${variable} names ${file}. This client does not trust the CAs in it.`,
    remedy: () =>
      'If the file holds etcd’s CA, pass it to the client as the option ca of its credentials. Otherwise no action is needed.',
  }),
  'environment/proxy': row<{ variables: string[] }>({
    severity: 'info',
    message: ({ variables }) =>
      `The environment names a proxy (${listed(variables)}). This client connects to its endpoints without it.`,
    remedy: () =>
      'No action is needed if the endpoints can be reached directly. Otherwise forward a port to them: a proxy that terminates TLS cannot present the client certificate.',
  }),
}
