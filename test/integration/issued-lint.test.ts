/** What is issued, read by others: openssl, Go, GnuTLS and cfssl read each role under each kind of key. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAuthority, type IssueRequest, type KeyAlgorithm } from '../../src/authority/index.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { pemOf } from '../support/etcd.js'
import { drawn } from '../support/long.js'
import { openssl, runTool, temporaryFolder } from '../support/openssl.js'
import { GoOracle } from '../support/oracle-go.js'

const { file } = temporaryFolder()
const ALGORITHMS = drawn(['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-2048', 'rsa-3072'] as const, 1)
const ROLES = ['server', 'peer', 'client'] as const
const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '2001:db8::1', 'spiffe://cluster/etcd'] as const

type Pki = Awaited<ReturnType<typeof make>>
let go: GoOracle
const pkis = new Map<KeyAlgorithm, Pki>()

beforeAll(async () => {
  go = await GoOracle.start()
  for (const algorithm of ALGORITHMS) pkis.set(algorithm, await make(algorithm))
})
afterAll(() => go.close())

async function make(algorithm: KeyAlgorithm) {
  const permittedNames = ['etcd.svc', '0.0.0.0/0', '::/0']
  const root = await createAuthority({ name: `Root ${algorithm}`, algorithm, permittedNames })
  const below = await root.createIntermediate({ name: 'Issuing', algorithm, subject: { organization: 'Example' } })
  const subject = { country: 'DE', organization: ['a', 'b'] }
  const requestOf = (role: (typeof ROLES)[number]): IssueRequest =>
    role === 'client'
      ? { role, name: 'Zoë \u{1f511}', subject, algorithm }
      : { role, name: 'etcd-0', hosts: HOSTS, algorithm }
  const issued = new Map<string, Credentials>()
  for (const role of ROLES) issued.set(role, await below.issue(requestOf(role)))
  const { chain } = await below.issue({ role: 'client', name: 'gone' })
  await below.revoke(chain[0], { reason: 'keyCompromise' })
  return { root, below, issued, crl: await below.issueCrl(), revoked: chain[0] }
}

function pkiOf(algorithm: KeyAlgorithm): Pki {
  const made = pkis.get(algorithm)
  if (made === undefined) throw new Error(`nothing was made with ${algorithm}`)
  return made
}

const seconds = (date: Date): string => date.toISOString().replace('.000', '')
const certtool = (...parameters: string[]): string => runTool('certtool', parameters)

const CASES = ALGORITHMS.flatMap((algorithm) => ROLES.map((role) => ({ algorithm, role })))

describe.each(CASES)('a $role with a key of kind $algorithm', ({ algorithm, role }) => {
  const isClient = role === 'client'
  let credentials: Credentials
  beforeAll(() => {
    const issued = pkiOf(algorithm).issued.get(role)
    if (issued === undefined) throw new Error('it was not issued')
    credentials = issued
  })

  it('openssl verifies it strictly for each purpose, and asn1parse reads its DER to the end', () => {
    const { chain, trustAnchors } = credentials
    const [leaf, ...between] = chain
    const files = ['-CAfile', file('root.pem', pemOf(trustAnchors)), '-untrusted', file('between.pem', pemOf(between))]
    for (const purpose of isClient ? ['sslclient'] : ['sslserver', 'sslclient']) {
      const strict = ['verify', '-x509_strict', '-check_ss_sig', '-auth_level', '2', '-purpose', purpose]
      expect(openssl([...strict, ...files], leaf.toPem())).toContain('OK')
    }
    for (const certificate of [...chain, ...trustAnchors]) {
      const der = ['-inform', 'DER', '-in', file('certificate.der', certificate.raw)]
      const broken = /Error in encoding|BAD (?:OBJECT|INTEGER|ENUMERATED)|l=inf/
      expect(openssl(['asn1parse', ...der, '-i'])).not.toMatch(broken)
      // Written again by openssl, it is the same to the last byte.
      expect(openssl(['x509', ...der])).toBe(certificate.toPem())
    }
  })

  it('Go reads it and accepts it', async () => {
    const [leaf] = credentials.chain
    expect(await go.read(leaf)).toMatchObject({
      serial: leaf.serialNumber,
      ca: false,
      unhandled: 0,
      notBefore: seconds(leaf.notBefore),
      notAfter: seconds(leaf.notAfter),
      purposes: isClient ? [2] : [1, 2],
      keyUsage: algorithm.startsWith('rsa') ? 1 + 4 : 1,
      names: isClient ? [] : HOSTS,
      subject: isClient ? 'CN=Zoë \u{1f511},O=a+O=b,C=DE' : 'CN=etcd-0',
    })
    expect(await go.verify(credentials, 'client')).toBe('')
    if (!isClient) expect(await go.verify(credentials, 'server', { host: 'etcd-7.etcd.svc' })).toBe('')
  })

  it('GnuTLS reads it and verifies the chain', () => {
    const { chain, trustAnchors } = credentials
    const shown = certtool('--certificate-info', '--infile', file('leaf.pem', chain[0].toPem()))
    expect(shown).toContain('Version: 3')
    expect(shown).toContain(`Serial Number (hex): ${chain[0].serialNumber.toLowerCase()}`)
    expect(shown).toContain('TLS WWW Client.')
    if (!isClient) expect(shown).toContain('IPAddress: 2001:db8::1')
    const verified = certtool('--verify-chain', '--infile', file('chain.pem', pemOf([...chain, ...trustAnchors])))
    expect(verified).toContain('Chain verification output: Verified. The certificate is trusted.')
  })

  it('cfssl reads it', () => {
    const [leaf] = credentials.chain
    const info: unknown = JSON.parse(
      runTool('cfssl', ['certinfo', '-loglevel=5', '-cert', file('leaf.pem', leaf.toPem())]),
    )
    expect(info).toMatchObject({
      serial_number: BigInt(`0x${leaf.serialNumber}`).toString(),
      // It does not show URIs.
      ...(isClient ? {} : { sans: HOSTS.slice(0, 4) }),
      issuer: { common_name: 'Issuing', organization: 'Example' },
    })
  })
})

describe.each(ALGORITHMS)('a CA with a key of kind %s', (algorithm) => {
  it('Go and GnuTLS read the root, the intermediate and the name constraints', async () => {
    const { root, below } = pkiOf(algorithm)
    const permitted = ['dns:etcd.svc', 'ip:0.0.0.0/0', 'ip:::/0']
    const ca = { ca: true, keyUsage: 32 + 64, unhandled: 0 }
    expect(await go.read(root.certificate)).toMatchObject({ ...ca, pathLength: -1, permitted })
    expect(await go.read(below.certificate)).toMatchObject({ ...ca, pathLength: 0 })
    const shown = certtool('--certificate-info', '--infile', file('root.pem', root.certificate.toPem()))
    expect(shown).toMatch(/Name Constraints \(critical\):\n\s+Permitted:\n\s+DNSname: etcd\.svc/)
  })

  it('openssl, Go and GnuTLS read and verify its CRL', async () => {
    const { crl, below, revoked } = pkiOf(algorithm)
    const [ca, list] = [file('ca.pem', below.certificate.toPem()), file('list.pem', crl.toPem())]
    expect(openssl(['crl', '-noout', '-verify', '-CAfile', ca, '-in', list])).toBe('')
    expect(openssl(['crl', '-inform', 'DER', '-in', file('list.der', crl.raw)])).toBe(crl.toPem())
    expect(await go.readCrl(crl, below.certificate)).toMatchObject({
      number: String(crl.number),
      revoked: [`${revoked.serialNumber} 1`],
      notBefore: seconds(crl.thisUpdate),
    })
    const shown = certtool('--crl-info', '--infile', list)
    expect(shown).toContain(`Serial Number (hex): ${revoked.serialNumber.toLowerCase()}`)
    expect(certtool('--verify-crl', '--load-ca-certificate', ca, '--infile', list)).toContain('Verified')
  })
})
