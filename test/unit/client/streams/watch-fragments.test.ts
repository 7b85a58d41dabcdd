/** What the fragments of watch responses take in memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { WatchFragments } from '../../../../src/client/streams/watch-fragments.js'
import { readWatchResponse } from '../../../../src/client/streams/watch-messages.js'
import { watchResponse } from '../../../support/watch-wire.js'

it('WatchFragments keeps only its own bytes of the data in which a fragment arrived', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const fragment = watchResponse({ revision: 9, watchId: 1, fragment: true, events: [5] })
  const fragments = new WatchFragments(1_000_000)
  collect()
  const before = process.memoryUsage().arrayBuffers
  for (let count = 0; count < 500; count += 1) {
    const piece = Buffer.alloc(64 * 1024)
    fragment.copy(piece)
    expect(fragments.accept(1n, readWatchResponse(piece.subarray(0, fragment.length)))).toEqual([])
  }
  // V8 frees the memory of buffers after a collection, in a thread of its own.
  const held = (): number => {
    collect()
    return process.memoryUsage().arrayBuffers - before
  }
  await expect.poll(held).toBeLessThan(2_000_000)
  expect(fragments.unfinishedRevision(1n)).toBe(5n)
})
