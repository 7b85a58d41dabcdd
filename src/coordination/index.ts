/**
 * Locks and elections on etcd whose holder learns in time that they are lost, with fencing tokens for what they guard.
 *
 * @module
 */
export { election, lock, tryLock } from './lock-and-election.js'
export type { Election, LockOptions } from './lock-and-election.js'
export type { Held, TryLockResult } from './contend.js'
export type { Leader } from './observe.js'
