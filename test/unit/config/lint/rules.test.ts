/** Cases at the edges of rules: what is just right, and what is just wrong. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { findingOf } from '../../../support/refused.js'
import { dns, ip, mintCa, mintCrl, mintLeaf } from '../../../support/mint.js'

let folder: string
const root = mintCa({ subject: 'Root' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-rules-'))
  const leaf = mintLeaf({ subject: 'e1', names: [dns('e1'), ip('10.0.0.1')], issuer: root, serial: 11n })
  const files = {
    'ca.crt': root.pem,
    'e1.crt': leaf.pem,
    'e1.key': leaf.keyPem,
    'empty.crt': 'nothing here\n',
    'none.crl': root.pem,
    'own.crl': mintCrl({ issuer: root, revoked: [{ serial: 11n }] }).der,
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Changes = Readonly<Record<string, string | null>>

function flags(changes: Changes = {}): ConfigInput {
  const all: Changes = {
    name: 'e1',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
    'initial-cluster': 'e1=https://10.0.0.1:2380,e2=https://10.0.0.2:2380',
    'cert-file': 'e1.crt',
    'key-file': 'e1.key',
    'trusted-ca-file': 'ca.crt',
    'client-cert-auth': 'true',
    'peer-cert-file': 'e1.crt',
    'peer-key-file': 'e1.key',
    'peer-trusted-ca-file': 'ca.crt',
    'peer-client-cert-auth': 'true',
    ...changes,
  }
  return {
    flags: Object.entries(all).flatMap(([name, value]) =>
      value === null ? [] : [`--${name}=${value.replace(/^[\w-]+\.(?:crt|key|crl)$/, (each) => join(folder, each))}`],
    ),
  }
}

async function told(config: ConfigInput, options: LintOptions = {}): Promise<string[]> {
  const { findings } = await lintEtcdConfig(config, options)
  return findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
}

const NO_CLIENT_TLS = { 'cert-file': null, 'key-file': null, 'trusted-ca-file': null, 'client-cert-auth': null }

describe('just right, and just wrong', () => {
  it.each<[what: string, changes: Changes, codes: string[]]>([
    ['nothing', {}, []],
    [
      'plaintext on the loopback address of IPv6',
      { 'listen-client-urls': 'https://10.0.0.1:2379,http://[::1]:2379' },
      ['config/plaintext-url'],
    ],
    [
      'plaintext on another address of IPv6',
      { 'listen-client-urls': 'https://10.0.0.1:2379,http://[::2]:2379' },
      ['config/plaintext-url'],
    ],
    ['no years', { 'self-signed-cert-validity': '0' }, ['config/value-invalid']],
    ['years that are none', { 'self-signed-cert-validity': '1y' }, ['config/value-invalid']],
    ['years', { 'self-signed-cert-validity': '2' }, []],
    ['ports that the kernel chooses', { 'listen-metrics-urls': 'https://0.0.0.0:0,https://127.0.0.1:0' }, []],
    [
      'a member by its name here and its address there, which may be one',
      { 'initial-cluster': 'e1=https://e1.example.com:2380' },
      [],
    ],
    [
      'the same with another port',
      { 'initial-cluster': 'e1=https://e1.example.com:2381' },
      ['config/cluster-urls-differ'],
    ],
    ['an address in another form', { 'initial-cluster': 'e1=HTTPS://10.0.0.1:2380' }, []],
    [
      'names that are allowed, where the CA alone asks',
      { 'client-cert-auth': null, 'client-cert-allowed-hostname': 'x' },
      ['config/client-auth-implied', 'config/gateway-refused'],
    ],
    [
      'names that are allowed, without a gateway',
      { 'client-cert-allowed-hostname': 'x', 'enable-grpc-gateway': 'false' },
      [],
    ],
    [
      'auto-tls beside client-cert-auth alone',
      { ...NO_CLIENT_TLS, 'auto-tls': 'true', 'client-cert-auth': 'true' },
      ['config/auto-tls'],
    ],
    ['a list of its own certificate', { 'client-crl-file': 'own.crl' }, ['config/member-revoked']],
    ['the same without a gateway', { 'client-crl-file': 'own.crl', 'enable-grpc-gateway': 'false' }, []],
    [
      'the same where nobody is asked',
      { 'client-crl-file': 'own.crl', 'trusted-ca-file': null, 'client-cert-auth': null },
      ['config/client-auth-off'],
    ],
    [
      'a bundle without certificates, with nothing to serve by',
      { ...NO_CLIENT_TLS, 'client-cert-auth': 'true', 'trusted-ca-file': 'empty.crt' },
      ['config/option-needs', 'input/unexpected-content'],
    ],
  ])('%s', async (_, changes, codes) => {
    expect((await told(flags(changes))).sort()).toEqual(codes.sort())
  })
})

it('no years in a file are as none said', async () => {
  expect(await told({ yaml: 'self-signed-cert-validity: 0\n' }, { readFiles: false })).toEqual([])
})

it('a file that has everything but a list says so', async () => {
  const { findings } = await lintEtcdConfig(flags({ 'client-crl-file': 'none.crl' }))
  expect(findingOf(findings, 'config/crl-unreadable').message).toMatch(/not a CRL in PEM or DER/)
})

it('clients that are told nothing in a file are led to themselves', async () => {
  const yaml = (listen: string): ConfigInput => ({ yaml: `listen-client-urls: ${listen}\n` })
  const unreachable = 'config/advertise-unreachable'
  expect(await told(yaml('http://10.0.0.1:2379'), { readFiles: false })).toContain(unreachable)
  expect(await told(yaml('http://127.0.0.1:2379'), { readFiles: false })).not.toContain(unreachable)
})

describe('what only some releases have', () => {
  const codes = async (config: ConfigInput, version: '3.4.23' | '3.5.9' | '3.5' | '3.5.16'): Promise<string[]> => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false, version })
    return findings.map(({ code, place }) => `${code} ${place?.option ?? ''}`)
  }

  it('a socket that a URL names by its path alone is refused before 3.5.10, which requires a host and a port', async () => {
    const malformed = 'config/url-invalid --listen-client-urls'
    const socket = (url: string): ConfigInput => ({ flags: [`--listen-client-urls=${url}`] })
    for (const version of ['3.4.23', '3.5.9'] as const) {
      expect(await codes(socket('unix:///run/etcd.sock'), version)).toContain(malformed)
      expect(await codes(socket('unixs://etcd:1'), version)).not.toContain(malformed)
    }
    // Some releases of 3.5 read it.
    for (const version of ['3.5', '3.5.16'] as const) {
      expect(await codes(socket('unix:///run/etcd.sock'), version)).not.toContain(malformed)
    }
  })

  it('a key of another release with a value of the wrong type is not in this release, and has no wrong type', async () => {
    const yaml = 'name: a\ntls-min-version: 1.2\n'
    const ofKey = async (version: '3.4.23' | '3.5.16'): Promise<string[]> =>
      (await codes({ yaml }, version)).filter((each) => each.endsWith(' tls-min-version'))
    expect(await ofKey('3.4.23')).toEqual(['config/option-not-in-version tls-min-version'])
    expect(await ofKey('3.5.16')).toEqual(['config/value-type tls-min-version'])
  })
})
