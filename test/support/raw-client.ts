/** A client of grpc-js over the channel of a session, without etcd3. */
import { Client, credentials as grpcCredentials } from '@grpc/grpc-js'
import type { SecureClientOptions } from '../../src/client/index.js'
import { resolveOptions } from '../../src/client/base/options.js'
import { Session } from '../../src/client/session.js'
import { createChannel } from '../../src/client/etcd3/pool-channel.js'
import { prepare } from '../../src/client/base/validated-credentials.js'
import type { Credentials } from '../../src/credentials/index.js'

interface RawClient extends AsyncDisposable {
  readonly client: Client
  readonly session: Session
}

/** @param change Called before the session connects. */
export async function rawClient(
  options: SecureClientOptions & { credentials: Credentials },
  change: (session: Session) => void = () => undefined,
): Promise<RawClient> {
  const resolved = resolveOptions(options)
  const session = new Session(resolved, prepare(options.credentials, resolved.tls))
  change(session)
  const client = new Client('peer', grpcCredentials.createInsecure(), { channelOverride: createChannel(session.pool) })
  await session.preflight(resolved.dialTimeout)
  const dispose = async (): Promise<void> => {
    client.close()
    await session.close()
  }
  return { client, session, [Symbol.asyncDispose]: dispose }
}
