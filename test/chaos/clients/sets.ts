/** Sets that several clients add elements to: a value that is read, extended, and written if nobody else wrote meanwhile. */
import type { Etcd3 } from 'etcd3'
import { callOptions, pause, recordFailure, type Work } from './work.js'

/** Elements until the next set takes its place: the value grows with each. */
const ELEMENTS = 60

export async function addToSets(work: Work): Promise<void> {
  const { stopping, random, pace } = work
  let elements = 0
  await Promise.all(
    work.clients.map(async (client) => {
      while (!stopping.aborted) {
        const element = String((elements += 1))
        await add(work, client, `${work.prefix}set${String(Math.floor(elements / ELEMENTS))}`, element)
        await pause(random.below(pace) * 3, stopping)
      }
    }),
  )
}

/** Until it is certain, or its outcome is unknown. */
async function add(work: Work, client: Etcd3, set: string, element: string): Promise<void> {
  const { recorder, stopping, random, pace } = work
  while (!stopping.aborted) {
    let isWrite = false
    try {
      const { kvs } = await client.get(set).options(callOptions()).exec()
      const before = kvs[0]
      const value = before === undefined ? element : `${before.value.toString()},${element}`
      isWrite = true
      const { succeeded } = await client
        .if(set, 'Mod', '==', before?.mod_revision ?? 0)
        .then(client.put(set).value(value))
        .options(callOptions())
        .commit()
      if (succeeded) {
        recorder.add({ type: 'element', set, element, certain: true })
        return
      }
    } catch (error) {
      if (recordFailure(work, error, isWrite)) {
        recorder.add({ type: 'element', set, element, certain: false })
        return
      }
    }
    await pause(random.below(pace), stopping)
  }
}
