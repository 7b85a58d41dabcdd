/** What files say together, what a member needs to be reached, and what members must not share. */
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCluster } from '../../../../src/config/lint/lint-cluster.js'
import { lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import type { Finding } from '../../../../src/report/finding.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions, newKey } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

let folder: string
const DAY = 86_400_000
const clients = mintCa({ subject: 'Clients' })
const peers = mintCa({ subject: 'Peers' })
const middle = mintCa({ subject: 'Middle', issuer: clients })
const ended = mintCa({ subject: 'Ended', notBefore: new Date('2015-01-01'), notAfter: new Date('2020-01-01') })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-together-'))
  await write('clients.crt', clients.pem)
  await write('peers.crt', peers.pem)
  await write('some.crt', clients.pem + ended.pem)
  await write(
    'many.crt',
    clients.pem + Array.from({ length: 60 }, (_, i) => mintCa({ subject: `P${String(i)}` }).pem).join(''),
  )
  await issue('server', { issuer: clients })
  await issue('below', { issuer: middle })
  await issue('self', {})
  await issue('peer', { issuer: peers, serial: 4711n })
  const small = mintCa({ subject: 'Small', key: newKey('rsa-2048') })
  await write('small.crt', small.pem)
  await issue('rsa', { issuer: small })
  const revoked = [{ serial: 4711n }]
  await write('peers.crl', mintCrl({ issuer: peers, revoked }).der)
  await write('good.crl', mintCrl({ issuer: clients }).der)
  await write('other.crl', mintCrl({ issuer: peers }).der)
  await write('stale.crl', mintCrl({ issuer: clients, nextUpdate: new Date(Date.now() - DAY) }).der)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string | Uint8Array): Promise<void> {
  await writeFile(join(folder, name), text, { mode: 0o600 })
}

async function issue(name: string, options: Partial<MintLeafOptions>): Promise<void> {
  const leaf = mintLeaf({ subject: name, names: [dns('etcd-0'), ip('10.0.0.1')], ...options })
  await write(`${name}.crt`, leaf.pem)
  await write(`${name}.key`, leaf.keyPem)
}

type Changes = Readonly<Record<string, string | null>>

function flags(changes: Changes = {}): string[] {
  const all: Changes = {
    name: 'etcd-0',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
    'initial-cluster': 'etcd-0=https://10.0.0.1:2380',
    'cert-file': 'server.crt',
    'key-file': 'server.key',
    'trusted-ca-file': 'clients.crt',
    'client-cert-auth': 'true',
    'peer-cert-file': 'peer.crt',
    'peer-key-file': 'peer.key',
    'peer-trusted-ca-file': 'peers.crt',
    'peer-client-cert-auth': 'true',
    ...changes,
  }
  return Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`--${name}=${value.replace(/^[\w-]+\.(?:crt|key|crl)$/, (file) => join(folder, file))}`],
  )
}

function pair(name: string, prefix = ''): Record<string, string> {
  return { [`${prefix}cert-file`]: `${name}.crt`, [`${prefix}key-file`]: `${name}.key` }
}

async function found(changes: Changes, options: LintOptions = {}): Promise<Finding[]> {
  return (await lintEtcdConfig({ flags: flags(changes).join(' ') }, options)).findings
}

function worse(findings: readonly Finding[]): string[] {
  return findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
}

describe('one fault is one finding', () => {
  const withoutTls = {
    'listen-client-urls': 'http://127.0.0.1:2379',
    'advertise-client-urls': 'http://127.0.0.1:2379',
    'cert-file': null,
    'key-file': null,
    'trusted-ca-file': null,
    'client-cert-auth': null,
  }
  it.each<[what: string, changes: Changes, codes: string[], option?: string]>([
    ['nothing', {}, []],
    ['a list of the CA', { 'client-crl-file': 'good.crl' }, []],
    ['a list of another CA', { 'client-crl-file': 'other.crl' }, ['config/crl-doubtful'], '--client-crl-file'],
    ['a list that was due', { 'client-crl-file': 'stale.crl' }, ['config/crl-doubtful'], '--client-crl-file'],
    ['its own certificate revoked', { 'peer-crl-file': 'peers.crl' }, ['config/member-revoked'], '--peer-cert-file'],
    [
      'its own name not allowed',
      { 'peer-cert-allowed-cn': 'a,b' },
      ['config/member-not-allowed'],
      '--peer-cert-allowed-cn',
    ],
    ['its own name allowed', { 'peer-cert-allowed-cn': 'a,peer' }, []],
    ['its own host not allowed', { 'peer-cert-allowed-hostname': 'b' }, ['config/member-not-allowed']],
    ['a CA that has ended', { 'trusted-ca-file': 'some.crt' }, ['config/ca-expired'], '--trusted-ca-file'],
    ['many CAs', { 'trusted-ca-file': 'many.crt' }, ['config/client-auth-by-public-cas'], '--trusted-ca-file'],
    [
      'the files of the sides exchanged',
      { ...pair('peer'), ...pair('server', 'peer-') },
      ['config/client-and-peer-swapped'],
      '--cert-file',
    ],
    [
      'the CAs of the sides exchanged',
      { 'trusted-ca-file': 'peers.crt', 'peer-trusted-ca-file': 'clients.crt' },
      ['config/client-and-peer-swapped'],
    ],
    [
      'metrics without a certificate',
      { ...withoutTls, 'listen-metrics-urls': 'https://10.0.0.1:2381' },
      ['config/option-needs'],
      '--listen-metrics-urls',
    ],
    [
      'listening on the loopback address alone',
      { 'listen-client-urls': 'https://127.0.0.1:2379' },
      ['config/advertise-unreachable'],
      '--advertise-client-urls',
    ],
  ])('%s', async (_, changes, codes, option) => {
    const findings = await found(changes)
    expect(worse(findings)).toEqual(codes)
    const [first] = findings
    if (option !== undefined) expect(first?.place).toMatchObject({ option, line: 1 })
  })

  it('the list of public CAs is known by its path, unread', async () => {
    const findings = await found({ 'trusted-ca-file': '/etc/ssl/certs/ca-certificates.crt' }, { readFiles: false })
    expect(worse(findings)).toEqual(['config/client-auth-by-public-cas'])
  })

  it.each([
    ['', 1],
    ['name: etcd-0\n', 0],
    ['discovery-srv: example.com\n', 0],
    ['discovery: https://discovery.example.com/x\n', 0],
  ])('a file with %j and a peer URL, and nothing of members', async (more, count) => {
    const yaml = `${more}initial-advertise-peer-urls: http://127.0.0.1:2381\nlisten-peer-urls: http://127.0.0.1:2381\n`
    const { findings } = await lintEtcdConfig({ yaml }, { readFiles: false })
    expect(findings.filter(({ code }) => code === 'config/option-needs')).toHaveLength(count)
  })
})

it('a certificate of an intermediate, and one of nobody', async () => {
  const [below, self] = await Promise.all([found(pair('below')), found(pair('self'))])
  expect(findingOf(below, 'config/gateway-refused').remedy).toMatch(
    /^Append the certificate of "CN=Middle" to \S+below\.crt/,
  )
  expect(findingOf(self, 'config/gateway-refused').message).toContain('is self-signed')
})

it('what follows from something else is told with it, and no error with a warning', async () => {
  await write('turned.crt', clients.pem + (await readFile(join(folder, 'server.crt'), 'utf8')))
  const turned = await found({ 'cert-file': 'turned.crt' })
  expect(worse(turned)).toEqual(['credentials/leaf-not-first'])
  expect(turned[0]?.consequences.map(({ code }) => code)).toContain('san/host-not-covered')
  await write('ca.key', clients.keyPem)
  expect(worse(await found({ 'cert-file': 'clients.crt', 'key-file': 'ca.key' }))).toContain('san/host-not-covered')
  const self = await found({ 'trusted-ca-file': 'server.crt' })
  expect(worse(self)).not.toContain('chain/anchor-not-self-signed')
})

it.each([
  ['3.7.0', 'experimental-peer-skip-client-san-verification', 'Write --peer-skip-client-san-verification.'],
  ['3.5.16', 'peer-skip-client-san-verification', 'Write --experimental-peer-skip-client-san-verification.'],
] as const)('etcd %s without --%s', async (version, flag, remedy) => {
  const findings = await found({ [flag]: 'true' }, { version, readFiles: false })
  // It is not in force, so nothing is said of what it does.
  expect(worse(findings)).toEqual(['config/option-not-in-version'])
  expect(findings[0]?.remedy).toBe(remedy)
})

it('a line of releases has some that have it', async () => {
  const one = await found({ 'tls-min-version': 'TLS1.3' }, { version: '3.5.7', readFiles: false })
  expect(findingOf(one, 'config/option-not-in-version').remedy).toMatch(/^Update etcd to 3\.4\.25, 3\.5\.8/)
})

it('small keys are one word, no warning', async () => {
  const findings = await found({ ...pair('rsa'), 'trusted-ca-file': 'small.crt' }, { at: new Date('2029-12-31') })
  expect(findings.filter(({ code }) => /^key|keys-/.test(code))).toMatchObject([
    { code: 'config/keys-beyond-2030', severity: 'info', details: { subjects: ['"CN=Small"'] } },
  ])
})

describe('who may read the key', () => {
  const isRoot = process.getuid?.() === 0
  const unit = (lines: string, changes: Changes): { unit: string } => ({
    unit: `[Service]\n${lines}\nExecStart=/usr/bin/etcd ${flags(changes).join(' ')}\n`,
  })

  it('its group alone, which is that of etcd', async () => {
    await issue('grouped', { issuer: clients })
    const file = join(folder, 'grouped.key')
    await chmod(file, 0o640)
    const gid = isRoot ? 4711 : (process.getgid?.() ?? 0)
    if (isRoot) await chown(file, 0, gid)
    const codes = async (group: number): Promise<string[]> =>
      worse((await lintEtcdConfig(unit(`User=4712\nGroup=${String(group)}`, pair('grouped')))).findings)
    expect(await codes(gid)).not.toContain('file/key-readable-by-others')
    expect(await codes(gid + 1)).toContain('file/key-readable-by-others')
  })

  it('no user that systemd makes', async () => {
    const { findings } = await lintEtcdConfig(unit('DynamicUser=yes', {}))
    expect(findingOf(findings, 'config/key-not-readable').remedy).toContain('LoadCredential=')
    const other = await lintEtcdConfig(unit('DynamicUser=no', {}))
    expect(worse(other.findings)).toEqual([])
  })
})

it('a pod without a volume for its files, and one with a volume that is elsewhere', async () => {
  const pod = (mounts: string): { manifest: string } => ({
    manifest: `kind: Pod\nspec:\n  containers:\n  - command: ${JSON.stringify(['etcd', ...flags()])}\n    volumeMounts: [${mounts}]\n`,
  })
  const lost = await lintEtcdConfig(pod('{name: x, mountPath: /somewhere}'))
  expect(lost.findings.map(({ code }) => code)).toEqual(['config/volume-invalid'])
  const elsewhere = await lintEtcdConfig(pod(`{name: x, mountPath: ${JSON.stringify(folder)}}`))
  expect(elsewhere.findings.map(({ code }) => code)).toEqual(['config/not-checked'])
})

describe('members', () => {
  const cluster = [0, 1, 2].map((i) => `etcd-${String(i)}=https://10.0.0.${String(i + 1)}:2380`)
  const member = (i: number, changes: Changes = {}): { flags: string } => {
    const host = `10.0.0.${String(i + 1)}`
    return {
      flags: flags({
        name: `etcd-${String(i)}`,
        'listen-client-urls': `https://${host}:2379`,
        'advertise-client-urls': `https://${host}:2379`,
        'listen-peer-urls': `https://${host}:2380`,
        'initial-advertise-peer-urls': `https://${host}:2380`,
        'initial-cluster': cluster.join(','),
        ...changes,
      }).join(' '),
    }
  }
  const together = async (
    changes: readonly [Changes, Changes, Changes],
    options: LintOptions = {},
  ): Promise<Finding[]> =>
    (await lintCluster([member(0, changes[0]), member(1, changes[1]), member(2, changes[2])], options)).findings

  it.each<[what: string, changes: [Changes, Changes, Changes], told: [code: string, member: number][]]>([
    ['nothing', [{}, {}, {}], []],
    [
      'the URL of another one',
      [{}, { 'listen-client-urls': 'https://10.0.0.1:2379', 'advertise-client-urls': 'https://10.0.0.1:2379' }, {}],
      [['config/url-repeated', 1]],
    ],
    [
      'a restriction on two',
      [{ 'peer-cert-allowed-cn': 'a' }, {}, { 'peer-cert-allowed-cn': 'a' }],
      [['config/members-differ', 0]],
    ],
    [
      'another answer',
      [{}, {}, { 'client-cert-auth': 'false' }],
      [
        ['config/client-auth-implied', 2],
        ['config/members-differ', 2],
      ],
    ],
    ['another token', [{}, { 'initial-cluster-token': 'x' }, {}], [['config/members-differ', 1]]],
    ...(['existing', 'new'] as const).map((state): [string, [Changes, Changes, Changes], [string, number][]] => [
      `one that joined, beside ${state}`,
      [
        { 'initial-cluster': cluster.slice(0, 2).join(','), 'initial-cluster-state': state },
        { 'initial-cluster': cluster.slice(0, 2).join(','), 'initial-cluster-state': state },
        { 'initial-cluster-state': 'existing' },
      ],
      [['config/member-not-listed', 0]],
    ]),
    [
      'one that joins, with a list that lacks another',
      [
        { 'initial-cluster': cluster.slice(0, 2).join(','), 'initial-cluster-state': 'existing' },
        { 'initial-cluster': cluster.slice(0, 2).join(','), 'initial-cluster-state': 'existing' },
        { 'initial-cluster': `${cluster[0] ?? ''},${cluster[2] ?? ''}`, 'initial-cluster-state': 'existing' },
      ],
      [
        ['config/member-not-listed', 0],
        ['config/member-not-listed', 2],
      ],
    ],
    ['plaintext', [{}, {}, { 'listen-peer-urls': 'http://10.0.0.3:2380' }], [['config/members-differ', 2]]],
  ])('%s', async (what, changes, told) => {
    const findings = await together(changes, { readFiles: false })
    const places = findings.map(({ code, place }) => [code, Number(/\d/.exec(place?.file ?? '')?.[0])])
    if (what === 'plaintext') expect(places).toContainEqual(told[0])
    else expect(places.sort()).toEqual(told)
    expect(findings.every(({ place }) => place?.line === 1)).toBe(true)
  })

  it('a name for the cluster beside their own is theirs together', async () => {
    const both = (i: number): Changes => ({
      'advertise-client-urls': `https://10.0.0.${String(i)}:2379,https://etcd.example.com:2379`,
    })
    expect(await together([both(1), both(2), both(3)], { readFiles: false })).toEqual([])
  })

  it('one odd member is one finding, whatever others there are', async () => {
    const odd = { ...pair('server', 'peer-'), 'peer-trusted-ca-file': 'clients.crt' }
    const findings = (await together([{}, {}, odd])).filter(({ code }) => code === 'config/member-not-trusted')
    expect(findings).toHaveLength(1)
    expect(findings[0]?.place).toMatchObject({ file: 'members[2]', option: '--peer-cert-file' })
    const named = (await together([{ 'peer-cert-allowed-cn': 'x' }, { 'peer-cert-allowed-cn': 'x' }, {}])).filter(
      ({ code }) => code.includes('not-allowed'),
    )
    expect(named.map(({ code }) => code)).toEqual(Array(3).fill('config/member-not-allowed'))
  })

  it.each<[what: string, changes: Changes, cause: string, follows: string[]]>([
    ['a name that no list has', { name: 'etcd-C' }, 'config/member-not-listed', ['config/member-not-listed']],
    [
      'an address that no list has',
      { 'initial-advertise-peer-urls': 'https://10.0.0.33:2380' },
      'config/cluster-urls-differ',
      ['san/host-not-covered'],
    ],
    [
      'plaintext to members',
      {
        'listen-peer-urls': 'http://10.0.0.3:2380',
        'initial-advertise-peer-urls': 'http://10.0.0.3:2380',
      },
      'config/members-differ',
      ['config/plaintext-url', 'config/cluster-urls-differ'],
    ],
    [
      'another CA for members',
      { 'peer-trusted-ca-file': 'clients.crt' },
      'config/member-not-trusted',
      ['chain/issuer-not-found'],
    ],
  ])('one cause is one error: %s', async (_, changes, cause, follows) => {
    const names = [1, 2, 3].map((i) => ip(`10.0.0.${String(i)}`))
    await issue('all', { issuer: clients, names })
    await issue('all-peers', { issuer: peers, names })
    const own = { ...pair('all'), ...pair('all-peers', 'peer-') }
    const findings = await together([own, own, { ...own, ...changes }])
    const errors = findings.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ code }) => code)).toEqual([cause])
    expect(errors[0]?.consequences.map(({ code }) => code)).toEqual(follows)
  })
})
