/**
 * A secure client for the routes of a Fastify application, without a dependency on Fastify: the types below say what is
 * used of it, and a `FastifyInstance` is assignable to them.
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
  /** Tells Fastify that what is decorated is for the whole application, and not for the plugin's own routes alone. */
  [skipOverride]: true
}

const skipOverride: unique symbol = Symbol.for('skip-override')

/** The application does not start while etcd cannot be proved, and the client ends with the application. */
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
