/** Findings about variables of the environment that change how other clients speak TLS, and have no effect on this one. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const environment = {
  'environment/verification-off': row<{ variable: string }>({
    severity: 'warning',
    meaning:
      'NODE_TLS_REJECT_UNAUTHORIZED=0 disables the verification of servers for TLS connections of this process that do not set their own option. This client sets it: every server is verified.',
    source: 'Node, command-line options: NODE_TLS_REJECT_UNAUTHORIZED',
    message: ({ variable }) =>
      `${variable}=0 is set. It has no effect on this client, and leaves other TLS connections of this process unverified.`,
    remedy: ({ variable }) =>
      `Remove ${variable} from the environment, and pass to each client the CA that it is to trust.`,
  }),
  'environment/extra-cas': row<{ variable: string; file: string }>({
    severity: 'info',
    meaning:
      'NODE_EXTRA_CA_CERTS adds CAs to those that Node trusts by default. This client trusts the CAs of its credentials alone.',
    source: 'Node, command-line options: NODE_EXTRA_CA_CERTS',
    message: ({ variable, file }) => `${variable} names ${file}. This client does not trust the CAs in it.`,
    remedy: () =>
      'If the file holds etcd’s CA, pass it to the client as the option ca of its credentials. Otherwise no action is needed.',
  }),
  'environment/proxy': row<{ variables: string[] }>({
    severity: 'info',
    meaning:
      'Variables name a proxy, through which grpc-js, and so plain etcd3, would connect. This client connects to its endpoints directly.',
    source: 'grpc-js, environment variables grpc_proxy, https_proxy, http_proxy and no_proxy',
    message: ({ variables }) =>
      `The environment names a proxy (${listed(variables)}). This client connects to its endpoints without it.`,
    remedy: () =>
      'No action is needed if the endpoints can be reached directly. Otherwise forward a port to them: a proxy that terminates TLS cannot present the client certificate.',
  }),
}
