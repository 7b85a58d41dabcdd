/** A server that accepts few streams at the same time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { connector } from '../support/connector.js'
import { mintPki } from '../support/etcd.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client, http2: 'frames' })

describe('etcd with --max-concurrent-streams=16', () => {
  let etcd: TestEtcd

  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server, via: 'binary', args: ['--max-concurrent-streams=16'] })
  })

  afterAll(async () => {
    await etcd.close()
  })

  it('answers calls of a client with 40 watches in namespaces of their own', async () => {
    await using client = await connect([etcd])
    for (let i = 0; i < 40; i += 1) {
      const watching = client
        .namespace(`${String(i)}/`)
        .watch()
        .key('k')
        .create()
      watching.catch(() => undefined)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
    await client.put('k').value('v')
    expect(await client.get('k').string()).toBe('v')
    await client.lease(60).grant()
  })
})
