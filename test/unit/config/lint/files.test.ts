/** Files that a configuration names are read, and checked for the role that they play. */
import { createPrivateKey } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCluster } from '../../../../src/config/lint/lint-cluster.js'
import { lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import { findingOf } from '../../../support/refused.js'
import { authorityKeyIdentifier, crlNumber } from '../../../support/mint-extensions.js'
import { publicHalf } from '../../../support/mint-keys.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions, newKey } from '../../../support/mint.js'

const ECDSA = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
const RSA = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'

let folder: string
const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const middle = mintCa({ subject: 'Middle', issuer: root })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-'))
  await write('ca.crt', root.pem)
  await write('other-ca.crt', other.pem)
  const unreadable = mintCa({ subject: 'Brainpool', key: 'brainpool' })
  await write('unreadable-ca.crt', root.pem + unreadable.pem)
  await write('middle.crt', middle.pem)
  await write('middle-and-root.crt', middle.pem + root.pem)
  await issue('below', { issuer: middle })
  await write('empty.crt', 'nothing here\n')
  await issue('server')
  await issue('peer')
  await issue('stranger', { issuer: other })
  await issue('server-only', { usages: ['serverAuth'] })
  await issue('client', { usages: ['clientAuth'], names: [dns('client')] })
  await issue('elsewhere', { names: [dns('etcd-9')] })
  await issue('rsa', { key: newKey('rsa-2048') })
  await issue('locked')
  const locked = createPrivateKey(newKey().export({ type: 'pkcs8', format: 'pem' }))
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'secret' }
  await write('locked.key', locked.export({ type: 'pkcs8', format: 'pem', ...cipher }).toString())
  await write('mixed.crt', root.pem + mintCrl({ issuer: root }).pem)
  await issue('wildcard', { names: [dns('*.etcd.svc')] })
  await issue('old', { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text, { mode: 0o600 })
}

async function issue(name: string, options: Partial<MintLeafOptions> = {}): Promise<void> {
  const leaf = mintLeaf({ subject: name, names: [dns('etcd-0'), ip('10.0.0.1')], issuer: root, ...options })
  await write(`${name}.crt`, leaf.pem)
  await write(`${name}.key`, leaf.keyPem)
}

function flags(changes: Readonly<Record<string, string | null>> = {}): string[] {
  const all: Record<string, string | null> = {
    name: 'etcd-0',
    'listen-client-urls': 'https://0.0.0.0:2379',
    'advertise-client-urls': 'https://etcd-0:2379',
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
    'initial-cluster': 'etcd-0=https://10.0.0.1:2380',
    'cert-file': 'server.crt',
    'key-file': 'server.key',
    'trusted-ca-file': 'ca.crt',
    'client-cert-auth': 'true',
    'peer-cert-file': 'peer.crt',
    'peer-key-file': 'peer.key',
    'peer-trusted-ca-file': 'ca.crt',
    'peer-client-cert-auth': 'true',
    ...changes,
  }
  return Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`--${name}=${/\.(?:crt|key|crl)$/.test(value) ? join(folder, value) : value}`],
  )
}

const withRest = (der: Buffer): Buffer => Buffer.concat([der, Buffer.from('\n')])
const CRITICAL = [{ ...authorityKeyIdentifier(publicHalf(root.key)), critical: true }, crlNumber(1)]

function pair(name: string, prefix = ''): Record<string, string> {
  return { [`${prefix}cert-file`]: `${name}.crt`, [`${prefix}key-file`]: `${name}.key` }
}

async function told(changes: Readonly<Record<string, string | null>>, options: LintOptions = {}): Promise<string[]> {
  const { findings } = await lintEtcdConfig({ flags: flags(changes) }, options)
  return findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
}

it('good files are told nothing of', async () => {
  expect(await told({})).toEqual([])
})

it('their faults are told with file and option', async () => {
  const { findings } = await lintEtcdConfig({ flags: flags({ 'key-file': 'peer.key' }).join(' ') })
  expect(findings[0]).toMatchObject({ code: 'key/mismatch' })
  const missing = await lintEtcdConfig({ flags: flags({ 'cert-file': 'none.crt' }).join(' ') })
  expect(findingOf(missing.findings, 'file/missing').message).toMatch(
    /none\.crt \(from --cert-file \(line 1:\d+\)\) does not exist/,
  )
})

describe('a fault and its finding', () => {
  it.each<[string, Record<string, string | null>, string[]]>([
    ['another key', { 'key-file': 'peer.key' }, ['key/mismatch']],
    ['no such file', { 'peer-cert-file': 'none.crt' }, ['file/missing']],
    ['a bundle without certificates', { 'trusted-ca-file': 'empty.crt' }, ['input/unexpected-content']],
    ['a server without clientAuth', pair('server-only'), ['usage/gateway-client-auth-missing']],
    ['the same without a gateway', { ...pair('server-only'), 'enable-grpc-gateway': 'false' }, []],
    [
      'the same with a client certificate for it',
      { ...pair('server-only'), 'client-cert-file': 'client.crt', 'client-key-file': 'client.key' },
      [],
    ],
    ['a peer without clientAuth', pair('server-only', 'peer-'), ['usage/extended-key-usage-missing']],
    ['a client certificate for a server', pair('client'), ['usage/extended-key-usage-missing', 'san/host-not-covered']],
    ['a host that is not covered', pair('elsewhere'), ['san/host-not-covered']],
    ['an expired one', pair('old'), ['validity/expired']],
    ['a server of another CA than clients', pair('stranger'), ['config/gateway-refused']],
    ['a server of an intermediate that is trusted', { ...pair('below'), 'trusted-ca-file': 'middle.crt' }, []],
    [
      'a peer of an intermediate that is trusted',
      { ...pair('below', 'peer-'), 'peer-trusted-ca-file': 'middle.crt' },
      [],
    ],
    ['the same with its root', { ...pair('below', 'peer-'), 'peer-trusted-ca-file': 'middle-and-root.crt' }, []],
    ['a peer of another CA', pair('stranger', 'peer-'), ['chain/issuer-not-found']],
    [
      'something else among the CAs',
      { 'trusted-ca-file': 'mixed.crt', 'peer-trusted-ca-file': 'ca.crt' },
      ['input/other-block'],
    ],
    ['an encrypted key', pair('locked'), ['config/key-not-readable']],
    [
      'suites for another key, and TLS 1.2 alone',
      { ...pair('rsa'), 'cipher-suites': ECDSA, 'tls-max-version': 'TLS1.2' },
      ['config/cipher-suites-unfit'],
    ],
    ['suites for both', { ...pair('rsa'), 'cipher-suites': `${RSA},${ECDSA}` }, []],
    ['suites that fit', { 'cipher-suites': ECDSA }, []],
    ['a missing revocation list', { 'client-crl-file': 'none.crl' }, ['config/crl-unreadable']],
    [
      'a wildcard alone for a peer',
      {
        ...pair('wildcard', 'peer-'),
        'initial-advertise-peer-urls': 'https://etcd-0.etcd.svc:2380',
        'initial-cluster': 'etcd-0=https://etcd-0.etcd.svc:2380',
      },
      ['config/peer-address-unprovable'],
    ],
  ])('%s', async (_, changes, codes) => {
    expect(await told(changes)).toEqual(codes)
  })
})

it('suites for another key: releases that speak TLS 1.2 alone serve nobody', async () => {
  const changes = { ...pair('rsa'), 'cipher-suites': ECDSA }
  expect(await told(changes, { version: '3.5.7' })).toEqual(['config/cipher-suites-unfit'])
  expect(await told(changes, { version: '3.5.8' })).toEqual([])
  // No release of 3.4 sets a limit.
  expect(await told(changes, { version: '3.4.23' })).toEqual([])
})

it.each([
  ['--cert-file', { ...pair('rsa'), 'cipher-suites': ECDSA }],
  ['--peer-cert-file', { ...pair('rsa', 'peer-'), 'cipher-suites': ECDSA }],
  ['--peer-cert-file', { ...pair('rsa'), 'cipher-suites': RSA }],
])('suites for another key than that of %s are worth knowing while there is TLS 1.3', async (option, changes) => {
  const { findings } = await lintEtcdConfig({ flags: flags(changes) })
  const told = findings.filter(({ code }) => code === 'config/cipher-suites-unfit')
  expect(told).toMatchObject([{ severity: 'info', details: { cert: option } }])
})

it.each<[string, Record<string, string>, string, string[]]>([
  ['the certificate', pair('marked'), 'marked.crt', ['error config/byte-order-mark']],
  ['the key', pair('marked'), 'marked.key', ['error config/byte-order-mark']],
  ['the only CA', { 'trusted-ca-file': 'marked-ca.crt' }, 'marked-ca.crt', ['error config/byte-order-mark']],
  ['the first of two CAs', { 'trusted-ca-file': 'two.crt' }, 'two.crt', ['warning pem/layout-unusual']],
])('a byte order mark before %s', async (_, changes, name, codes) => {
  await issue('marked')
  await write('marked-ca.crt', root.pem)
  await write('two.crt', other.pem + root.pem)
  await write(name, `\ufeff${await readFile(join(folder, name), 'utf8')}`)
  const { findings } = await lintEtcdConfig({ flags: flags(changes) })
  expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(codes)
})

describe('revocation lists by version', () => {
  const both = { 'client-crl-file': 'list.crl' }
  const revoked = [{ serial: 1n }]
  const codes = async (version?: LintOptions['version']): Promise<string[]> => {
    const { findings } = await lintEtcdConfig({ flags: flags(both) }, { version, ignore: ['config/advisory'] })
    return findings.map(({ code }) => code)
  }

  it.each<[string, string | Buffer, old: string[], young: string[]]>([
    ['DER', mintCrl({ issuer: root, revoked }).der, [], []],
    ['PEM', mintCrl({ issuer: root, revoked }).pem, ['config/crl-form'], ['config/crl-form']],
    [
      'version 1',
      mintCrl({ issuer: root, revoked, version: null, extensions: [] }).der,
      ['config/crl-form'],
      ['config/crl-form'],
    ],
    [
      'version 1 in PEM',
      mintCrl({ issuer: root, revoked, version: null, extensions: [] }).pem,
      ['config/crl-form', 'config/crl-form'],
      ['config/crl-form', 'config/crl-form'],
    ],
    ['bytes after DER', mintCrl({ issuer: root, revoked, tamper: withRest }).der, ['config/crl-unreadable'], []],
    [
      'a critical authority key identifier',
      mintCrl({ issuer: root, revoked, extensions: CRITICAL }).der,
      ['config/crl-form'],
      ['config/crl-form'],
    ],
    [
      'two algorithms',
      mintCrl({ issuer: root, revoked, outerSignature: 'ecdsa-sha384' }).der,
      ['config/crl-form'],
      ['config/crl-form'],
    ],
    ['words before', `x\n${mintCrl({ issuer: root, revoked }).pem}`, ['config/crl-unreadable'], ['config/crl-form']],
    [
      'several',
      mintCrl({ issuer: root, revoked }).pem.repeat(2),
      ['config/crl-unreadable', 'config/crl-form'],
      ['config/crl-form'],
    ],
    ['garbage', 'garbage', ['config/crl-unreadable'], ['config/crl-unreadable']],
  ])('%s', async (_, content, old, young) => {
    await writeFile(join(folder, 'list.crl'), content)
    expect(await codes()).toEqual(old)
    expect(await codes('3.5.33')).toEqual(old)
    expect(await codes('3.6.14')).toEqual(young)
  })
})

it('hosts beside those that are advertised are asked for', async () => {
  expect(await told({}, { hosts: ['10.0.0.1', 'etcd-0'] })).toEqual([])
  expect(await told({}, { hosts: ['10.0.0.2'] })).toEqual(['san/host-not-covered'])
})

it('a key that others can read, and one that etcd cannot', async () => {
  await issue('loose')
  await chmod(join(folder, 'loose.key'), 0o644)
  expect(await told(pair('loose'))).toEqual(['file/key-readable-by-others'])
  await issue('owned')
  // It belongs to whoever runs the tests, with mode 0600, and etcd is to run as somebody else.
  const unit = `[Service]\nUser=4711\nExecStart=/usr/bin/etcd ${flags(pair('owned')).join(' ')}\n`
  const { findings } = await lintEtcdConfig({ unit })
  // Both keys are below the folder, which is for whoever made it alone.
  expect(findings.filter(({ code }) => code === 'config/key-not-readable')).toHaveLength(1)
  expect(findingOf(findings, 'config/key-not-readable').remedy).toMatch(`Run "chmod o+x ${folder}"`)
})

it('nothing is read where that is not wanted', async () => {
  expect(await told({ 'cert-file': 'none.crt' }, { readFiles: false })).toEqual([])
})

it('a pod’s paths are those of its host', async () => {
  const inside = flags().map((flag) => flag.replace(folder, '/pki'))
  const manifest = `apiVersion: v1
kind: Pod
spec:
  containers:
    - name: etcd
      image: registry.k8s.io/etcd:3.5.16-0
      command: [etcd, ${inside.map((flag) => JSON.stringify(flag)).join(', ')}]
      volumeMounts: [{name: pki, mountPath: /pki}]
  volumes: [{name: pki, hostPath: {path: ${JSON.stringify(folder)}}}]
`
  const { findings } = await lintEtcdConfig({ manifest })
  expect(findings.filter(({ code }) => code !== 'config/advisory')).toEqual([])
  const lost = await lintEtcdConfig({ manifest: manifest.replace('hostPath: {path', 'secret: {secretName') })
  expect(lost.findings.map(({ code }) => code)).toContain('config/not-checked')
})

describe('members together', () => {
  const names = ['etcd-0', 'etcd-1', 'etcd-2']
  const cluster = names.map((name, i) => `${name}=https://10.0.0.${String(i + 1)}:2380`).join(',')
  const member = (i: number, changes: Readonly<Record<string, string | null>> = {}) => ({
    flags: flags({
      name: `etcd-${String(i)}`,
      'advertise-client-urls': `https://etcd-${String(i)}:2379`,
      'listen-peer-urls': `https://10.0.0.${String(i + 1)}:2380`,
      'initial-advertise-peer-urls': `https://10.0.0.${String(i + 1)}:2380`,
      'initial-cluster': cluster,
      ...pair(`member-${String(i)}`),
      ...pair(`member-${String(i)}`, 'peer-'),
      ...changes,
    }),
  })
  beforeAll(async () => {
    for (const [i, name] of names.entries()) {
      await issue(`member-${String(i)}`, { names: [dns(name), ip(`10.0.0.${String(i + 1)}`)] })
    }
    await write('both-ca.crt', root.pem + other.pem)
    await issue('foreign-2', { names: [dns('etcd-2'), ip('10.0.0.3')], issuer: other })
  })

  it('good ones are told nothing of', async () => {
    expect((await lintCluster([member(0), member(1), member(2)])).findings).toEqual([])
  })

  it.each<[string, Record<string, string | null>, string]>([
    ['one name twice', { name: 'etcd-0' }, 'config/members-name-repeated'],
    ['another token', { 'initial-cluster-token': 'x' }, 'config/members-differ'],
    ['another list', { 'initial-cluster': 'etcd-2=https://10.0.0.3:2380' }, 'config/members-differ'],
    ['a member that is not listed', { 'initial-cluster': 'etcd-2=https://10.0.0.3:2380' }, 'config/member-not-listed'],
    [
      'another CA',
      { ...pair('foreign-2', 'peer-'), 'peer-trusted-ca-file': 'other-ca.crt' },
      'config/member-not-trusted',
    ],
    ['names that are not allowed', { 'peer-cert-allowed-cn': 'member-2' }, 'config/member-not-allowed'],
    ['other questions', { 'client-cert-auth': 'false' }, 'config/members-differ'],
    ['plaintext', { 'listen-peer-urls': 'http://10.0.0.3:2380' }, 'config/members-differ'],
  ])('%s', async (_, changes, code) => {
    const { findings } = await lintCluster([member(0), member(1), member(2, changes)])
    const all = findings.flatMap((each) => [each, ...each.consequences])
    expect(all.map((each) => each.code)).toContain(code)
  })

  it('a certificate by which a member is called is judged by the CAs of those who call', async () => {
    const twofold = {
      ...pair('foreign-2', 'peer-'),
      'peer-trusted-ca-file': 'both-ca.crt',
      'peer-client-cert-file': 'member-2.crt',
      'peer-client-key-file': 'member-2.key',
    }
    const { findings } = await lintCluster([member(0), member(2, twofold)])
    expect(findings.flatMap((each) => (each.code === 'config/member-not-trusted' ? [each.details.as] : []))).toEqual([
      'server',
    ])
    const turned = {
      'peer-trusted-ca-file': 'both-ca.crt',
      'peer-client-cert-file': 'foreign-2.crt',
      'peer-client-key-file': 'foreign-2.key',
    }
    const other = await lintCluster([member(0), member(2, turned)])
    expect(
      other.findings.flatMap((each) => (each.code === 'config/member-not-trusted' ? [each.details.as] : [])),
    ).toEqual(['client'])
  })

  it('a member that another one’s list revokes', async () => {
    await issue('revoked', { names: [dns('etcd-2'), ip('10.0.0.3')], serial: 4711n })
    await writeFile(join(folder, 'peer.crl'), mintCrl({ issuer: other, revoked: [{ serial: 4711n }] }).der)
    const codes = async (asks: Readonly<Record<string, string | null>>): Promise<string[]> => {
      const by = member(0, { 'peer-crl-file': 'peer.crl', ...asks })
      const { findings } = await lintCluster([by, member(1), member(2, pair('revoked', 'peer-'))])
      return findings.map((each) => each.code)
    }
    expect(await codes({})).toContain('config/member-revoked')
    expect(await codes({ 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null })).not.toContain(
      'config/member-revoked',
    )
  })

  it('versions of TLS that do not meet', async () => {
    const { findings } = await lintCluster([
      member(0, { 'tls-min-version': 'TLS1.3' }),
      member(1),
      member(2, { 'tls-max-version': 'TLS1.2' }),
    ])
    expect(findings.map((each) => each.code)).toContain('config/tls-versions-disjoint')
  })
})

it.each([
  ['client', 'trusted-ca-file'],
  ['peer', 'peer-trusted-ca-file'],
])('a CA that etcd cannot read is an error in the CA file of the %s side, used or not', async (_, option) => {
  const { findings } = await lintEtcdConfig({ flags: flags({ [option]: 'unreadable-ca.crt' }) })
  const found = findings.filter(({ code }) => code === 'chain/unused-unread-by-go')
  expect(found).toMatchObject([{ severity: 'error', certificate: { subject: 'CN=Brainpool' } }])
})
