/** Findings about variables of the environment that change how other clients speak TLS, and have no effect on this one. */
import { row } from '../row.js'
import { listed } from '../words.js'

export const environment = {
  'environment/ignored': row<{
    variables: string[]
    /** What they do elsewhere: no verification of servers, more trusted CAs, or connections through a proxy. */
    kind: 'verification-off' | 'extra-cas' | 'proxy'
    /** The file of the CAs; null for another kind. */
    file: string | null
  }>({
    severity: ({ kind }) => (kind === 'verification-off' ? 'warning' : 'info'),
    message: ({ variables, kind, file }) => {
      switch (kind) {
        case 'verification-off':
          return `${listed(variables)}=0 is set. It has no effect on this client, and leaves other TLS connections of this process unverified.`
        case 'extra-cas':
          return `${listed(variables)} names ${file ?? 'a file'}. This client does not trust the CAs in it.`
        case 'proxy':
          return `The environment names a proxy (${listed(variables)}). This client connects to its endpoints without it.`
      }
    },
    remedy: ({ variables, kind }) => REMEDIES[kind](listed(variables)),
  }),
}

const REMEDIES = {
  'verification-off': (variable: string) =>
    `Remove ${variable} from the environment, and pass to each client the CA that it is to trust.`,
  'extra-cas': () =>
    'If the file holds etcd’s CA, pass it to the client as the option ca of its credentials. Otherwise no action is needed.',
  proxy: () =>
    'No action is needed if the endpoints can be reached directly. Otherwise forward a port to them: a proxy that terminates TLS cannot present the client certificate.',
}
