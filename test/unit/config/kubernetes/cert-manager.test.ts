import { describe, expect, it } from 'vitest'
import { certManagerResources, type CertManagerOptions } from '../../../../src/config/index.js'
import { complaints } from '../../../support/kubernetes-schemas.js'

const peerHosts = [0, 1, 2].map((ordinal) => `etcd-${String(ordinal)}.etcd.db.svc.cluster.local`)
const hosts = [...peerHosts, 'etcd-client.db.svc', 'localhost', '127.0.0.1', '::1']
const plan: CertManagerOptions = {
  name: 'etcd',
  namespace: 'db',
  members: [{ name: 'etcd', hosts, peerHosts }],
  clients: ['root', { user: 'Orders Service', secretName: 'orders-etcd' }],
}

function certificate(name: string, options = plan): Record<string, unknown> {
  const found = certManagerResources(options).find((each) => each.kind === 'Certificate' && each.metadata.name === name)
  return found?.spec ?? {}
}

describe('by the schemas of cert-manager', () => {
  it.each([
    ['CAs of its own', {}],
    ['an existing issuer', { issuer: { name: 'company', kind: 'ClusterIssuer' } }],
    ['an issuer for members', { peerIssuer: { name: 'peers' } }],
    ['RSA keys', { algorithm: 'rsa-4096' as const }],
    ['addresses and URIs', { members: [{ name: 'a', hosts: ['10.0.0.1', '::1', 'spiffe://cluster/etcd'] as const }] }],
    ['hostile common names', { clients: [{ user: '"\'{}: #\\$(A)', secretName: 'a' }] }],
  ])('the schemas of cert-manager accept %s', (_, changes) => {
    expect(certManagerResources({ ...plan, ...changes }).flatMap(complaints)).toEqual([])
  })

  it('the schemas of cert-manager reject faulty certificates', () => {
    const [good] = certManagerResources(plan).filter(({ kind }) => kind === 'Certificate')
    const spec = good?.spec ?? {}
    const bad = [
      { ...spec, usages: ['everything'] },
      { ...spec, privateKey: { rotationPolicy: 'Sometimes' } },
      { ...spec, renewbefore: '1h' },
      { secretName: 'a' },
    ]
    expect(complaints({ ...good, spec })).toEqual([])
    for (const each of bad) expect(complaints({ ...good, spec: each })).toHaveLength(1)
  })
})

it('members serve and dial with one certificate, clients dial alone', () => {
  expect(certificate('etcd-server')['usages']).toEqual(['digital signature', 'server auth', 'client auth'])
  expect(certificate('etcd-peer')['usages']).toEqual(['digital signature', 'server auth', 'client auth'])
  expect(certificate('etcd-client-root')['usages']).toEqual(['digital signature', 'client auth'])
  expect(certificate('orders-etcd')['commonName']).toBe('Orders Service')
})

it('keys are new with each renewal, keys of CAs are not, and only RSA keys encipher', () => {
  const key = { rotationPolicy: 'Always', algorithm: 'ECDSA', size: 256 }
  expect(certificate('etcd-server')['privateKey']).toMatchObject(key)
  expect(certificate('etcd-ca')['privateKey']).toMatchObject({ rotationPolicy: 'Never' })
  expect(certificate('etcd-server', { ...plan, algorithm: 'rsa-2048' })['usages']).toContain('key encipherment')
})

it('durations are written as Go writes them', () => {
  const { duration, renewBefore } = certificate('etcd-server') as Record<string, string>
  expect([duration, renewBefore]).toEqual(['2160h0m0s', '720h0m0s'])
  expect(certificate('etcd-server', { ...plan, duration: '90m', renewBefore: '330s' })).toMatchObject({
    duration: '1h30m0s',
    renewBefore: '0h5m30s',
  })
})

it('members have a CA of their own, unless an issuer is named', () => {
  expect(certificate('etcd-server')['issuerRef']).toMatchObject({ name: 'etcd-ca' })
  expect(certificate('etcd-peer')['issuerRef']).toMatchObject({ name: 'etcd-peer-ca' })
  const named = { ...plan, issuer: { name: 'company' } }
  expect(certificate('etcd-peer', named)['issuerRef']).toMatchObject({ name: 'company' })
  expect(certManagerResources(named).map(({ kind }) => kind)).not.toContain('Issuer')
})

it.each<[string, Partial<CertManagerOptions>]>([
  ['duration', { duration: '59m' }],
  ['renewBefore', { renewBefore: '4m' }],
  ['renewBefore', { renewBefore: '90d' }],
  ['renewBefore', { renewBefore: '100ms' }],
  ['algorithm', { algorithm: 'toString' as never }],
  ['name', { name: 'Etcd' }],
  ['namespace', { namespace: 'a.b' }],
  ['members[0].hosts', { members: [{ name: 'a', hosts: [] }] }],
  ['members[0].hosts', { members: [{ name: 'a', hosts: ['https://a:2379'] }] }],
  ['members', { members: 'etcd' as never }],
  ['clients[0].secretName', { clients: ['Orders Service'] }],
  ['clients[0].user', { clients: [{ user: 'a'.repeat(65), secretName: 'a' }] }],
  ['options', { clients: ['a', 'a'] }],
  ['peerIssuer.kind', { peerIssuer: { name: 'a', kind: 'a/b' } }],
])('%s is refused: %j', (option, changes) => {
  expect(() => certManagerResources({ ...plan, ...changes })).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) as unknown }),
  )
})
