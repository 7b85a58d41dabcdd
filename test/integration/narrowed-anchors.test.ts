/** A real etcd in the middle of a CA roll, whose old and new CA have one name: Go connects in any order of the bundle. */
import { expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { mintedCredentials, mintPki } from '../support/etcd.js'
import { gateway } from '../support/https.js'
import { dns, EXTENSION, ip, mintLeaf } from '../support/mint.js'

it('is reached in both orders of the bundle, as etcdctl does, while plain Node fails in one', async () => {
  const [old, renewed] = [mintPki('etcd CA'), mintPki('etcd CA')]
  const leaf = mintLeaf({
    subject: 'etcd',
    names: [ip('127.0.0.1'), dns('localhost')],
    issuer: renewed.root,
    without: [EXTENSION.authorityKeyIdentifier],
  })
  const both = [old.root, renewed.root]
  await using etcd = await startEtcd({ server: mintedCredentials({ leaf, trust: both }) })
  for (const trust of [both, both.toReversed()]) {
    const credentials = { ...old.client, trustAnchors: mintedCredentials({ leaf, trust }).trustAnchors }
    await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials })
    await client.put('roll').value('middle')
    expect(await client.get('roll').string()).toBe('middle')
    expect((await etcd.etcdctl(['get', 'roll'], credentials)).stdout).toContain('middle')
    const warnings = client.tls.endpoints[0]?.findings.filter(({ code }) => code === 'chain/openssl-picks-other-path')
    const plain = gateway(etcd.endpoint, '/version', credentials)
    if (trust === both) {
      await expect(plain).rejects.toMatchObject({ code: 'CERT_SIGNATURE_FAILURE' })
      expect(warnings).toMatchObject([{ severity: 'warning', details: { change: 'order', from: 'trusted' } }])
    } else {
      expect((await plain).status).toBe(200)
      expect(warnings).toEqual([])
    }
  }
})
