/** Requests are signed: what the caller names, and of the request what the caller's policy lets in. */
import { createPublicKey } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  inspectRequest,
  loadAuthority,
  type CsrPolicy,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import type { Certificate } from '../../../src/x509/certificate.js'
import {
  chainPem,
  dns,
  email,
  extendedKeyUsage,
  ip,
  keyUsage,
  mintCa,
  mintCsr,
  newKey,
  spkiOf,
  unknownExtension,
  uri,
} from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { errorCodes, refused } from '../../support/refused.js'
import { requestedOf } from '../../support/requested.js'

const folder = temporaryFolder()
const key = newKey()
const ledger = memoryLedger()
let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'Signing CA', ledger })
})

type CsrOptions = Partial<Parameters<typeof mintCsr>[0]>
const csr = (options: CsrOptions = {}): string => mintCsr({ subject: 'etcd-0', key, ...options }).pem
const namesOf = (certificate: Certificate): string[] =>
  certificate.subjectAltNames.map(({ kind, value }) => `${kind} ${value}`)

async function reason(text: string, options: Record<string, unknown>): Promise<string> {
  return (await refused(authority.sign(text, options as never), 'ERR_ISSUE_REFUSED')).details.reason
}

describe('by default', () => {
  it('issues exactly the certificate that the caller sets, for the key of the request', async () => {
    const asked = csr({
      subject: [
        ['O', 'system:masters'],
        ['CN', 'root'],
      ],
      names: [dns('evil.example'), ip('10.9.9.9'), email('a@b.example')],
      extensions: [
        keyUsage(['digitalSignature', 'dataEncipherment']),
        extendedKeyUsage(['codeSigning']),
        unknownExtension(false),
      ],
    })
    const signed = await authority.sign(asked, { role: 'server', name: 'etcd-0', hosts: ['etcd-0.etcd', '10.0.0.1'] })
    const [leaf, ...more] = signed.chain
    expect(more).toEqual([])
    expect(leaf.subject.toString()).toBe('CN=etcd-0')
    expect(namesOf(leaf)).toEqual(['dns etcd-0.etcd', 'ip 10.0.0.1'])
    expect([...(leaf.extensions.keyUsage ?? [])]).toEqual(['digitalSignature'])
    expect(leaf.extensions.extendedKeyUsage).toEqual(['serverAuth', 'clientAuth'])
    expect(leaf.isCa).toBe(false)
    expect(leaf.extensions.all).toHaveLength(6)
    expect(Buffer.from(leaf.spki)).toEqual(spkiOf(key))
    expect(signed.origin).toBe('server "etcd-0"')
    expect(signed.trustAnchors.map(String)).toEqual([String(authority.certificate)])
    expect(requestedOf(signed.request)).toMatchObject({ commonName: 'root', hosts: ['evil.example', '10.9.9.9'] })
    expect(signed.findings.map((each) => each.code)).toEqual(['request/ignored'])
    expect('key' in signed).toBe(false)
  })

  it.each<[string, CsrOptions['key'], string[]]>([
    ['P-384', 'p384', ['digitalSignature']],
    ['P-521', 'p521', ['digitalSignature']],
    ['Ed25519', 'ed25519', ['digitalSignature']],
    ['RSA', 'rsa-2048', ['digitalSignature', 'keyEncipherment']],
  ])('issues for a key of %s a certificate that openssl verifies', async (_, kind, usage) => {
    const { der } = mintCsr({ subject: 'x', key: kind })
    const { chain } = await authority.sign(der, { role: 'peer', name: 'etcd-0', hosts: ['etcd-0.etcd'] })
    expect([...(chain[0].extensions.keyUsage ?? [])]).toEqual(usage)
    const ca = folder.file('ca.pem', authority.certificate.toPem())
    openssl(['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca], chain[0].toPem())
  })

  it('a signed request is in the ledger before the certificate is returned, and may have been inspected before', async () => {
    const before = (await ledger.read()).length
    const { request } = inspectRequest(csr())
    const { chain } = await authority.sign(request ?? '', { role: 'client', name: 'bob', subject: { country: 'DE' } })
    expect((await ledger.read()).slice(before)).toMatchObject([
      { kind: 'issued', role: 'client', subject: 'CN=bob,C=DE', fingerprint256: chain[0].fingerprint256 },
    ])
  })
})

describe('names that are accepted from the request', () => {
  const HOSTS = [dns('etcd-0.etcd.svc'), ip('10.0.0.7'), uri('spiffe://cluster/etcd/0')]
  const allow = { name: ['etcd-*'], hosts: ['*.etcd.svc', '10.0.0.0/8', 'spiffe://cluster/*'] } as const

  it('the accepted names are name and hosts within the policy, and hosts of the caller', async () => {
    const { chain } = await authority.sign(csr({ names: HOSTS }), {
      role: 'server',
      hosts: ['localhost', '10.0.0.7'],
      allow,
    })
    expect(chain[0].subject.toString()).toBe('CN=etcd-0')
    expect(namesOf(chain[0])).toEqual([
      'dns localhost',
      'ip 10.0.0.7',
      'dns etcd-0.etcd.svc',
      'uri spiffe://cluster/etcd/0',
    ])
  })

  it('names outside the policy are refused, with each name in the error', async () => {
    const names = [...HOSTS, dns('evil.example'), ip('11.0.0.1'), dns('10.0.0.1')]
    expect(await reason(csr({ names }), { role: 'server', name: 'x', allow: { hosts: allow.hosts } })).toBe(
      'The request asks for names that "allow.hosts" does not allow: "evil.example", "11.0.0.1", "10.0.0.1"',
    )
  })

  it.each<[string, string, string, CsrPolicy['hosts'], boolean]>([
    ['a name, itself', 'dns', 'etcd-0.etcd', ['etcd-0.etcd'], true],
    ['a name, one below', 'dns', 'a.etcd-0.etcd', ['etcd-0.etcd'], false],
    ['below, two labels', 'dns', 'b.a.etcd.svc', ['*.etcd.svc'], true],
    ['below, the domain itself', 'dns', 'etcd.svc', ['*.etcd.svc'], false],
    ['below, a name that only ends alike', 'dns', 'xetcd.svc', ['*.etcd.svc'], false],
    ['below, a wildcard of more', 'dns', '*.svc', ['*.etcd.svc'], false],
    ['letters in another case', 'dns', 'A.ETCD.svc', ['*.etcd.SVC'], true],
    ['an address by another spelling', 'ip', '2001:db8::1', ['2001:0db8:0::0001'], true],
    ['an address at the end of a range', 'ip', '192.168.1.127', ['192.168.1.0/25'], true],
    ['an address behind a range', 'ip', '192.168.1.128', ['192.168.1.0/25'], false],
    ['every address of the other family', 'ip', '::1', ['0.0.0.0/0'], false],
    ['an IPv4-mapped address', 'ip', '::ffff:10.0.0.1', ['10.0.0.0/8'], false],
    ['IPv6 in a range', 'ip', '2001:db8:1::1', ['2001:db8::/32'], true],
    ['an address as a name is no name', 'ip', '10.0.0.1', ['*.svc'], false],
    ['a URI, itself', 'uri', 'spiffe://Cluster/etcd', ['spiffe://cluster/etcd'], true],
    ['a URI, below', 'uri', 'spiffe://cluster/a/b', ['spiffe://cluster/*'], true],
    ['a URI of another trust domain', 'uri', 'spiffe://cluster.evil/a', ['spiffe://cluster/*'], false],
    ['a URI, the path in another case', 'uri', 'spiffe://cluster/ETCD', ['spiffe://cluster/etcd'], false],
    [
      'a URI that climbs out in disguise',
      'uri',
      'spiffe://cluster/etcd/%2e%2E/root',
      ['spiffe://cluster/etcd/*'],
      false,
    ],
    ['a URI that climbs out at its end', 'uri', 'spiffe://cluster/etcd/..', ['spiffe://cluster/etcd/*'], false],
    ['a URI with dots in a name', 'uri', 'spiffe://cluster/etcd/a..b', ['spiffe://cluster/etcd/*'], true],
  ])('a policy decides about a name: %s: %s %s by %j is %s', async (_, kind, value, hosts, allowed) => {
    const name = { dns, ip, uri }[kind as 'dns'](value)
    const signing = authority.sign(csr({ names: [name] }), { role: 'client', name: 'x', allow: { hosts } })
    if (allowed) expect((await signing).chain[0].subjectAltNames).toHaveLength(1)
    else expect((await refused(signing, 'ERR_ISSUE_REFUSED')).details.reason).toContain('allow.hosts')
  })

  it.each<[string, CsrPolicy['name'], boolean]>([
    ['etcd-0', true, true],
    ['etcd-0', ['etcd-1', 'etcd-0'], true],
    ['etcd-0', ['etcd-1'], false],
    ['etcd-0', ['etcd-*'], true],
    ['xetcd-0', ['etcd-*'], false],
    ['a-b-c', ['a*b*c'], true],
    ['acb', ['a*b*c'], false],
    ['abc', ['a*b*b*c'], false],
    ['aba', ['ab*ba'], false],
    ['etcd.0', ['etcd?0'], false],
    ['root', true, false],
    ['root', ['r*', 'root*'], false],
    ['root', ['etcd-*', 'root'], true],
    ['rooty', true, true],
  ])('the common name %s by %j is %s', async (subject, name, allowed) => {
    const signing = authority.sign(csr({ subject }), { role: 'client', allow: { name } })
    if (allowed) expect((await signing).chain[0].subject.toString()).toBe(`CN=${subject}`)
    else expect((await refused(signing, 'ERR_ISSUE_REFUSED')).details.reason).toContain('"allow.name" does not allow')
  })

  it('names are refused if the name is missing or cannot be used', async () => {
    const policy = { role: 'client', allow: { name: true } }
    expect(await reason(csr({ subject: '' }), policy)).toContain('asks for no common name')
    expect(
      await reason(
        csr({
          subject: [
            ['CN', 'a'],
            ['CN', 'b'],
          ],
        }),
        policy,
      ),
    ).toContain('is there 2 times')
    expect(await reason(csr({ subject: 'a\u200bb' }), policy)).toContain('invisible')
  })

  it('names are refused if there are more hosts than a certificate can have, or none for a server', async () => {
    const names = Array.from({ length: 1001 }, (_, i) => dns(`h${String(i)}.svc`))
    expect(await reason(csr({ names }), { role: 'server', name: 'x', allow: { hosts: ['*.svc'] } })).toBe(
      'The request asks for too many hosts: they must have at most 1000 entries',
    )
    expect(await reason(csr(), { role: 'server', name: 'x', allow: { hosts: ['*.svc'] } })).toBe(
      'The request asks for no host, and peers refuse a server certificate without one',
    )
  })
})

describe('requests that are refused', () => {
  it.each<[string, CsrOptions]>([
    ['request/signature-refused', { signWith: newKey() }],
    ['request/key-refused', { key: newKey('rsa-1024') }],
    ['request/extension-refused', { extensions: [unknownExtension(true)] }],
  ])('refuses a request with the finding %s', async (code, options) => {
    const before = (await ledger.read()).length
    const signing = authority.sign(csr(options), { role: 'client', name: 'x', skipEtcdChecks: true })
    const { details } = await refused(signing, 'ERR_ISSUE_REFUSED')
    expect(errorCodes(details.findings)).toEqual([code])
    expect(details.reason).toContain(`[${code}]`)
    expect(await ledger.read()).toHaveLength(before)
  })

  it('refuses input that is not a request', async () => {
    const { details } = await refused(authority.sign('hello', { role: 'client', name: 'x' }), 'ERR_ISSUE_REFUSED')
    expect(errorCodes(details.findings)).toEqual(['input/unexpected-content'])
  })

  it("refuses a request for the authority's own key, or the key of a CA above, however it is written", async () => {
    const root = mintCa({ subject: 'Root', key: 'rsa-2048' })
    const middle = mintCa({ subject: 'Middle', issuer: root, pathLength: 0 })
    const low = await loadAuthority({ cert: middle.pem, key: middle.keyPem, chain: chainPem(root) })
    for (const [subject, held] of [
      ['Middle', middle.key],
      ['Root', root.key],
    ] as const) {
      const signing = low.sign(csr({ key: held }), { role: 'client', name: 'x' })
      expect((await refused(signing, 'ERR_ISSUE_REFUSED')).details.reason).toBe(
        `The key of the CA "CN=${subject}" must not be the key of a member or client, who could issue then`,
      )
    }
    expect(createPublicKey(middle.key).asymmetricKeyType).toBe('ec')
    const other = await low.sign(csr({ key: newKey('rsa-2048') }), { role: 'client', name: 'x' })
    expect(other.chain).toHaveLength(2)
  })

  it('refuses a certificate outside the lifetime or the names of the authority', async () => {
    const narrow = await createAuthority({ name: 'Narrow', validity: '30d', permittedNames: ['etcd.svc'] })
    const long = narrow.sign(csr(), { role: 'client', name: 'x', validity: '60d' })
    expect((await refused(long, 'ERR_ISSUE_REFUSED')).details.reason).toContain('ask for a shorter "validity"')
    const allow = { hosts: ['*.example'] } as const
    const foreign = narrow.sign(csr({ names: [dns('a.example')] }), { role: 'server', name: 'x', allow })
    expect(errorCodes((await refused(foreign, 'ERR_ISSUE_REFUSED')).details.findings)).toEqual([
      'name-constraints/name-refused',
    ])
  })
})
