/** What credentials say beyond a chain (validate.ts): the key, the order, and the CA of clients. */
import { describe, expect, it } from 'vitest'
import { type Credentials, fromFiles, fromPem } from '../../../src/credentials/index.js'
import type { Finding } from '../../../src/report/index.js'
import {
  Certificate,
  inspectCredentials,
  validateChain,
  validateCredentials,
  type Usage,
} from '../../../src/validate/index.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { mintedCredentials } from '../../support/etcd.js'
import { HOST } from '../../support/minted-chain.js'
import {
  chainPem,
  extendedKeyUsage,
  mintCa,
  mintLeaf,
  newKey,
  type Minted,
  type MintLeafOptions,
} from '../../support/mint.js'
import { thrown } from '../../support/refused.js'
import { EXPIRED, given, leafOf, textsOf } from './rows.js'

const { leaf, sent, trust } = given()
const [intermediate, root] = [...sent, ...trust] as [Minted, Minted]
const other = mintCa({ subject: 'Other' })
const lower = mintCa({ subject: 'Lower', issuer: intermediate })
const upper = mintCa({ subject: 'Test Intermediate', issuer: root, key: intermediate.key })
const below = leafOf(lower)
const own = leafOf()
const issued = mintCa({ subject: 'Issued', issuer: other })
const credentials = (
  [first = leaf, ...intermediates]: readonly Minted[],
  anchors: readonly Minted[] = [root],
): Credentials => mintedCredentials({ leaf: first, intermediates, trust: anchors })
const report = (...args: Parameters<typeof credentials>): string[] =>
  textsOf(validateCredentials(credentials(...args), { usage: 'server' }).findings, true)

describe('credentials', () => {
  it.each<[what: string, sent: Minted[], found: string[], anchors?: Minted[]]>([
    ['credentials are sent leaf first, each certificate followed by its issuer', [below, lower, upper], []],
    [
      'credentials are sent in another order',
      [below, upper, lower],
      ['warning order-wrong@0 (CN=Lower)', 'warning order-wrong@2 (CN=Test Intermediate)'],
    ],
    [
      'credentials are sent with a certificate that no path needs',
      [leaf, intermediate, other],
      ['info certificate-unneeded@2 (unused)'],
    ],
    ['credentials are sent with the root', [leaf, intermediate, root], ['info certificate-unneeded@2 (root)']],
    [
      'credentials are sent with another root',
      [leaf, intermediate, other],
      ['info certificate-unneeded@2 (root)'],
      [root, other],
    ],
    [
      'credentials need no root',
      [leaf],
      ['anchor-not-self-signed@1 (server, false, CN=Test Root, false, false)'],
      [intermediate],
    ],
    ['credentials are sent with another trusted CA', [leaf, intermediate, issued], [], [root, issued]],
    ['credentials may be a leaf that is trusted', [own], [], [own]],
  ])('%s', (_, certificates, found, anchors) => {
    expect(report(certificates, anchors)).toEqual(found)
  })

  it('credentials hold the key of the leaf', async () => {
    const source = (key: string) => fromPem({ ca: root.pem, cert: chainPem(leaf, intermediate), key })
    const right = await inspectCredentials(source(leaf.keyPem), { usage: 'server', hosts: [HOST] })
    expect(right).toMatchObject({
      findings: [],
      path: [{ role: 'leaf' }, { role: 'intermediate' }, { role: 'anchor' }],
    })
    const strange = newKey('ed25519').export({ type: 'pkcs8', format: 'pem' }).toString()
    const wrong = await inspectCredentials(source(strange), { usage: 'server' })
    expect(textsOf(wrong.findings, true)).toEqual(['key/mismatch@0 (Ed25519, ECDSA P-256, option "key")'])
    expect(JSON.stringify(wrong)).not.toContain('PRIVATE KEY')
    const loaded = { ...credentials([leaf, intermediate]), key: PrivateKey.fromKeyObject(newKey('ed25519')) }
    const { findings } = validateCredentials(loaded, { usage: 'server' })
    expect(textsOf(findings, true)).toEqual(['key/mismatch@0 (Ed25519, ECDSA P-256)'])
  })

  it('credentials that cannot be read are reported', async () => {
    const source = fromFiles({ ca: '/no/such/ca.crt', cert: '/no/such/tls.crt', key: '/no/such/tls.key' })
    const { findings, ok } = await inspectCredentials(source, { usage: 'client' })
    expect([ok, findings.map(({ code }) => code)]).toEqual([false, Array(3).fill('file/missing')])
    const pem = { ca: root.pem, cert: chainPem(leaf, intermediate), key: leaf.keyPem }
    const crlf = await inspectCredentials(fromPem({ ...pem, ca: root.pem.replaceAll('\n', '\r\n') }), {
      usage: 'client',
      hosts: ['x'],
    })
    expect(crlf.findings.map(({ code }) => code)).toEqual(['san/host-not-covered', 'pem/layout-unusual'])
    await expect(inspectCredentials(source, { usage: 'clients' as 'client' })).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
    })
  })

  const MARK = 'a byte order mark precedes the first block (line 1)'
  it.each<[part: 'ca' | 'cert' | 'key', change: (pem: string) => string, label: string, fault: string]>([
    ['cert', (pem) => `\ufeff${pem}`, 'CERTIFICATE', MARK],
    ['key', (pem) => `\ufeff${pem}`, 'PRIVATE KEY', MARK],
    ['ca', (pem) => `\ufeff${pem}`, 'CERTIFICATE', MARK],
    ['cert', (pem) => pem.replaceAll('\n', '\r'), 'CERTIFICATE', 'carriage return alone (line 1)'],
    ['key', (pem) => pem.replaceAll(/^/gm, ' '), 'PRIVATE KEY', 'a block is indented (line 1)'],
  ])('a %s in a layout that Go does not read is an error for members only', async (part, change, label, fault) => {
    const pem = { ca: root.pem, cert: chainPem(leaf, intermediate), key: leaf.keyPem }
    const source = fromPem({ ...pem, [part]: change(pem[part]) })
    for (const usage of ['server', 'peer', 'client', 'any'] as const) {
      const { findings } = await inspectCredentials(source, { usage })
      const found = findings.find(({ code }) => code === 'pem/layout-unusual')
      expect(found?.severity).toBe(usage === 'server' || usage === 'peer' ? 'error' : 'warning')
      expect(found?.message).toContain(`${fault}; so etcd and etcdctl skip the block "${label}"`)
      expect(found?.message).toMatch(/that Go(?:, OpenSSL and Node)? do/)
    }
    const chain = { chain: change(pem.cert), trustAnchors: change(pem.ca) }
    expect(validateChain(chain, { usage: 'server' }).ok).toBe(false)
    expect(validateChain(chain, { usage: 'client' }).ok).toBe(true)
  })

  it.each([undefined, null, '/etc/etcd', { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' }])(
    'credentials are not taken from %j, which is not a source and not credentials',
    async (source) => {
      const refused = (option: string): object => ({ code: 'ERR_OPTION_INVALID', details: { option } })
      await expect(inspectCredentials(source as never, { usage: 'client' })).rejects.toMatchObject(refused('source'))
      const error = thrown(() => validateCredentials(source as never, { usage: 'client' }), 'ERR_OPTION_INVALID')
      expect(error).toMatchObject(refused('credentials'))
    },
  )

  it.each<[string, Partial<Record<keyof Credentials, unknown>>]>([
    ['a chain of texts', { chain: [Certificate.parse(leaf.der), 'pem'] }],
    ['no chain', { chain: undefined }],
    ['an empty chain', { chain: [] }],
    ['anchors of texts', { trustAnchors: ['pem'] }],
    ['no anchors', { trustAnchors: null }],
    ['anchors of clients that are text', { clientAnchors: ['pem'] }],
    ['no CRLs', { crls: undefined }],
    ['a key of text', { key: 'pem' }],
    ['no key', { key: null }],
  ])('credentials do not hold %s', (_, parts) => {
    const broken = { ...credentials([leaf, intermediate]), ...parts } as Credentials
    expect(thrown(() => validateCredentials(broken, { usage: 'client' }), 'ERR_OPTION_INVALID').details).toMatchObject({
      option: 'credentials',
    })
  })
})

describe('a client of another CA than the one that verifies servers', () => {
  const servers = mintCa({ subject: 'Server CA' })
  const clients = mintCa({ subject: 'Client CA' })
  const issuing = mintCa({ subject: 'Issuing CA', issuer: clients })
  const forServers = mintCa({ subject: 'For servers', issuer: clients, extensions: [extendedKeyUsage(['serverAuth'])] })
  const app = (issuer?: Minted, options: Partial<MintLeafOptions> = {}): Minted =>
    leafOf(issuer, { usages: ['clientAuth'], ...options })
  const validate = (
    sent: readonly Minted[],
    clientCa?: readonly Minted[],
    usage: Usage = 'client',
  ): [string[], string] => {
    const made = credentials(sent, [servers])
    const clientAnchors = clientCa?.map(({ der }) => Certificate.parse(der))
    const { findings, path } = validateCredentials(clientAnchors ? { ...made, clientAnchors } : made, { usage })
    return [textsOf(findings), (path ?? []).map(({ subject }) => subject.slice(3)).join(' < ')]
  }
  const [M, N] = [mintCa({ subject: 'M' }), mintCa({ subject: 'N' })]
  const byN = mintCa({ subject: 'M', key: M.key, issuer: N })
  const byM = mintCa({ subject: 'N', key: N.key, issuer: M })
  const MISSING = 'extended-key-usage-missing@'
  const NOT_GIVEN = 'info client-ca-not-given@'

  it.each<[what: string, found: string[], path: string, sent: Minted[], clientCa?: Minted[], usage?: Usage]>([
    [
      'a client certificate is validated by clientAnchors',
      [],
      'L < Issuing CA < Client CA',
      [app(issuing), issuing],
      [clients],
    ],
    [
      'a client certificate must not be of another CA then',
      ['issuer-not-found@1'],
      'L < Issuing CA',
      [app(issuing), issuing],
      [servers],
    ],
    ['needs its intermediates', ['issuer-not-found@0'], 'L', [app(issuing)], [clients]],
    ['needs one of clientAnchors', ['no-trust-anchors'], 'L', [app(clients)], []],
    ['a client certificate is left to the server without clientAnchors', [`${NOT_GIVEN}0`], 'L', [app(clients)]],
    [
      'a client certificate is left with its intermediate',
      [`${NOT_GIVEN}1`],
      'L < Issuing CA',
      [app(issuing), issuing],
    ],
    ['a client certificate is left with its root', [`${NOT_GIVEN}1`], 'L < Client CA', [app(clients), clients]],
    ['a client certificate is left if it is self-signed', [`${NOT_GIVEN}0`], 'L', [app()]],
    [
      'a client certificate is left if its CA has the name of the other',
      [`${NOT_GIVEN}0`],
      'L',
      [app(mintCa({ subject: 'Server CA' }))],
    ],
    ['a client certificate must not lead in a circle', ['issuer-not-found@2'], 'L < M < N', [app(M), byN, byM]],
    ['a client certificate must not be expired', ['validity/expired@0', `${NOT_GIVEN}0`], 'L', [app(clients, EXPIRED)]],
    [
      'a client certificate must be for clients',
      [`${MISSING}0`, `${NOT_GIVEN}0`],
      'L',
      [app(clients, { usages: ['serverAuth'] })],
    ],
    [
      'a client certificate must be of a CA for clients',
      [`${MISSING}1`, `${NOT_GIVEN}1`],
      'L < For servers',
      [app(forServers), forServers],
    ],
    ['a client certificate is not for a server', ['issuer-not-found@0'], 'L', [leafOf(clients)], [clients], 'server'],
  ])('%s', (_, found, path, ...args) => {
    expect(validate(...args)).toEqual([found, path])
  })

  it('a client certificate is reported with the CAs that were given', () => {
    const of = (ca: Minted): string[] =>
      textsOf(validateCredentials(credentials([app(ca)], [servers]), { usage: 'client' }).findings, true)
    expect(of(clients)).toEqual([`${NOT_GIVEN}0 (CN=Client CA, [CN=Server CA], false)`])
    expect(of(mintCa({ subject: 'Server CA' }))).toEqual([`${NOT_GIVEN}0 (CN=Server CA, [CN=Server CA], true)`])
  })
})

describe('an intermediate in the CA file', () => {
  const root = mintCa({ subject: 'Root' })
  const upper = mintCa({ subject: 'Upper', issuer: root })
  const lower = mintCa({ subject: 'Lower', issuer: upper })
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: lower })
  const NOT_SENT = 'chain/intermediate-not-sent'
  const NO_ROOT = 'chain/anchor-not-self-signed'

  function reported(sent: Minted[], trust: Minted[], usage: 'client' | 'any' = 'client'): Finding[] {
    const { findings } = validateCredentials(mintedCredentials({ leaf, intermediates: sent, trust }), { usage })
    return findings.filter(({ code }) => code === NOT_SENT || code === NO_ROOT)
  }

  it.each<[string, Minted[], Minted[], object[]]>([
    [
      'all are in the CA file',
      [],
      [lower, upper, root],
      [{ code: NOT_SENT, details: { missing: ['CN=Lower', 'CN=Upper'] } }],
    ],
    ['one is sent', [lower], [lower, upper, root], [{ code: NOT_SENT, details: { missing: ['CN=Upper'] } }]],
    [
      'the lower one is not sent',
      [upper],
      [lower, root],
      [
        { code: NO_ROOT, details: { issuer: 'CN=Upper' } },
        { code: NOT_SENT, details: { missing: ['CN=Lower'] } },
      ],
    ],
    ['all are sent', [lower, upper], [lower, upper, root], []],
    [
      'all are sent, and the root is not trusted',
      [lower, upper],
      [lower],
      [{ code: NO_ROOT, details: { sameName: false } }],
    ],
    ['the root is not trusted', [], [lower], [{ code: NO_ROOT, details: { issuer: 'CN=Upper' } }]],
    [
      'the root is missing, and the lower one is not sent',
      [],
      [lower, upper],
      [
        { code: NO_ROOT, certificate: { subject: 'CN=Upper' }, details: { issuer: 'CN=Root' } },
        { code: NOT_SENT, details: { missing: ['CN=Lower'], root: 'CN=Upper' } },
      ],
    ],
    [
      "the trusted CA of the issuer's name has another key",
      [],
      [lower, mintCa({ subject: 'Upper', issuer: root }), root],
      [{ code: NO_ROOT, details: { issuer: 'CN=Upper', sameName: true } }],
    ],
  ])('The report about an intermediate in the CA file is true if %s', (_what, sent, trust, expected) => {
    expect(reported(sent, trust)).toMatchObject(expected)
  })

  it('The finding about an intermediate in the CA file names the file that lacks it', () => {
    const [found] = reported([], [lower, upper, root])
    expect(found).toMatchObject({ severity: 'warning', certificate: { subject: 'CN=Lower' } })
    expect(found?.message).toContain('is only in the CA file, so it is not sent')
    expect(found?.remedy).toBe('Append "CN=Lower" and "CN=Upper" to the certificate file, after the leaf.')
    expect(reported([], [lower, upper, root], 'any')).toMatchObject([{ code: NOT_SENT, severity: 'info' }])
  })
})
