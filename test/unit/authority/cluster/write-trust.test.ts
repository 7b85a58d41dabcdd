import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withTrustAnchors, writeCluster, writeTrust } from '../../../../src/authority/index.js'
import { Certificate } from '../../../../src/x509/certificate.js'
import { scanPem } from '../../../../src/x509/pem/pem.js'
import { mintCa } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { refused } from '../../../support/refused.js'
import { cluster, faultsOf, leftOvers, otherRoot, root, tree } from './fixture.js'

const folder = temporaryFolder()
let folders = 0
const fresh = (): string => folder.file(`cluster-${String(folders++)}`)
const [oldCa, newCa] = [Certificate.parse(root.der), Certificate.parse(otherRoot.der)]
const both = [oldCa, newCa]

/** Common names of the CAs in a file. */
function anchorsIn(...path: string[]): string[] {
  const { blocks } = scanPem(readFileSync(join(...path)))
  return blocks.map(({ bytes }) => Certificate.parse(bytes).subject.commonName ?? '')
}

describe('writeTrust', () => {
  it('replaces the anchors of every member and client, and nothing else', async () => {
    const directory = fresh()
    await writeCluster(directory, cluster(['m1', 'm2'], ['root']), { layout: 'etcd' })
    const before = tree(directory)
    const key = readFileSync(join(directory, 'members/m1/server.key'), 'utf8')
    const written = await writeTrust(directory, both, { layout: 'etcd' })
    expect(written).toEqual(
      ['members/m1/ca.crt', 'members/m2/ca.crt', 'clients/root/ca.crt'].map((file) => join(directory, file)),
    )
    for (const file of written) expect(anchorsIn(file)).toEqual(['etcd-ca', 'other-ca'])
    expect(tree(directory)).toEqual(before)
    expect(readFileSync(join(directory, 'members/m1/server.key'), 'utf8')).toBe(key)
    expect(faultsOf(join(directory, 'members/m1'))).toEqual([])
    expect(leftOvers(directory)).toEqual([])
  })

  it('does not remove a CA that a certificate needs, unless overwrite is set', async () => {
    const directory = fresh()
    await writeCluster(directory, cluster(['m1'], ['root']), { layout: 'etcd' })
    const error = await refused(writeTrust(directory, [newCa], { layout: 'etcd' }), 'ERR_WRITE_FAILED')
    expect(error.details.path).toBe(join(directory, 'members/m1/server.crt'))
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['etcd-ca'])
    await writeTrust(directory, [newCa], { layout: 'etcd', overwrite: true })
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['other-ca'])
  })

  it('checks and changes only the named members and clients', async () => {
    const directory = fresh()
    const mixed = cluster(['m1'], ['root'], { client: otherRoot, peer: otherRoot })
    await writeCluster(directory, cluster(['old']), { layout: 'etcd' })
    await writeCluster(directory, mixed, { layout: 'etcd' })
    await writeTrust(directory, [newCa], { layout: 'etcd', members: ['m1'], clients: [] })
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['other-ca'])
    expect(anchorsIn(directory, 'members/old/ca.crt')).toEqual(['etcd-ca'])
    await refused(writeTrust(directory, [newCa], { layout: 'etcd' }), 'ERR_WRITE_FAILED')
  })

  it('changes the trust of clients and of peers separately if they have two CAs', async () => {
    const directory = fresh()
    const peer = mintCa({ subject: 'peer-ca' })
    await writeCluster(directory, cluster(['m1'], ['root'], { client: root, peer }), { layout: 'etcd' })
    const error = await refused(writeTrust(directory, both, { layout: 'etcd' }), 'ERR_WRITE_FAILED')
    expect(error.message).toContain("traffic: 'client'")
    await writeTrust(directory, [Certificate.parse(peer.der), newCa], { layout: 'etcd', traffic: 'peer' })
    expect(anchorsIn(directory, 'members/m1/peer-ca.crt')).toEqual(['peer-ca', 'other-ca'])
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['etcd-ca'])
    await writeTrust(directory, both, { layout: 'etcd', traffic: 'client' })
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['etcd-ca', 'other-ca'])
    expect(anchorsIn(directory, 'clients/root/ca.crt')).toEqual(['etcd-ca', 'other-ca'])
  })

  it('writes the layout kubeadm for one node and for several', async () => {
    const [one, several] = [fresh(), fresh()]
    await writeCluster(one, cluster(['m1']), { layout: 'kubeadm' })
    expect(await writeTrust(one, both, { layout: 'kubeadm' })).toEqual([join(one, 'etcd/ca.crt')])
    await writeCluster(several, cluster(['m1', 'm2']), { layout: 'kubeadm' })
    await writeTrust(several, both, { layout: 'kubeadm' })
    for (const path of [one, join(several, 'm1'), join(several, 'm2')]) {
      expect(anchorsIn(path, 'etcd/ca.crt')).toEqual(['etcd-ca', 'other-ca'])
    }
  })

  it('fails before anything changes if a file is missing or cannot be read', async () => {
    const directory = fresh()
    await refused(writeTrust(directory, both, { layout: 'etcd' }), 'ERR_WRITE_FAILED')
    expect(existsSync(directory)).toBe(false)
    await writeCluster(directory, cluster(['m1'], ['root']), { layout: 'etcd' })
    await refused(writeTrust(directory, both, { layout: 'etcd', members: ['m1', 'm9'] }), 'ERR_WRITE_FAILED')
    await refused(writeTrust(directory, both, { layout: 'kubeadm' }), 'ERR_WRITE_FAILED')
    const path = join(directory, 'clients/root/tls.crt')
    rmSync(path)
    writeFileSync(path, 'text')
    const error = await refused(writeTrust(directory, both, { layout: 'etcd' }), 'ERR_WRITE_FAILED')
    expect(error.details.path).toBe(path)
    expect(anchorsIn(directory, 'members/m1/ca.crt')).toEqual(['etcd-ca'])
  })

  it('stops for a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(writeTrust('x', both, { layout: 'etcd', signal })).rejects.toThrow('enough')
  })
})

describe('withTrustAnchors', () => {
  it.each([
    [undefined, 'both both both both'],
    ['client', 'both one both both'],
    ['peer', 'one both one one'],
  ] as const)('changes the anchors for the traffic %s, and not the given cluster', (traffic, expected) => {
    const given = cluster(['m1'], ['root'])
    const { members, clients, kubeadm } = withTrustAnchors(given, both, { traffic })
    const all = [members.m1.server, members.m1.peer, clients.root, kubeadm?.m1.apiserverClient]
    expect(all.map((each) => (each?.trustAnchors.length === 2 ? 'both' : 'one')).join(' ')).toBe(expected)
    expect(members.m1.server.chain).toBe(given.members.m1.server.chain)
    expect(given.members.m1.server.trustAnchors).toHaveLength(1)
  })
})
