/** Locks and elections of plain etcd3, used as its documentation shows. They have no fencing tokens. */
import { type Campaign, type Etcd3, EtcdLockFailedError } from 'etcd3'
import { type Holder, Holders } from './holders.js'
import { aborted, callOptions, pause, recordFailure, type Work } from './work.js'

const LOCK_TERM = 2500
const LEADER_TERM = 12_000
/** Seconds. */
const TTL = 8
/** How long a campaign that failed waits before the next one, in milliseconds: five seconds in etcd3's documentation. */
const RETRY = 1000

export async function coordinatePlainly(work: Work): Promise<void> {
  const { prefix, clients, recorder } = work
  const report = (message: string): void => {
    recorder.add({ type: 'coordination-fault', message })
  }
  const contenders = ['lock0', 'lock1'].flatMap((each) => {
    const holders = new Holders(prefix + each, report)
    return clients.map((client) => takeLocks(work, client, prefix + each, holders))
  })
  const leaders = new Holders(`${prefix}election`, report)
  const candidates = clients.map((client) => campaign(work, client, leaders))
  await Promise.all([...contenders, ...candidates])
}

async function takeLocks(work: Work, client: Etcd3, name: string, holders: Holders): Promise<void> {
  const { stopping, random, recorder } = work
  while (!stopping.aborted) {
    try {
      const lock = await client.lock(name).ttl(TTL).options(callOptions()).acquire()
      let isHeld = true
      const holder: Holder = { isHeld: () => isHeld }
      holders.enter(holder, null)
      recorder.add({ type: 'term', name })
      await pause(random.below(LOCK_TERM), stopping)
      isHeld = false
      holders.leave(holder)
      await lock.release()
    } catch (error) {
      // Somebody else holds it: acquire() does not wait.
      if (!(error instanceof EtcdLockFailedError)) recordFailure(work, error, true)
    }
    await pause(100 + random.below(300), stopping)
  }
}

async function campaign(work: Work, client: Etcd3, holders: Holders): Promise<void> {
  const { stopping, random, recorder, prefix } = work
  const name = `${prefix}election`
  while (!stopping.aborted) {
    const over = new AbortController()
    let isHeld = false
    const holder: Holder = { isHeld: () => isHeld }
    const current: Campaign = client.election(name, TTL).campaign('candidate')
    current.on('elected', () => {
      isHeld = true
      holders.enter(holder, null)
      recorder.add({ type: 'term', name })
      setTimeout(() => {
        over.abort()
      }, random.below(LEADER_TERM))
    })
    current.on('error', (error) => {
      isHeld = false
      holders.leave(holder)
      recordFailure(work, error, true)
      over.abort()
    })
    await aborted(over.signal, stopping)
    isHeld = false
    holders.leave(holder)
    // A campaign that resigned emits it, too.
    current.removeAllListeners('elected')
    current.resign().catch((error: unknown) => {
      recordFailure(work, error, true)
    })
    await pause(RETRY, stopping)
  }
}
