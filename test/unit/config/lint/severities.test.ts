/** What leaves a port open is an error, what leaves it closed is none, and no remedy opens a port. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCluster } from '../../../../src/config/lint/lint-cluster.js'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { readExplanations } from '../../../../.config/lib/findings-page.mjs'
import { root } from '../../../support/compiled.js'
import type { FindingCode, Severity } from '../../../../src/report/finding.js'
import { dns, ip, mintCa, mintLeaf } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

const DAY = 86_400_000

let folder: string
const own = mintCa({ subject: 'Own CA' })
const expired = mintCa({
  subject: 'Client CA',
  notBefore: new Date(Date.now() - 90 * DAY),
  notAfter: new Date(Date.now() - DAY),
})
const names = [dns('e1'), ip('10.0.0.1')]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-severities-'))
  const leaf = mintLeaf({ subject: 'e1', names, issuer: own })
  const old = mintLeaf({ subject: 'e1', names, issuer: expired })
  const files = {
    'ca.crt': own.pem,
    'expired.crt': expired.pem,
    'both.crt': expired.pem + own.pem,
    'e1.crt': leaf.pem,
    'e1.key': leaf.keyPem,
    'old.crt': old.pem,
    'old.key': old.keyPem,
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Changes = Readonly<Record<string, string | null>>

function flags(changes: Changes): string[] {
  const all: Changes = {
    name: 'e1',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
    'initial-cluster': 'e1=https://10.0.0.1:2380',
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
  return Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`--${name}=${value.replace(/^\w+\.(?:crt|key)$/, (file) => join(folder, file))}`],
  )
}

function without(prefix: '' | 'peer-', more: Changes = {}): Changes {
  const gone = ['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth'].map((name) => [prefix + name, null])
  return { ...(Object.fromEntries(gone) as Changes), ...more }
}

const CASES: readonly (readonly [what: string, Changes, FindingCode, Severity, cis: string | null])[] = [
  [
    'no CA and no client certificate',
    { 'trusted-ca-file': null, 'client-cert-auth': null },
    'config/client-auth-off',
    'error',
    '2.2',
  ],
  ['a CA with client-cert-auth off', { 'client-cert-auth': 'false' }, 'config/client-auth-implied', 'warning', '2.2'],
  ['auto-tls', without('', { 'auto-tls': 'true' }), 'config/auto-tls', 'error', '2.3'],
  ['https without a certificate', without(''), 'config/option-needs', 'error', '2.1'],
  ['a certificate without its key', { 'key-file': null }, 'config/option-needs', 'error', '2.1'],
  ['plaintext for clients', { 'listen-client-urls': 'http://10.0.0.1:2379' }, 'config/plaintext-url', 'error', '2.1'],
  [
    'plaintext on the loopback address next to TLS',
    { 'listen-client-urls': 'https://10.0.0.1:2379,http://127.0.0.1:2379' },
    'config/plaintext-url',
    'error',
    '2.1',
  ],
  ['https without a certificate for peers', without('peer-'), 'config/option-needs', 'error', '2.4'],
  [
    'plaintext for peers',
    without('peer-', {
      'listen-peer-urls': 'http://10.0.0.1:2380',
      'initial-advertise-peer-urls': 'http://10.0.0.1:2380',
      'initial-cluster': 'e1=http://10.0.0.1:2380',
    }),
    'config/plaintext-url',
    'error',
    '2.4',
  ],
  [
    'no certificate of peers',
    { 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null },
    'config/client-auth-off',
    'error',
    '2.5',
  ],
  [
    'a CA of peers with client-cert-auth off',
    { 'peer-client-cert-auth': 'false' },
    'config/client-auth-implied',
    'info',
    '2.5',
  ],
  ['auto-tls of peers', without('peer-', { 'peer-auto-tls': 'true' }), 'config/auto-tls', 'error', '2.6'],
  ['an expired CA of clients', { 'trusted-ca-file': 'expired.crt' }, 'config/ca-expired', 'error', null],
  [
    'an expired CA of clients next to a valid one',
    { 'trusted-ca-file': 'both.crt' },
    'config/ca-expired',
    'warning',
    null,
  ],
]

const explanations = readExplanations(root)

describe('severities at the ports', () => {
  it.each(CASES)('reports %s', async (_, changes, code, severity, cis) => {
    const report = await lintEtcdConfig({ flags: flags(changes) })
    const found = findingOf(report.findings, code)
    expect(found.severity).toBe(severity)
    if (severity === 'error') expect(report.ok).toBe(false)
    if (cis !== null) {
      expect(explanations.get(code)?.source).toMatch(
        new RegExp(`CIS Kubernetes Benchmark (?:2\\.\\d, )*${cis.replace('.', '\\.')}(?!\\d)`),
      )
    }
  })

  it('does not fail a configuration in which a CA of clients has client-cert-auth off', async () => {
    const report = await lintEtcdConfig({ flags: flags({ 'client-cert-auth': 'false' }) })
    expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([])
  })

  it('reports an expired CA once if the own certificate leads to it', async () => {
    const old = { 'cert-file': 'old.crt', 'key-file': 'old.key', 'trusted-ca-file': 'expired.crt' }
    const { ok, findings } = await lintEtcdConfig({ flags: flags(old) })
    expect(ok).toBe(false)
    expect(findings.map(({ code }) => code)).not.toContain('config/ca-expired')
    expect(
      findings.filter(({ code }) => code === 'validity/expired').map(({ certificate }) => certificate?.role),
    ).toEqual(['anchor'])
  })

  it('takes the clock skew into account for the CA of clients', async () => {
    const { findings } = await lintEtcdConfig(
      { flags: flags({ 'trusted-ca-file': 'expired.crt' }) },
      { clockSkew: '2d' },
    )
    expect(findings.map(({ code }) => code)).not.toContain('config/ca-expired')
  })
})

describe('members of which some refuse fewer certificates', () => {
  const cluster = [1, 2, 3].map((i) => `e${String(i)}=https://10.0.0.${String(i)}:2380`).join(',')
  const member = (i: number, changes: Changes): { flags: string[] } => ({
    flags: flags({
      name: `e${String(i)}`,
      'listen-client-urls': `https://10.0.0.${String(i)}:2379`,
      'advertise-client-urls': `https://10.0.0.${String(i)}:2379`,
      'listen-peer-urls': `https://10.0.0.${String(i)}:2380`,
      'initial-advertise-peer-urls': `https://10.0.0.${String(i)}:2380`,
      'initial-cluster': cluster,
      ...changes,
    }),
  })

  it.each(['client-crl-file', 'peer-crl-file', 'client-cert-allowed-hostname', 'peer-cert-allowed-cn'])(
    'reports a missing --%s as an error, and the remedy does not remove it',
    async (name) => {
      const set = { [name]: 'e1' }
      const report = await lintCluster([member(1, set), member(2, set), member(3, {})], { readFiles: false })
      const found = findingOf(report.findings, 'config/members-differ')
      expect(found.severity).toBe('error')
      expect(found.message).toMatch(/^--\S+ is set for .*e1.* and .*e2.*, but not for .*e3.*, which accepts/)
      expect(found.remedy).toMatch(/^Set --\S+ for "e3" \(members\[2\]\) as well\.$/)
    },
  )

  it('reports different names that clients may have as an error', async () => {
    const [one, other] = ['a', 'b'].map((name) => ({ 'client-cert-allowed-hostname': name }))
    const report = await lintCluster([member(1, one ?? {}), member(2, other ?? {})], { readFiles: false })
    expect(findingOf(report.findings, 'config/members-differ')).toMatchObject({
      severity: 'error',
      remedy: 'Write the same --client-cert-allowed-hostname for all members.',
    })
  })
})

describe('remedies', () => {
  it('do not open a port', async () => {
    const system = await lintEtcdConfig({ flags: flags({ 'trusted-ca-file': null }) })
    expect(findingOf(system.findings, 'config/client-auth-by-public-cas').remedy).not.toMatch(/false/)
    const half = await lintEtcdConfig({ flags: flags({ 'client-cert-auth': 'false' }) })
    expect(findingOf(half.findings, 'config/client-auth-implied').remedy).toBe('Set --client-cert-auth to true.')
    const idle = await lintEtcdConfig({
      flags: flags({ 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null, 'peer-cert-allowed-cn': 'e1' }),
    })
    const off = findingOf(idle.findings, 'config/client-auth-off')
    expect(findingOf(off.consequences, 'config/restriction-not-in-force').remedy).toBe(
      'Set --peer-client-cert-auth to true.',
    )
  })
})
