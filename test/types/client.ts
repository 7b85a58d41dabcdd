/** The contract of the client, as types. Nothing here runs: the compiler is the test. */
import type { Etcd3, IKeyValue } from 'etcd3'
import { expectTypeOf } from 'vitest'
import {
  createSecureClient,
  type CredentialSource,
  type EndpointStatus,
  type Report,
  type SecureEtcd3,
  type TlsSession,
} from 'etcd-mtls/client'
import { fromEnv } from 'etcd-mtls/credentials'

declare const credentials: CredentialSource

export async function aSecureClientIsAnEtcd3(): Promise<void> {
  await using client = await createSecureClient({ endpoints: ['https://127.0.0.1:2379'], credentials })
  expectTypeOf(client).toEqualTypeOf<SecureEtcd3>()
  expectTypeOf<SecureEtcd3>().toExtend<Etcd3>()
  expectTypeOf<SecureEtcd3>().toExtend<AsyncDisposable>()
  const plain: Etcd3 = client
  expectTypeOf(await plain.get('key').string()).toEqualTypeOf<string | null>()
  expectTypeOf(await client.getAll().prefix('a/').exec())
    .toHaveProperty('kvs')
    .toEqualTypeOf<IKeyValue[]>()
}

export function theSessionIsReadable(client: SecureEtcd3): void {
  expectTypeOf(client.tls).toExtend<TlsSession>()
  expectTypeOf(client.tls.report).toExtend<Report>()
  expectTypeOf(client.tls.report.path).not.toBeNullable()
  expectTypeOf(client.tls.probe()).toEqualTypeOf<Promise<Report>>()
  expectTypeOf(client.tls.endpoints).toExtend<readonly EndpointStatus[]>()
  // @ts-expect-error -- the session belongs to its client
  client.tls = client.tls
}

export async function theEnvironmentMayNameTheEndpoints(): Promise<void> {
  await createSecureClient({ credentials: fromEnv() })
  await createSecureClient({ credentials: fromEnv(), endpoints: 'https://127.0.0.1:2379', dialTimeout: '3s' })
}

export async function optionsAreClosed(): Promise<void> {
  // @ts-expect-error -- credentials are not optional: there is no plaintext
  await createSecureClient({ endpoints: ['https://127.0.0.1:2379'] })
  // @ts-expect-error -- a client needs to know where etcd is
  await createSecureClient({ credentials })
  // @ts-expect-error -- how plain etcd3 calls them
  await createSecureClient({ hosts: ['https://127.0.0.1:2379'], credentials })
  // @ts-expect-error -- no way to skip verification
  await createSecureClient({ endpoints: ['https://127.0.0.1:2379'], credentials, rejectUnauthorized: false })
  // @ts-expect-error -- TLS below 1.2 is not spoken
  await createSecureClient({ endpoints: ['https://127.0.0.1:2379'], credentials, tls: { minVersion: 'TLSv1.1' } })
  // @ts-expect-error -- durations are texts with a unit
  await createSecureClient({ endpoints: ['https://127.0.0.1:2379'], credentials, dialTimeout: 5000 })
}
