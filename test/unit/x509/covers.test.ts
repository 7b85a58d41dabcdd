import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/validate/index.js'
import { dns, ip, mintLeaf, uri } from '../../support/mint.js'

const leaf = mintLeaf({
  subject: 'only-in-cn.etcd.svc',
  names: [dns('etcd-0.etcd.svc'), dns('*.peer.svc'), ip('10.0.0.1'), uri('spiffe://cluster/etcd')],
})
const certificate = Certificate.parse(leaf.der)

describe('covers', () => {
  it.each([
    ['ETCD-0.etcd.svc.', 'dns', 'etcd-0.etcd.svc', 'etcd-0.etcd.svc'],
    ['m1.peer.svc', 'dns', 'm1.peer.svc', '*.peer.svc'],
    ['10.0.0.1', 'ip', '10.0.0.1', '10.0.0.1'],
    ['spiffe://CLUSTER/etcd', 'uri', 'spiffe://CLUSTER/etcd', 'spiffe://cluster/etcd'],
    ['a.b.peer.svc', 'dns', 'a.b.peer.svc', null],
    ['only-in-cn.etcd.svc', 'dns', 'only-in-cn.etcd.svc', null],
    ['0:0:0:0:0:0:0:1', 'ip', '::1', null],
  ])('says of %s what covers it', (asked, kind, host, name) => {
    expect(certificate.covers([asked])).toEqual([{ host, kind, name }])
  })

  it('answers for every host of a list, in its order', () => {
    expect(certificate.covers(['x.y.z', '10.0.0.1']).map(({ name }) => name)).toEqual([null, '10.0.0.1'])
  })

  it.each([
    ['an ambiguous host', ['10.0.0.300'], 'hosts[0]'],
    ['no list', 'a' as never, 'hosts'],
  ])('throws on %s', (_, hosts, option) => {
    expect(() => certificate.covers(hosts)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as unknown,
      }) as Error,
    )
  })
})
