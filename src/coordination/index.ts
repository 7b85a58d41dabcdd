/**
 * Locks and elections on etcd whose holder learns in time that they are lost, with fencing tokens for what they guard.
 *
 * @module
 */
export { election } from './election.js'
export type { Election } from './election.js'
export type { Held } from './contend.js'
export { lock } from './lock.js'
export type { LockOptions } from './lock.js'
export type { Leader } from './observe.js'
