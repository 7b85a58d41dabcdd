import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'

type Connect = (
  peers: readonly { readonly endpoint: string }[],
  options?: Partial<SecureClientOptions>,
) => Promise<SecureEtcd3>

/** Connects clients to peers, with these options unless others are given. */
export function connector(defaults: Omit<SecureClientOptions, 'endpoints'>): Connect {
  return (peers, options = {}) =>
    createSecureClient({ ...defaults, endpoints: peers.map(({ endpoint }) => endpoint), ...options })
}
