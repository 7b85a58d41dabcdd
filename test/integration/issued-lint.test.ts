/** What is issued, under the eyes of others: openssl, Go, GnuTLS and cfssl read each role under each kind of key. */
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  type Crl,
  type IssueRequest,
  type KeyAlgorithm,
} from '../../src/authority/index.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Certificate } from '../../src/x509/certificate.js'
import { drawn } from '../support/long.js'
import { openssl, runTool, temporaryFolder } from '../support/openssl.js'
import {
  askGoAboutIssued,
  type GoIssuedAnswer,
  type GoIssuedQuestion,
  pemOf,
  verifyQuestion,
} from '../support/witness-go-issued.js'

const folder = temporaryFolder()
const ALGORITHMS = drawn(['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-2048', 'rsa-3072'] as const, 2)
const ROLES = ['server', 'peer', 'client'] as const
const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '2001:db8::1', 'spiffe://cluster/etcd'] as const
const CASES = ALGORITHMS.flatMap((algorithm) => ROLES.map((role) => ({ algorithm, role })))

interface Pki {
  readonly root: Authority
  readonly below: Authority
  readonly issued: ReadonlyMap<(typeof ROLES)[number], Credentials>
  readonly crl: Crl
  readonly revoked: Certificate
}

const pkis = new Map<KeyAlgorithm, Pki>()
const answers = new Map<string, GoIssuedAnswer>()

function pki(algorithm: KeyAlgorithm): Pki {
  const made = pkis.get(algorithm)
  if (made === undefined) throw new Error(`nothing was made with ${algorithm}`)
  return made
}

function go(name: string): GoIssuedAnswer {
  const answer = answers.get(name)
  if (answer === undefined) throw new Error(`Go was not asked ${name}`)
  return answer
}

async function make(algorithm: KeyAlgorithm): Promise<Pki> {
  const root = await createAuthority({
    name: `Root ${algorithm}`,
    algorithm,
    permittedNames: ['etcd.svc', '0.0.0.0/0', '::/0'],
  })
  const below = await root.createIntermediate({ name: 'Issuing', algorithm, subject: { organization: 'Example' } })
  const issued = new Map<(typeof ROLES)[number], Credentials>()
  for (const role of ROLES) {
    const request: IssueRequest =
      role === 'client'
        ? { role, name: 'Zoë \u{1f511}', subject: { country: 'DE', organization: ['a', 'b'] }, algorithm }
        : { role, name: 'etcd-0', hosts: HOSTS, algorithm }
    issued.set(role, await below.issue(request))
  }
  const { chain } = await below.issue({ role: 'client', name: 'gone' })
  await below.revoke(chain[0], { reason: 'keyCompromise' })
  return { root, below, issued, crl: await below.issueCrl(), revoked: chain[0] }
}

beforeAll(async () => {
  const questions = new Map<string, GoIssuedQuestion>()
  for (const algorithm of ALGORITHMS) {
    const made = await make(algorithm)
    pkis.set(algorithm, made)
    for (const [role, credentials] of made.issued) {
      questions.set(`certificate ${algorithm} ${role}`, { ask: 'certificate', chain: pemOf(credentials.chain) })
      const usages = role === 'client' ? (['client'] as const) : (['server', 'client'] as const)
      for (const usage of usages) {
        const host = usage === 'server' ? { host: 'etcd-7.etcd.svc' } : {}
        questions.set(`verify ${algorithm} ${role} ${usage}`, verifyQuestion(credentials, usage, host))
      }
    }
    questions.set(`root ${algorithm}`, { ask: 'certificate', chain: made.root.certificate.toPem() })
    questions.set(`below ${algorithm}`, { ask: 'certificate', chain: made.below.certificate.toPem() })
    const list = Buffer.from(made.crl.raw).toString('base64')
    questions.set(`list ${algorithm}`, { ask: 'list', roots: made.below.certificate.toPem(), list })
  }
  askGoAboutIssued([...questions.values()]).forEach((each, i) => answers.set([...questions.keys()][i] ?? '', each))
}, 240_000)

describe.each(CASES)('a $role with a key of kind $algorithm', ({ algorithm, role }) => {
  const credentials = (): Credentials => {
    const found = pki(algorithm).issued.get(role)
    if (found === undefined) throw new Error('it was not issued')
    return found
  }

  it('openssl: strict verification for each purpose, and DER that asn1parse reads to its end', () => {
    const { chain, trustAnchors } = credentials()
    const [leaf, ...between] = chain
    const files = [
      ...['-CAfile', folder.file('root.pem', pemOf(trustAnchors))],
      ...['-untrusted', folder.file('between.pem', pemOf(between))],
    ]
    const purposes = role === 'client' ? ['sslclient'] : ['sslserver', 'sslclient']
    for (const purpose of purposes) {
      const strict = ['verify', '-x509_strict', '-check_ss_sig', '-auth_level', '2', '-purpose', purpose]
      expect(openssl([...strict, ...files], leaf.toPem())).toContain('OK')
    }
    for (const certificate of [...chain, ...trustAnchors]) {
      const der = folder.file('certificate.der', certificate.raw)
      const tree = openssl(['asn1parse', '-inform', 'DER', '-in', der, '-i'])
      expect(tree).not.toMatch(/Error in encoding|BAD (?:OBJECT|INTEGER|ENUMERATED)|l=inf/)
      // Written again by openssl, it is the same to the last byte.
      const again = openssl(['x509', '-inform', 'DER', '-in', der])
      expect(again).toBe(certificate.toPem())
    }
  })

  it('Go: reads it, and accepts it', () => {
    const read = go(`certificate ${algorithm} ${role}`)
    const [leaf] = credentials().chain
    expect(read).toMatchObject({ words: '', serial: leaf.serialNumber, ca: false, unhandled: 0 })
    expect(read.notBefore).toBe(leaf.notBefore.toISOString().replace('.000', ''))
    expect(read.notAfter).toBe(leaf.notAfter.toISOString().replace('.000', ''))
    expect(read.purposes).toEqual(role === 'client' ? [2] : [1, 2])
    expect(read.keyUsage).toBe(algorithm.startsWith('rsa') ? 1 + 4 : 1)
    expect(read.names).toEqual(role === 'client' ? [] : HOSTS)
    expect(read.subject).toBe(role === 'client' ? 'CN=Zoë \u{1f511},O=a+O=b,C=DE' : 'CN=etcd-0')
    expect(go(`verify ${algorithm} ${role} client`).words).toBe('')
    if (role !== 'client') expect(go(`verify ${algorithm} ${role} server`).words).toBe('')
  })

  it('GnuTLS: reads it, and verifies the chain', () => {
    const { chain, trustAnchors } = credentials()
    const file = folder.file('chain.pem', pemOf([...chain, ...trustAnchors]))
    const shown = runTool('certtool', ['--certificate-info', '--infile', folder.file('leaf.pem', chain[0].toPem())])
    expect(shown).toContain('Version: 3')
    expect(shown).toContain(`Serial Number (hex): ${chain[0].serialNumber.toLowerCase()}`)
    expect(shown).toContain('TLS WWW Client.')
    if (role !== 'client') expect(shown).toContain('IPAddress: 2001:db8::1')
    const verified = runTool('certtool', ['--verify-chain', '--infile', file])
    expect(verified).toContain('Chain verification output: Verified. The certificate is trusted.')
  })

  it('cfssl: reads it', () => {
    const [leaf] = credentials().chain
    const file = folder.file('leaf.pem', leaf.toPem())
    const info = JSON.parse(runTool('cfssl', ['certinfo', '-loglevel=5', '-cert', file])) as Record<string, unknown>
    expect(info).toMatchObject({
      serial_number: BigInt(`0x${leaf.serialNumber}`).toString(),
      // It does not show URIs.
      ...(role === 'client' ? {} : { sans: HOSTS.slice(0, 4) }),
      issuer: { common_name: 'Issuing', organization: 'Example' },
    })
  })
})

describe.each(ALGORITHMS)('a CA with a key of kind %s', (algorithm) => {
  it('Go: root and intermediate', () => {
    expect(go(`root ${algorithm}`)).toMatchObject({
      words: '',
      ca: true,
      pathLength: -1,
      keyUsage: 32 + 64,
      unhandled: 0,
    })
    expect(go(`root ${algorithm}`).permitted).toEqual(['dns:etcd.svc', 'ip:0.0.0.0/0', 'ip:::/0'])
    expect(go(`below ${algorithm}`)).toMatchObject({ words: '', ca: true, pathLength: 0, keyUsage: 32 + 64 })
  })

  it('GnuTLS: the name constraints', () => {
    const file = folder.file('root.pem', pki(algorithm).root.certificate.toPem())
    const shown = runTool('certtool', ['--certificate-info', '--infile', file])
    expect(shown).toMatch(/Name Constraints \(critical\):\n\s+Permitted:\n\s+DNSname: etcd\.svc/)
  })

  it('a revocation list: openssl, Go and GnuTLS', () => {
    const { crl, below, revoked } = pki(algorithm)
    const ca = folder.file('ca.pem', below.certificate.toPem())
    const list = folder.file('list.pem', crl.toPem())
    expect(openssl(['crl', '-noout', '-verify', '-CAfile', ca, '-in', list])).toBe('')
    const der = folder.file('list.der', crl.raw)
    expect(openssl(['crl', '-inform', 'DER', '-in', der])).toBe(crl.toPem())
    const read = go(`list ${algorithm}`)
    expect(read).toMatchObject({ words: '', number: String(crl.number), revoked: [`${revoked.serialNumber} 1`] })
    expect(read.notBefore).toBe(crl.thisUpdate.toISOString().replace('.000', ''))
    const shown = runTool('certtool', ['--crl-info', '--infile', list])
    expect(shown).toContain(`Serial Number (hex): ${revoked.serialNumber.toLowerCase()}`)
    expect(runTool('certtool', ['--verify-crl', '--load-ca-certificate', ca, '--infile', list])).toContain('Verified')
  })
})
