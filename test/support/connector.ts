import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'

type Connect = (
  peers: readonly { readonly endpoint: string }[],
  options?: Partial<SecureClientOptions>,
) => Promise<SecureEtcd3>

/** Connects clients to peers, with these options unless others are given. A dial has as long as a busy machine may take. */
export function connector(defaults: Omit<SecureClientOptions, 'endpoints'>): Connect {
  return (peers, options = {}) =>
    createSecureClient({
      dialTimeout: '30s',
      ...defaults,
      endpoints: peers.map(({ endpoint }) => endpoint),
      ...options,
    })
}
