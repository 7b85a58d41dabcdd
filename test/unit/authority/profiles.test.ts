/** What a caller can narrow and extend, how far, and what is refused unless the option says so by name. */
import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Authority, createAuthority, type IssueRequest, PrivateKey } from '../../../src/authority/index.js'
import type { FindingCode } from '../../../src/validate/index.js'
import { newKey } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'Unit CA' })
})

const CLIENT = { role: 'client', name: 'app' } as const
const SERVER = { role: 'server', name: 'etcd-0', hosts: ['etcd-0.etcd.svc'] } as const
const PEER = { ...SERVER, role: 'peer' } as const

async function text(request: IssueRequest): Promise<string> {
  const { chain } = await authority.issue(request)
  return openssl(['x509', '-noout', '-text', '-nameopt', 'RFC2253,utf8,-esc_msb'], chain[0].toPem())
}

describe('subject attributes', () => {
  it('writes subject attributes before the common name, which is last', async () => {
    const subject = {
      organization: ['system:masters', 'Zoë & Söhne'],
      country: 'DE',
      state: 'Bayern',
      locality: 'München',
      organizationalUnit: 'etcd',
    }
    const { chain } = await authority.issue({ ...CLIENT, subject })
    expect(chain[0].subject.toString()).toBe('CN=app,OU=etcd,O=Zoë & Söhne,O=system:masters,L=München,ST=Bayern,C=DE')
    const { types, values } = {
      types: chain[0].subject.relativeNames.flat().map(({ type }) => type),
      values: chain[0].subject.relativeNames.length,
    }
    expect([types.at(-1), values]).toEqual(['2.5.4.3', 7])
    const tree = openssl(['asn1parse'], chain[0].toPem())
    expect(tree).toMatch(/PRINTABLESTRING +:DE/)
    expect(tree).toMatch(/UTF8STRING +:app/)
  })

  it('accepts sixteen organizations, and characters beyond the first plane', async () => {
    const organization = Array.from({ length: 16 }, (_, i) => `${'\u{1f511}'.repeat(50)}${String(10 + i)}`)
    const name = '\u{1f600}'.repeat(64)
    const { chain } = await authority.issue({ role: 'client', name, subject: { organization } })
    expect(chain[0].subject.relativeNames).toHaveLength(17)
    expect(new X509Certificate(chain[0].toPem()).subject.match(/^O=/gm)).toHaveLength(16)
  })
})

describe('extended key usage', () => {
  it('writes fewer and more purposes than the role has by default', async () => {
    const both = await text({ ...CLIENT, extendedKeyUsage: ['clientAuth', 'serverAuth', 'clientAuth'] })
    expect(both).toMatch(/Extended Key Usage: \n +TLS Web Client Authentication, TLS Web Server Authentication\n/)
    const more = await text({ ...SERVER, extendedKeyUsage: ['serverAuth', '1.3.6.1.5.5.7.3.2', '1.3.6.1.4.1.99999.7'] })
    expect(more).toContain('TLS Web Server Authentication, TLS Web Client Authentication, 1.3.6.1.4.1.99999.7')
  })
})

describe('further extensions', () => {
  const NOTE = { oid: '1.3.6.1.4.1.99999.1', value: Buffer.from('0c0568656c6c6f', 'hex') }

  it('writes further extensions after the others, unchanged', async () => {
    const { chain } = await authority.issue({ ...CLIENT, extensions: [NOTE] })
    const last = chain[0].extensions.all.at(-1)
    expect(last).toMatchObject({ oid: NOTE.oid, critical: false })
    expect(Buffer.from(last?.value ?? [])).toEqual(NOTE.value)
  })

  it('accepts twenty further extensions, and one of 8 KiB', async () => {
    const value = Buffer.concat([Buffer.from([0x04, 0x82, 0x1f, 0xfc]), Buffer.alloc(8188)])
    const many = Array.from({ length: 20 }, (_, i) => ({ oid: `1.3.6.1.4.1.99999.${String(i)}`, value: NOTE.value }))
    await authority.issue({ ...CLIENT, extensions: [...many.slice(0, 19), { oid: '1.2.3.4', value }] })
  })
})

const CRITICAL = { oid: '1.3.6.1.4.1.99999.1', critical: true, value: Buffer.from('0500', 'hex') }
/** policyConstraints that require a policy: Go refuses them. */
const POLICY = { oid: '2.5.29.36', value: Buffer.from('3003800100', 'hex') }
const BROKEN = { oid: '2.5.29.31', value: Buffer.from('0500', 'hex') }

describe('certificates that etcd, its gateway or its clients refuse', () => {
  it.each<[string, IssueRequest, FindingCode]>([
    [
      'a client without clientAuth',
      { ...CLIENT, extendedKeyUsage: ['serverAuth'] },
      'usage/extended-key-usage-missing',
    ],
    [
      'a server with serverAuth alone',
      { ...SERVER, extendedKeyUsage: ['serverAuth'] },
      'usage/gateway-client-auth-missing',
    ],
    ['a peer with serverAuth alone', { ...PEER, extendedKeyUsage: ['serverAuth'] }, 'usage/extended-key-usage-missing'],
    ['a critical extension', { ...CLIENT, extensions: [CRITICAL] }, 'certificate/extension-refused'],
    [
      'a server with Server Gated Cryptography instead of serverAuth, which only Node accepts',
      { ...SERVER, extendedKeyUsage: ['1.3.6.1.4.1.311.10.3.3', 'clientAuth'] },
      'usage/extended-key-usage-missing',
    ],
    ['a server with policyConstraints', { ...SERVER, extensions: [POLICY] }, 'certificate/policy-extension'],
    ['a client with policyConstraints', { ...CLIENT, extensions: [POLICY] }, 'certificate/policy-extension'],
    ['an extension that cannot be read', { ...SERVER, extensions: [BROKEN] }, 'certificate/extension-refused'],
  ])('refuses %s unless skipEtcdChecks is set', async (_, request, code) => {
    const error = await refused(authority.issue(request), 'ERR_ISSUE_REFUSED')
    expect(error.details.findings.map((each) => each.code)).toContain(code)
    const { chain } = await authority.issue({ ...request, skipEtcdChecks: true })
    expect(chain[0].subject.commonName).toBe(request.name)
  })

  it('issues a member certificate without hosts if skipEtcdChecks is set', async () => {
    const given = await authority.issue({ role: 'peer', name: 'x', hosts: [], skipEtcdChecks: true })
    expect(given.chain[0].extensions.subjectAltName).toBe(null)
  })

  it('refuses a weak key unless skipEtcdChecks is set', async () => {
    const key = PrivateKey.fromKeyObject(newKey('rsa-1024'))
    const error = await refused(authority.issue({ ...CLIENT, key }), 'ERR_ISSUE_REFUSED')
    expect(error.details.findings.map((each) => each.code)).toContain('key/weak')
    expect((await authority.issue({ ...CLIENT, key, skipEtcdChecks: true })).key).toBe(key)
  })

  it('refuses an end after the end of the authority, and the key of the authority, even with skipEtcdChecks', async () => {
    const skipEtcdChecks = true
    await refused(authority.issue({ ...CLIENT, validity: '9999d', skipEtcdChecks }), 'ERR_ISSUE_REFUSED')
    const { key } = authority.issuer
    if (key === null) throw new Error('the authority holds its key')
    await refused(authority.issue({ ...CLIENT, key, skipEtcdChecks }), 'ERR_ISSUE_REFUSED')
  })
})

it('refuses a chain that does not fit into a handshake', async () => {
  const label = 'a'.repeat(60)
  const domains = Array.from({ length: 99 }, (_, i) => `${`${label}.`.repeat(4)}x${String(i)}`)
  const below = await authority.createIntermediate({ name: 'Below', permittedNames: ['svc', ...domains] })
  const hosts = Array.from({ length: 450 }, (_, i) => `${label}.h${String(100 + i)}.svc`)
  const request = { ...SERVER, hosts }
  expect((await below.issue(request)).chain).toHaveLength(2)
  const value = Buffer.concat([Buffer.from('04821f00', 'hex'), Buffer.alloc(0x1f00)])
  const more = { ...request, extensions: [{ oid: '1.2.3.4', value }] }
  const { details } = await refused(below.issue(more), 'ERR_ISSUE_REFUSED')
  expect(details.reason).toContain('64 KiB in a handshake')
  await below.issue({ ...more, skipEtcdChecks: true })
})

describe('a clock', () => {
  it('lets an authority outside its lifetime revoke, and not issue', async () => {
    let now = new Date('2026-06-01T00:00:00Z')
    const moving = await createAuthority({ name: 'CA', validity: '30d', clock: () => now })
    const { chain } = await moving.issue(CLIENT)
    for (const [time, words] of [
      ['2026-07-01T00:00:00Z', 'has expired'],
      ['2026-05-31T23:54:59Z', 'not valid before'],
    ] as const) {
      now = new Date(time)
      const { details } = await refused(moving.issue(CLIENT), 'ERR_ISSUE_REFUSED')
      expect(details.reason).toContain(words)
      await refused(moving.createIntermediate({ name: 'Below' }), 'ERR_ISSUE_REFUSED')
    }
    now = new Date('2026-07-02T00:00:00Z')
    await moving.revoke(chain[0])
    expect((await moving.issueCrl()).find(chain[0])).not.toBe(null)
  })
})

it('removes duplicates of hosts in any spelling', async () => {
  const hosts = ['ETCD.svc', 'etcd.svc.', '::1', '0:0:0:0:0:0:0:1', '10.0.0.1', '10.0.0.1'] as const
  const { chain } = await authority.issue({ role: 'server', name: 'x', hosts })
  expect(chain[0].subjectAltNames.map((each) => each.value)).toEqual(['etcd.svc', '::1', '10.0.0.1'])
  const long = `${'a'.repeat(60)}.svc`
  const often = await authority.issue({ role: 'server', name: 'x', hosts: [long, ...Array<string>(999).fill(long)] })
  expect(often.chain[0].subjectAltNames).toHaveLength(1)
})

it.each(['\u{1f600}'.repeat(64), 'Zoë, "CN=root"+O=x', '#1'])('%j is one common name', async (name) => {
  const { chain } = await authority.issue({ role: 'client', name })
  expect(chain[0].subject.commonName).toBe(name)
  expect(chain[0].subject.relativeNames).toHaveLength(1)
  const ca = await createAuthority({ name })
  expect(ca.certificate.subject.commonName).toBe(name)
  expect(ca.certificate.subject.relativeNames).toHaveLength(1)
  const below = await ca.issue({ role: 'client', name: 'x' })
  expect(below.chain[0].issuer.raw).toEqual(ca.certificate.subject.raw)
})
