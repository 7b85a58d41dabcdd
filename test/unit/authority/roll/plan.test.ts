import { describe, expect, it } from 'vitest'
import { createAuthority, formatPlan, planCaRoll, type CaRollPlan } from '../../../../src/authority/index.js'
import { Certificate } from '../../../../src/x509/certificate.js'
import { mintCa, mintLeaf } from '../../../support/mint.js'
import { refused } from '../../../support/refused.js'

const parse = (minted: { der: Uint8Array }): Certificate => Certificate.parse(minted.der)
const [oldCa, newCa] = [mintCa({ subject: 'etcd CA' }), mintCa({ subject: 'etcd CA 2' })]
const [from, to] = [parse(oldCa), parse(newCa)]
const members = ['m1', 'm2', 'm3'] as const

function ids({ steps }: CaRollPlan): string[] {
  return steps.map(({ id }) => id)
}

describe('the steps', () => {
  it('by a bundle: two restarts around the change of certificates', () => {
    const plan = planCaRoll({ from, to, members, clients: ['root'] })
    expect(ids(plan)).toEqual(['trust-both', 'restart-trusting-both', 'reissue', 'trust-new', 'restart-trusting-new'])
    for (const step of plan.steps) {
      expect(step.before.join(' '), step.id).toContain('checkCaRoll')
      expect(step.check.length, step.id).toBeGreaterThan(0)
      expect(step.do.length, step.id).toBeGreaterThan(0)
    }
    const restart = plan.steps[1]
    expect(restart?.do.map(({ text }) => text)).toEqual([
      ...members.map((name) => `Restart ${name}, and wait until it is healthy.`),
      expect.stringContaining('kube-apiserver'),
    ])
    expect(restart?.before.join(' ')).toContain('Every member is healthy')
  })

  it('by a cross-certificate: one restart', async () => {
    const [one, other] = [await createAuthority({ name: 'one' }), await createAuthority({ name: 'other' })]
    const crossCertificate = await one.crossSign(other)
    const plan = planCaRoll({ from: one, to: other, members, crossCertificate })
    expect(ids(plan)).toEqual(['reissue', 'trust-new', 'restart-trusting-new', 'retire-cross-certificate'])
    expect(plan.crossCertificate).toBe(crossCertificate.toPem())
  })

  it('of an intermediate it is the root that is rolled', async () => {
    const root = await createAuthority({ name: 'root' })
    const middle = await root.createIntermediate({ name: 'middle' })
    expect(planCaRoll({ from: middle, to, members }).from.fingerprint256).toBe(root.certificate.fingerprint256)
  })
})

describe('the files', () => {
  it.each([
    [
      { traffic: 'all' },
      ['members/m1/ca.crt', 'clients/root/ca.crt'],
      ['members/m1/server.crt', 'members/m1/peer.crt', 'clients/root/tls.crt'],
    ],
    [
      { traffic: 'client' },
      ['members/m1/ca.crt', 'clients/root/ca.crt'],
      ['members/m1/server.crt', 'clients/root/tls.crt'],
    ],
    [{ traffic: 'peer' }, ['members/m1/peer-ca.crt'], ['members/m1/peer.crt']],
  ] as const)('of the layout etcd, %o', (options, trust, certificates) => {
    const plan = planCaRoll({ from, to, members: ['m1'], clients: ['root'], ...options })
    expect(plan.files).toEqual({ trust, certificates })
    const changed = plan.steps.flatMap((step) => step.do.flatMap(({ files }) => files))
    expect(new Set(changed)).toEqual(new Set([...trust, ...certificates]))
  })

  it('of the layout kubeadm: one node directly, several in folders', () => {
    const one = planCaRoll({ from, to, members: ['m1'], layout: 'kubeadm' })
    expect(one.files.trust).toEqual(['etcd/ca.crt'])
    expect(one.files.certificates).toContain('apiserver-etcd-client.crt')
    const several = planCaRoll({ from, to, members: ['m1', 'm2'], layout: 'kubeadm' })
    expect(several.files.trust).toEqual(['m1/etcd/ca.crt', 'm2/etcd/ca.crt'])
  })
})

it('it is plain data', () => {
  const plan = planCaRoll({ from, to, members })
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
})

it('what is worth knowing: the end of the old CA, one name', () => {
  const plain = planCaRoll({ from, to, members })
  expect(plain.notes).toEqual([expect.stringContaining(from.notAfter.toISOString())])
  const namesake = planCaRoll({ from, to: parse(mintCa({ subject: 'etcd CA' })), members })
  expect(namesake.notes[1]).toContain('the same name')
})

it('formatPlan prints each step, wraps, and counts files that are too many', () => {
  const many = Array.from({ length: 20 }, (_, i) => `m${String(i)}`)
  const plan = planCaRoll({ from, to, members: many })
  const text = formatPlan(plan)
  expect(text.split('\n')[0]).toBe('Roll of the CA "CN=etcd CA" to "CN=etcd CA 2"')
  for (const [index, { id, title }] of plan.steps.entries()) {
    expect(text).toContain(`\n${String(index + 1)}. ${title.slice(0, 20)}`)
    expect(text).toContain(`(${id})`)
  }
  expect(text).toContain('and 8 more')
  // A fingerprint is never broken.
  const long = text.split('\n').filter((line) => line.length > 80 && !/^ {2}(from|to): /.test(line))
  expect(long).toEqual([])
  expect(text).not.toMatch(/undefined|\[object/)
  expect(formatPlan(plan, { width: Infinity }).split('\n').length).toBeLessThan(text.split('\n').length)
  expect(() => formatPlan(plan, { width: Number.NaN })).toThrow(/width/)
})

describe('misuse', () => {
  const leaf = parse(mintLeaf({ issuer: oldCa, subject: 'leaf', names: [] }))
  it.each([
    ['no members', { from, to, members: [] }],
    ['members of one name', { from, to, members: ['a', 'A'] }],
    ['a name with a slash', { from, to, members: ['../a'] }],
    ['the same CA', { from, to: from, members }],
    ['a new certificate of the same key', { from, to: parse(mintCa({ subject: 'etcd CA', key: oldCa.key })), members }],
    ['no CA', { from, to: leaf, members }],
    ['PEM', { from: oldCa.pem, to, members }],
    ['another layout', { from, to, members, layout: 'cfssl' }],
    ['other traffic', { from, to, members, traffic: 'server' }],
    ['a CA of its own in kubeadm', { from, to, members, layout: 'kubeadm', traffic: 'peer' }],
    ['a cross-certificate of another', { from, to, members, crossCertificate: leaf }],
    ['a root as cross-certificate', { from, to, members, crossCertificate: to }],
    ['an unknown option', { from, to, members, force: true }],
  ])('%s', async (_, options) => {
    const call = async (): Promise<unknown> => Promise.resolve(planCaRoll(options as Parameters<typeof planCaRoll>[0]))
    await refused(call(), 'ERR_OPTION_INVALID')
  })
})
