/** The contract of the client, as types. Nothing here runs: the compiler is the test. */
import type { Etcd3, IKeyValue } from 'etcd3'
import { expectTypeOf } from 'vitest'
import {
  createSecureClient,
  type CredentialSource,
  type EndpointStatus,
  type KeyValue,
  mirror,
  pages,
  type Report,
  type SecureClientOptions,
  type SecureEtcd3,
  type TlsSession,
  watch,
  type WatchEvent,
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

/** The mistakes that the compiler refuses are in compiler.test.ts, with its messages. */
export async function endpointsHaveFourForms(form: SecureClientOptions): Promise<void> {
  await createSecureClient({ endpoints: 'https://10.0.0.1:2379,https://10.0.0.2:2379', credentials })
  const list: readonly string[] = ['https://10.0.0.1:2379']
  await createSecureClient({ endpoints: list, credentials })
  const named: readonly { readonly url: string; readonly serverName: string }[] = []
  await createSecureClient({ endpoints: [...list, ...named], credentials })
  await createSecureClient({ endpoints: { srv: 'example.com', name: 'blue' }, credentials })
  // Forgotten endpoints compile, so that any source may have them: the error at run time names the option.
  await createSecureClient({ credentials })
  await createSecureClient({ endpoints: process.env['ETCD'], credentials })
  const connect = (more: Partial<SecureClientOptions>) => createSecureClient({ ...form, ...more })
  const withCredentials = (others: Omit<SecureClientOptions, 'credentials'>) =>
    createSecureClient({ ...others, credentials })
  expectTypeOf([await connect({}), await withCredentials({})]).toEqualTypeOf<SecureEtcd3[]>()
}

export async function rangesAreTyped(client: SecureEtcd3): Promise<void> {
  expectTypeOf(client.withSignal(AbortSignal.timeout(1))).toEqualTypeOf<SecureEtcd3>()
  for await (const event of watch(client, { prefix: 'a/', startRevision: 1n }))
    expectTypeOf(event).toEqualTypeOf<WatchEvent>()
  for await (const page of pages(client, { prefix: 'a/' })) expectTypeOf(page.entries).toEqualTypeOf<KeyValue[]>()
  expectTypeOf(mirror(client, { prefix: 'a/' }).get('a/b')).toEqualTypeOf<KeyValue | undefined>()
  // @ts-expect-error: a key or a prefix
  watch(client, { key: 'a', prefix: 'a' })
  // @ts-expect-error: one of them is required
  watch(client, {})
}
