/** {@link Store} on etcd3. */
import { isError } from '../report/errors.js'
import { EtcdLeaseInvalidError, isRecoverableError, type SecureEtcd3 } from '../client/connect.js'
import type { Change, ContenderKey, Store, WatchEnd } from './store.js'

/**
 * How long one call may take, in milliseconds. A member that is cut off from its leader gives up after seven seconds only
 * (etcd server/config, `ReqTimeout`), and another one may answer at once.
 */
const CALL_TIMEOUT = 3000

/** The rest of a contender's key is the id of its lease (client/v3/concurrency/key.go). Other keys are of longer names. */
const LEASE_ID = /^[0-9a-f]+$/

export function etcdStore(client: SecureEtcd3): Store {
  const { leaseClient } = client
  return {
    grant: async (lease, seconds) => {
      try {
        await leaseClient.leaseGrant({ ID: lease, TTL: seconds }, within(CALL_TIMEOUT))
      } catch (error) {
        // The id is random and was sent by nobody else: an earlier attempt was applied, and its answer was lost.
        if (!(isError(error) && error.message.includes('lease already exists'))) throw error
      }
    },
    openKeepAlive: () => leaseClient.leaseKeepAlive(),
    revoke: async (lease, timeout) => {
      await leaseClient.leaseRevoke({ ID: lease }, within(timeout))
    },
    createKey: async (key, value, lease) => {
      const { succeeded, header, responses } = await client
        .if(key, 'Create', '==', 0)
        .then(client.put(key).value(value).lease(lease))
        .else(client.get(key))
        .options(within(CALL_TIMEOUT))
        .commit()
      // The key has the lease's own id in its name, so that one that is there comes from an earlier attempt.
      const revision = succeeded ? header.revision : responses[0]?.response_range.kvs[0]?.create_revision
      if (revision === undefined) throw new Error(`etcd did not return the key "${key}" that it has`)
      return revision
    },
    look: async (prefix, key, createRevision) => {
      for (let below = createRevision; ;) {
        const { succeeded, header, responses } = await client
          .if(key, 'Create', '==', createRevision)
          .then(client.getAll().prefix(prefix).maxCreateRevision(previous(below)).sort('Create', 'Descend').limit(1))
          .options(within(CALL_TIMEOUT))
          .commit()
        const found = responses[0]?.response_range.kvs[0]
        const ahead = found?.key.toString() ?? null
        if (!succeeded || found === undefined || ahead === null || isContender(prefix, ahead)) {
          return { owned: succeeded, ahead, revision: header.revision }
        }
        below = found.create_revision
      }
    },
    list: async (prefix) => {
      const { header, kvs } = await client.getAll().prefix(prefix).options(within(CALL_TIMEOUT)).exec()
      return { keys: kvs.map(contenderKey).filter(({ key }) => isContender(prefix, key)), revision: header.revision }
    },
    watch: (target, after, signal, onChanges) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve('lost')
          return
        }
        const prefix = 'prefix' in target ? target.prefix : null
        const builder = client.watch().startRevision(String(BigInt(after) + 1n))
        // Not create(): events may come before its promise has resolved.
        const watcher = ('key' in target ? builder.key(target.key) : builder.prefix(target.prefix)).watcher()
        const end = (why: WatchEnd): void => {
          signal.removeEventListener('abort', cancel)
          resolve(why)
        }
        const cancel = (): void => {
          end('lost')
          // It fails only for a stream that has ended, and its watches with it.
          watcher.cancel().catch(() => undefined)
        }
        signal.addEventListener('abort', cancel, { once: true })
        watcher
          .on('data', ({ events }) => {
            if (signal.aborted) return
            const changes = events.map(({ type, kv }): Change => ({
              ...contenderKey(kv),
              type: type === 'Delete' ? 'delete' : 'put',
              revision: kv.mod_revision,
            }))
            onChanges(changes.filter(({ key }) => prefix === null || isContender(prefix, key)))
          })
          .on('error', () => {
            end('refused')
          })
          .on('disconnected', cancel)
      }),
    isLeaseGone: (error) => error instanceof EtcdLeaseInvalidError,
    isTransient: (error) => isError(error) && isRecoverableError(error),
  }
}

function within(timeout: number): { deadline: number } {
  return { deadline: Date.now() + timeout }
}

function previous(revision: string): string {
  return String(BigInt(revision) - 1n)
}

function isContender(prefix: string, key: string): boolean {
  return LEASE_ID.test(key.slice(prefix.length))
}

function contenderKey(kv: { key: Buffer; value: Buffer; create_revision: string }): ContenderKey {
  return { key: kv.key.toString(), value: kv.value.toString(), createRevision: kv.create_revision }
}
