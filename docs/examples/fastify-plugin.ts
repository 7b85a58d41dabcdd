/**
 * A plugin for Fastify: `app.etcd` is a secure client. It does not import Fastify: a `FastifyInstance` is assignable to the types
 * below.
 *
 * ```ts
 * const app = Fastify()
 * await app.register(etcdPlugin({ endpoints, credentials: fromKubernetesSecret('/var/run/secrets/etcd') }))
 * app.get('/items/:name', async (request) => app.etcd.get(request.params.name).string())
 * ```
 *
 * For types: `declare module 'fastify' { interface FastifyInstance { etcd: SecureEtcd3 } }`.
 */
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from 'etcd-mtls/client'

/** What the plugin uses of a Fastify instance. */
export interface Instance {
  decorate(name: 'etcd', client: SecureEtcd3): unknown
  addHook(name: 'onClose', hook: () => Promise<void>): unknown
}

export interface Plugin {
  (instance: Instance): Promise<void>
  /** `app.etcd` is then available in the whole application, not only in this plugin. */
  [skipOverride]: true
}

const skipOverride: unique symbol = Symbol.for('skip-override')

/** The application does not start without a verified connection to etcd. The client closes with the application. */
export function etcdPlugin(options: SecureClientOptions): Plugin {
  const plugin = async (instance: Instance): Promise<void> => {
    const client = await createSecureClient(options)
    instance.decorate('etcd', client)
    instance.addHook('onClose', () => {
      client.close()
      return Promise.resolve()
    })
  }
  return Object.assign(plugin, { [skipOverride]: true as const })
}
