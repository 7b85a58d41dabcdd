/** The contract of locks and elections, as types. Nothing here runs: the compiler is the test. */
import { expectTypeOf } from 'vitest'
import type { SecureEtcd3 } from 'etcd-mtls/client'
import { election, type Held, type Leader, lock, tryLock } from 'etcd-mtls/coordination'

export async function aHeldLockIsDisposable(client: SecureEtcd3): Promise<void> {
  await using held = await lock(client, 'name', { ttl: '10s', signal: AbortSignal.timeout(1) })
  expectTypeOf(held).toEqualTypeOf<Held>()
  expectTypeOf(held).toExtend<AsyncDisposable>()
  expectTypeOf(held.fencingToken).toEqualTypeOf<string>()
  expectTypeOf(held.signal).toEqualTypeOf<AbortSignal>()
  // @ts-expect-error -- a lock without a TTL does not exist
  await lock(client, 'name', {})
}

export async function aTryHoldsOrNamesTheHolder(client: SecureEtcd3): Promise<void> {
  const attempt = await tryLock(client, 'name', { ttl: '10s', value: 'node-1' })
  if (attempt.held === null) expectTypeOf(attempt.holder).toEqualTypeOf<string>()
  else expectTypeOf(attempt.held).toEqualTypeOf<Held>()
  // @ts-expect-error -- there is no holder to name before it is known who holds
  attempt.holder
}

export function anElectionHasCandidatesAndObservers(client: SecureEtcd3): void {
  const race = election(client, 'name', { ttl: '10s' })
  expectTypeOf(race.campaign('value')).toEqualTypeOf<Promise<Held>>()
  expectTypeOf(race.observe()).toEqualTypeOf<AsyncIterable<Leader>>()
  // @ts-expect-error -- the signal belongs to a campaign, not to the election
  election(client, 'name', { ttl: '10s', signal: AbortSignal.timeout(1) })
}
