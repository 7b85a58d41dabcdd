/** Requests and keys of other hands: openssl, cfssl, GnuTLS, and Go, by which step and cert-manager make theirs. */
import { beforeAll, describe, expect, it as every } from 'vitest'
import {
  type Authority,
  createAuthority,
  createRequest,
  inspectRequest,
  type KeyAlgorithm,
} from '../../src/authority/index.js'
import { nullValue, oid, sequence } from '../support/der-writer.js'
import { runGo } from '../support/go-program.js'
import { drawn, oneIn } from '../support/long.js'
import { mintCsr, newKey, spkiOf } from '../support/mint.js'
import { requestedOf } from '../support/requested.js'
import { openssl, runTool, temporaryFolder } from '../support/openssl.js'
import { errorCodes, findingOf } from '../support/refused.js'

const it = oneIn(3, every)

const folder = temporaryFolder()
let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'etcd CA' })
})

/** What every request of this file asks for where it can. */
const HOSTS = ['etcd-0.etcd', 'etcd-0.etcd.svc', '10.0.0.1', '2001:db8::1', 'spiffe://cluster/etcd-0']
const SAN = 'DNS:etcd-0.etcd,DNS:etcd-0.etcd.svc,IP:10.0.0.1,IP:2001:db8::1,URI:spiffe://cluster/etcd-0'
const POLICY = { hosts: ['*.etcd', '*.svc', '10.0.0.0/8', '2001:db8::/32', 'spiffe://cluster/*'] } as const

/** Reads a request without an error, has it signed, and has openssl verify what came of it. */
async function expectSigned(csr: string | Uint8Array, hosts: readonly string[] = HOSTS): Promise<void> {
  const report = inspectRequest(csr)
  expect(report.findings.filter(({ severity }) => severity !== 'info')).toEqual([])
  expect(requestedOf(report.request)?.hosts).toEqual(hosts)
  const role = hosts.length === 0 ? 'client' : 'server'
  const { chain } = await authority.sign(csr, { role, name: 'etcd-0', allow: POLICY })
  expect(Buffer.from(chain[0].spki)).toEqual(Buffer.from(report.request?.spki ?? []))
  expect(chain[0].subjectAltNames.map(({ value }) => value)).toEqual(hosts)
  const ca = folder.file('ca.pem', authority.certificate.toPem())
  const purpose = role === 'client' ? 'sslclient' : 'sslserver'
  openssl(['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca], chain[0].toPem())
}

describe('openssl req', () => {
  const genpkey: [string, string[]][] = [
    ['ECDSA P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['ECDSA P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['ECDSA P-521', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
    ['RSA 2048', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    ['Ed25519', ['-algorithm', 'ED25519']],
  ]
  const keyFile = (parameters: readonly string[]): string => {
    const [name = 'key'] = parameters.slice(-1)
    return folder.file(`${name.replace(':', '-')}.key`, openssl(['genpkey', ...parameters]))
  }
  const p256 = (): string => keyFile(genpkey[0]?.[1] ?? [])

  it.each(genpkey)(
    'openssl makes a request with a key of %s, without and with -addext, as PEM and as DER, which is signed',
    async (publicKey, parameters) => {
      const base = ['req', '-new', '-key', keyFile(parameters), '-subj', '/C=DE/O=Example/CN=etcd-0']
      const bare = openssl(base)
      expect(requestedOf(inspectRequest(bare).request)).toMatchObject({
        subject: 'CN=etcd-0,O=Example,C=DE',
        publicKey,
      })
      await expectSigned(bare, [])
      const usages = ['keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth,clientAuth'].flatMap(
        (each) => ['-addext', each],
      )
      const full = openssl([...base, '-addext', `subjectAltName=${SAN}`, ...usages])
      expect(requestedOf(inspectRequest(full).request)).toMatchObject({
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: ['serverAuth', 'clientAuth'],
      })
      await expectSigned(full)
      const der = folder.file('r.der')
      openssl([...base, '-addext', `subjectAltName=${SAN}`, '-outform', 'der', '-out', der])
      await expectSigned(Buffer.from(openssl(['req', '-in', der, '-inform', 'der'])))
    },
  )

  it('openssl makes a request with -reqexts, attributes, the old label and text above it, which is signed', async () => {
    const config = folder.file(
      'req.cnf',
      `[req]
prompt = no
distinguished_name = name
attributes = attributes
string_mask = default
[name]
O = Bücher
CN = etcd-0
[attributes]
challengePassword = challenge-secret
unstructuredName = etcd of the lab
[v3]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
subjectAltName = ${SAN}
`,
    )
    const parameters = ['req', '-new', '-config', config, '-utf8', '-reqexts', 'v3', '-key', p256()]
    const csr = openssl([...parameters, '-newhdr', '-text'])
    expect(csr).toContain('-----BEGIN NEW CERTIFICATE REQUEST-----')
    const report = inspectRequest(csr)
    expect(requestedOf(report.request)).toMatchObject({ subject: 'CN=etcd-0,O=Bücher', ca: false })
    expect(report.request).toMatchObject({ hasChallengePassword: true, unstructuredName: 'etcd of the lab' })
    expect(JSON.stringify(report)).not.toContain('challenge-secret')
    await expectSigned(csr)
  })

  it('openssl makes a request signed with RSA-PSS, which is signed, and one for a CA, which is reported', async () => {
    const rsa = keyFile(genpkey[3]?.[1] ?? [])
    const base = ['req', '-new', '-subj', '/CN=etcd-0', '-addext', `subjectAltName=${SAN}`]
    const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32']
    const csr = openssl([...base, '-key', rsa, ...pss])
    expect(requestedOf(inspectRequest(csr).request)?.signatureAlgorithm).toBe('RSA-PSS with SHA-256')
    await expectSigned(csr)
    const ca = openssl([...base, '-key', p256(), '-addext', 'basicConstraints=critical,CA:TRUE'])
    expect(inspectRequest(ca).findings.map((each) => each.code)).toEqual(['request/ca-requested'])
  })
})

describe('cfssl', () => {
  const plan = (key: object, more: object = {}): string =>
    JSON.stringify({ CN: 'etcd-0', hosts: HOSTS, names: [{ O: 'Example' }], key, ...more })
  const csrOf = (output: string): string => (JSON.parse(output) as { csr: string }).csr
  const run = (parameters: readonly string[]): string => csrOf(runTool('cfssl', parameters))

  it.each([
    ['ecdsa', 256],
    ['ecdsa', 384],
    ['ecdsa', 521],
    ['rsa', 2048],
  ])('cfssl genkey makes a request with a key of %s %i, which is signed', async (algo, size) => {
    const csr = run(['genkey', '-loglevel=5', folder.file('plan.json', plan({ algo, size }))])
    expect(requestedOf(inspectRequest(csr).request)?.subject).toBe('CN=etcd-0,O=Example')
    await expectSigned(csr)
  })

  it('cfssl gencsr makes a request for a key of ours, which is signed', async () => {
    const { key } = await createRequest({ name: 'y' })
    const file = folder.file('own.key', key.exportPem({ form: 'sec1' }))
    const csr = folder.file('plan.json', plan({ algo: 'ecdsa', size: 256 }))
    await expectSigned(run(['gencsr', '-loglevel=5', '-key', file, csr]))
  })

  it('the JSON that cfssl prints is reported, and so is its request for a CA', () => {
    const file = folder.file('plan.json', plan({ algo: 'ecdsa', size: 256 }, { CA: { expiry: '8760h' } }))
    const output = runTool('cfssl', ['genkey', '-loglevel=5', '-initca', file])
    const { details, remedy } = findingOf(inspectRequest(output).findings, 'input/unexpected-content')
    expect(details).toMatchObject({ holds: 'cfssl output', wanted: 'request' })
    expect(remedy).toContain('FILE.csr')
    expect(errorCodes(inspectRequest(csrOf(output)).findings)).toEqual(['request/ca-requested'])
  })
})

describe('GnuTLS certtool', () => {
  const template = `cn = "etcd-0"
organization = "Example"
dns_name = "etcd-0.etcd"
dns_name = "etcd-0.etcd.svc"
ip_address = "10.0.0.1"
ip_address = "2001:db8::1"
uri = "spiffe://cluster/etcd-0"
challenge_password = "challenge-secret"
tls_www_server
tls_www_client
signing_key
`
  const make = (kind: readonly string[], more = ''): string => {
    const key = folder.file('gnutls.key', runTool('certtool', ['--generate-privkey', ...kind]))
    const options = ['--load-privkey', key, '--template', folder.file('gnutls.cfg', template + more)]
    const out = folder.file('gnutls.csr')
    runTool('certtool', ['--generate-request', ...options, '--outfile', out])
    return openssl(['req', '-in', out])
  }

  it.each([
    ['P-256', ['--key-type=ecdsa', '--curve=secp256r1']],
    ['Ed25519', ['--key-type=ed25519']],
    ['RSA', ['--key-type=rsa', '--bits=2048']],
  ])('certtool makes a request with a key of kind %s, which is signed', async (_, kind) => {
    const csr = make(kind)
    expect(requestedOf(inspectRequest(csr).request)).toMatchObject({ keyUsage: ['digitalSignature'], ca: false })
    const hosts = requestedOf(inspectRequest(csr).request)?.hosts ?? []
    expect([...hosts].sort()).toEqual([...HOSTS].sort())
    await expectSigned(csr, hosts)
  })

  it('GnuTLS makes a request for a CA, which is reported', () => {
    const { findings } = inspectRequest(make(['--key-type=ecdsa'], 'ca\ncert_signing_key\n'))
    expect(errorCodes(findings)).toEqual(['request/ca-requested'])
  })

  it('GnuTLS reads and verifies our request, and reads our key that is encrypted by PBKDF2', async () => {
    const { csr, key } = await createRequest({ name: 'etcd-0', hosts: HOSTS })
    const shown = runTool('certtool', ['--crq-info', '--infile', folder.file('ours.csr', csr)])
    expect(shown).toContain('Self signature: verified')
    expect(shown).toContain('URI: spiffe://cluster/etcd-0')
    const file = folder.file('encrypted.key', key.exportPem({ passphrase: 'secret' }))
    expect(runTool('certtool', ['--key-info', '--password', 'secret', '--infile', file])).toContain('SECP256R1')
  })
})

/** A request to make, or PEM to read, by `test/support/go/requests.go`. */
type GoQuestion =
  | { ask: 'make'; form: 'go' | 'bare' | 'step' | 'cert-manager'; key: string }
  | { ask: 'read' | 'key' | 'certificate'; pem: string }

interface GoAnswer {
  /** Go's words of refusal; empty if it accepts. */
  readonly words: string
  readonly pem: string
  readonly subject: string
  readonly names: readonly string[] | null
  readonly kind: string
}

/** Public keys that are written in another way than all others, and Go's words about them. */
function oddKey(kind: 'rsa-2048' | 'ed25519', algorithm: Buffer, bitsAt: number): string {
  const key = newKey(kind)
  return mintCsr({ subject: 'y', key, spki: sequence(algorithm, spkiOf(key).subarray(bitsAt)) }).pem
}
const ODD_KEYS = [
  [
    'an RSA key without its NULL',
    oddKey('rsa-2048', sequence(oid('1.2.840.113549.1.1.1')), 19),
    'RSA key missing NULL parameters',
  ],
  [
    'an Ed25519 key with a NULL',
    oddKey('ed25519', sequence(oid('1.3.101.112'), nullValue()), 9),
    'Ed25519 key encoded with illegal parameters',
  ],
] as const

describe('Go', () => {
  const KINDS: [KeyAlgorithm, string, string][] = [
    ['ecdsa-p256', 'ECDSA', '*ecdsa.PrivateKey'],
    ['ecdsa-p521', 'ECDSA', '*ecdsa.PrivateKey'],
    ['ed25519', 'Ed25519', 'ed25519.PrivateKey'],
    ['rsa-2048', 'RSA', '*rsa.PrivateKey'],
  ]
  const KEYS = drawn(['p256', 'p384', 'p521', 'rsa-2048', 'ed25519'], 1)
  const MADE = (['go', 'step', 'cert-manager', 'bare'] as const).flatMap((form) =>
    KEYS.map((key) => ({ ask: 'make', form, key }) as const),
  )
  const answers = new Map<string, GoAnswer>()
  const answer = (name: string): GoAnswer => {
    const found = answers.get(name)
    if (found === undefined) throw new Error(`Go was not asked ${name}`)
    return found
  }

  beforeAll(async () => {
    const questions: [name: string, GoQuestion][] = MADE.map((each) => [`make ${each.form} ${each.key}`, each])
    for (const [algorithm] of KINDS) {
      const subject = { organization: 'Example' }
      const { csr, key } = await createRequest({ name: 'etcd-0', hosts: HOSTS, algorithm, subject })
      const { chain } = await authority.sign(csr, { role: 'server', name: 'etcd-0', allow: POLICY })
      questions.push([`read ${algorithm}`, { ask: 'read', pem: csr }])
      questions.push([`certificate ${algorithm}`, { ask: 'certificate', pem: chain[0].toPem() }])
      const forms = { pkcs8: true, sec1: algorithm.startsWith('ecdsa'), pkcs1: algorithm === 'rsa-2048' }
      for (const form of (['pkcs8', 'sec1', 'pkcs1'] as const).filter((each) => forms[each]))
        questions.push([`${form} ${algorithm}`, { ask: 'key', pem: key.exportPem({ form }) }])
    }
    for (const [name, pem] of ODD_KEYS) questions.push([name, { ask: 'read', pem }])
    const all = runGo(
      'requests',
      questions.map(([, question]) => question),
    ) as GoAnswer[] // the program's own form
    all.forEach((each, index) => answers.set(questions[index]?.[0] ?? '', each))
  })

  it.each(MADE)('Go makes a request as $form does, with a key of kind $key, which is signed', async ({ form, key }) => {
    const { words, pem } = answer(`make ${form} ${key}`)
    expect(words).toBe('')
    if (form === 'cert-manager') {
      expect(requestedOf(inspectRequest(pem).request)).toMatchObject({
        subject: '',
        commonName: null,
        keyUsage: ['digitalSignature', 'keyEncipherment'],
        extendedKeyUsage: ['serverAuth', 'clientAuth'],
      })
    }
    await expectSigned(pem, form === 'bare' ? [] : HOSTS)
  })

  it.each(KINDS)('Go reads and verifies our request, certificate and keys of kind %s', (algorithm, kind, keyType) => {
    expect(answer(`read ${algorithm}`)).toMatchObject({ words: '', subject: 'CN=etcd-0,O=Example', kind, names: HOSTS })
    expect(answer(`certificate ${algorithm}`)).toMatchObject({ words: '', subject: 'CN=etcd-0', kind })
    const keys = [...answers].filter(([name]) => new RegExp(`^(pkcs8|sec1|pkcs1) ${algorithm}$`).test(name))
    expect(keys.length).toBe(algorithm === 'ed25519' ? 1 : 2)
    for (const [name, said] of keys) expect([name, said.words, said.kind]).toEqual([name, '', keyType])
  })

  it.each(ODD_KEYS)('Go refuses %s, as we do', (name, pem, words) => {
    expect(answer(name).words).toContain(words)
    expect(errorCodes(inspectRequest(pem).findings)).toEqual(['request/key-refused'])
  })
})
