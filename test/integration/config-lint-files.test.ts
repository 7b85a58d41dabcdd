/**
 * What the lint says of files, names and ports, etcd does: it does not start, or it serves and refuses whom the finding
 * names, or it lets in whom it should not. Each test starts one etcd, or two.
 */
import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, it as every } from 'vitest'
import type { ConfigInput } from '../../src/config/read/input.js'
import type { FindingCode } from '../../src/report/finding.js'
import { type EtcdProcess, serving } from '../support/etcd-process.js'
import { INSTALLED, IS_3_4, missingFlags } from '../support/etcd-version.js'
import { ask, isServed } from '../support/https.js'
import { found, lint, lintedMember, refusing, shown } from '../support/linted-member.js'
import { oneIn } from '../support/long.js'
import { NO_PEER_TLS, NO_TLS, pair } from '../support/member-flags.js'
import { dns, ip, mintCa, mintCrl, newKey } from '../support/mint.js'
import { isSaid } from '../support/refusal-words.js'

const it = oneIn(2, every)

const member = lintedMember()
const { root, file, write, issue, flags: flagsOf, start } = member

const REVOKED = 4711n
const YEAR = 365 * 86_400_000
const ago = (years: number): Date => new Date(Date.now() - years * YEAR)
const other = mintCa({ subject: 'Other root' })
const old = mintCa({ subject: 'Old root', notBefore: ago(2), notAfter: ago(1) })
const NOBODY = { trust: null }

beforeAll(() => {
  write('other.crt', other.pem)
  write('both.crt', root.pem + old.pem)
  write('empty.crt', 'nothing here\n')
})

/** An etcd that serves. */
async function served(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<EtcdProcess> {
  const etcd = start(flags, { env })
  await serving(etcd)
  return etcd
}

const lets = (options?: Parameters<typeof isServed>[1]): Promise<boolean> => isServed(member.port('client'), options)

describe('etcd does not start', () => {
  /** Ends by itself, with the words of the row. */
  async function ends(flags: readonly string[], code: FindingCode, config: ConfigInput = { flags }): Promise<void> {
    const finding = await found(config, code)
    expect(finding.severity).toBe('error')
    await using etcd = start(flags)
    expect(await etcd.code).not.toBe(0)
    await refusing(etcd, finding)
  }

  it.each(['pkcs8', 'sec1'] as const)(
    'etcd does not start with an encrypted key as %s: config/key-not-readable',
    async (type) => {
      const key = createPrivateKey(issue('locked').key.exportPem())
      write('locked.key', key.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }))
      await ends(flagsOf(pair('locked')), 'config/key-not-readable')
    },
  )

  it.each<[string, (pem: string) => string, string]>([
    ['a byte order mark before', (pem) => `\ufeff${pem}`, 'crt'],
    ['a byte order mark before', (pem) => `\ufeff${pem}`, 'key'],
    ['an indented block of', (pem) => pem.replace(/^/gm, '  '), 'crt'],
    ['line ends of an old Mac in', (pem) => pem.replaceAll('\n', '\r'), 'key'],
  ])('etcd does not start with %s the %s: pem/layout-unusual', async (_, change, end) => {
    issue('marked')
    write(`marked.${end}`, change(await readFile(file(`marked.${end}`), 'utf8')))
    await ends(flagsOf(pair('marked')), 'pem/layout-unusual')
  })

  it.each([
    ['CRL', mintCrl({ issuer: root }).pem],
    ['key', root.keyPem],
  ])('etcd does not start with a %s among the CAs: input/other-block', async (_, block) => {
    write('mixed.crt', root.pem + block)
    const flags = flagsOf('trusted-ca-file=mixed.crt')
    expect((await found({ flags }, 'input/other-block')).severity).toBe('error')
    await member.ends(flags, '"error":"x509: malformed')
  })

  it('metrics by TLS without certificates, or TLS in a file that only members have: config/option-needs', async () => {
    const plain = 'http://127.0.0.1:{client}'
    const urls = `listen-client-urls=${plain} advertise-client-urls=${plain} listen-metrics-urls=${member.url('third')}`
    await ends(flagsOf(`${NO_TLS} ${urls}`), 'config/option-needs')
    const client = member.url('client').replace('https', 'http')
    const yaml = `data-dir: ${file('data-yaml')}
listen-client-urls: ${client}
advertise-client-urls: ${client}
listen-peer-urls: ${member.url('peer')}
initial-advertise-peer-urls: ${member.url('peer')}
peer-transport-security: {cert-file: server.crt, key-file: server.key, trusted-ca-file: ca.crt, client-cert-auth: true}
`
    await ends([`--config-file=${write('etcd.yml', yaml)}`], 'config/option-needs', { yaml })
  })
})

describe('revocation lists', () => {
  const list = mintCrl({ issuer: root, revoked: [{ serial: REVOKED }] })

  it('CRLs are read at each connection: missing, garbage, with words before, several, and right', async () => {
    const [alice, mallory] = [shown(issue('alice')), shown(issue('mallory', { serial: REVOKED }))]
    const flags = flagsOf('client-crl-file=client.crl')
    await using etcd = await served(flags)
    const unreadable = 'error config/crl-unreadable'
    const forms: readonly (readonly [content: string | Buffer | null, found: string, ...letIn: boolean[]])[] = [
      [null, unreadable, false, false],
      ['garbage', unreadable, false, false],
      [`Certificate Revocation List (CRL):\n${list.pem}`, unreadable, false, false],
      [mintCrl({ issuer: other }).pem + list.pem, unreadable, true, true],
      [list.pem, 'info config/crl-form', true, false],
      [list.der, '', true, false],
    ]
    for (const [content, expected, ...letIn] of forms) {
      if (content !== null) write('client.crl', content)
      const findings = (await lint({ flags })).map(({ code, severity }) => `${severity} ${code}`)
      expect(expected === '' ? findings.join() : findings.find((each) => each === expected)).toBe(expected)
      expect([await lets(alice), await lets(mallory)]).toEqual(letIn)
    }
    await etcd.says((log) => log.includes('no such file or directory') && log.includes('asn1: structure error'))
  })

  const changes = 'client-crl-file=bypassed.crl listen-client-http-urls=https://127.0.0.1:{third}'
  const absent = missingFlags(['--listen-client-http-urls']).length > 0
  it(`CRLs are not used if HTTP has a port of its own: config/restriction-not-in-force${absent ? `, which etcd ${INSTALLED} has not` : ''}`, async () => {
    write('bypassed.crl', list.der)
    const flags = flagsOf(changes)
    if (absent) return member.ends(flags, 'flag provided but not defined: -listen-client-http-urls')
    const mallory = issue('mallory', { serial: REVOKED })
    expect((await found({ flags }, 'config/restriction-not-in-force')).severity).toBe('error')
    await using etcd = await served(flags)
    expect(await lets(shown(mallory))).toBe(true)
    expect((await ask(`${member.url('third')}/version`, mallory)).status).toBeNull()
    await etcd.says((log) => isSaid('transport: certificate serial … revoked', log))
  })
})

it.each<[code: FindingCode, changes: string]>([
  ['config/gateway-refused', 'client-cert-allowed-hostname=localhost'],
  ['config/gateway-refused', pair('foreign')],
  ['usage/gateway-client-auth-missing', pair('server-only')],
])('the gateway answers 503, and clients are served: %s by %s', async (code, changes) => {
  issue('foreign', { issuer: other })
  issue('server-only', { usages: ['serverAuth'] })
  const flags = flagsOf(changes)
  const finding = await found({ flags }, code)
  expect(finding.severity).toBe('warning')
  const client = issue('client', { subject: '' })
  await using etcd = await served(flags)
  const range = { ...NOBODY, json: { key: 'YQ==' } }
  expect((await ask(`${member.url('client')}/v3/kv/range`, client, range)).status).toBe(503)
  expect(await lets(shown(client))).toBe(true)
  // The gateway logs what the other end said. That of 3.4 writes nothing, and the port that it dials writes why it refuses.
  const words = 'x509: certificate signed by unknown authority'
  if (IS_3_4 && code === 'config/gateway-refused') await etcd.says((log) => log.includes(words))
  else await refusing(etcd, finding)
})

describe('who is let in', () => {
  it('a certificate is refused by address on the port of metrics alone: config/metrics-address-check', async () => {
    const flags = flagsOf('listen-metrics-urls=https://127.0.0.1:{third}')
    await found({ flags }, 'config/metrics-address-check')
    const elsewhere = issue('elsewhere', { names: [ip('10.9.9.9')] })
    await using etcd = await served(flags)
    expect(await lets(shown(elsewhere))).toBe(true)
    const metrics = `${member.url('third')}/metrics`
    expect((await ask(metrics, elsewhere)).status).toBeNull()
    expect((await ask(metrics, issue('client'))).status).toBe(200)
    await etcd.says((log) => log.includes('x509: certificate is valid for 10.9.9.9, not 127.0.0.1'))
  })

  it('nothing is restricted if no certificate is requested: config/restriction-not-in-force, client-auth-off, peer-auth-off', async () => {
    write('none.crl', mintCrl({ issuer: root, revoked: [{ serial: REVOKED }] }).der)
    const open =
      '-trusted-ca-file -client-cert-auth client-cert-allowed-hostname=root.test client-crl-file=none.crl -peer-trusted-ca-file -peer-client-cert-auth'
    const flags = flagsOf(open)
    const { consequences } = await found({ flags }, 'config/client-auth-off')
    expect(new Set(consequences.map(({ code }) => code))).toEqual(new Set(['config/restriction-not-in-force']))
    await using _etcd = await served(flags)
    expect(await lets()).toBe(true)
    expect((await ask(`${member.url('peer')}/members`, null, NOBODY)).body).toContain('"name":"a"')
  })

  it('everybody is a peer where peers speak plaintext: config/plaintext-url', async () => {
    const url = 'http://127.0.0.1:{peer}'
    const urls = `listen-peer-urls=http://0.0.0.0:{peer} initial-advertise-peer-urls=${url} initial-cluster=a=${url}`
    const flags = flagsOf(`${urls} ${NO_PEER_TLS}`)
    await found({ flags }, 'config/plaintext-url')
    await using _etcd = await served(flags)
    const members = `${member.url('peer').replace('https', 'http')}/members`
    expect((await ask(members, null)).body).toContain('"name":"a"')
  })

  it('clients are let in by the roots of the machine: config/client-auth-by-public-cas', async () => {
    const flags = flagsOf('-trusted-ca-file')
    await found({ flags }, 'config/client-auth-by-public-cas')
    await using _etcd = await served(flags, { SSL_CERT_FILE: file('other.crt'), SSL_CERT_DIR: file('none') })
    expect(await lets(shown(issue('bought', { issuer: other })))).toBe(true)
    expect(await lets(shown(issue('client')))).toBe(false)
  })

  it('a bundle without certificates lets no client in: input/unexpected-content', async () => {
    const flags = flagsOf('trusted-ca-file=empty.crt')
    expect((await found({ flags }, 'input/unexpected-content')).severity).toBe('error')
    await using _etcd = await served(flags)
    expect(await lets(shown(issue('client')))).toBe(false)
  })

  it('members are refused by their address, unless it is not compared: config/peer-address-unprovable, address-check-off', async () => {
    const wildcard = issue('wildcard', { names: [dns('*.etcd.test')] })
    const version = async () => (await ask(`${member.url('peer')}/version`, wildcard, NOBODY)).status
    const flags = flagsOf(pair('wildcard', 'peer-'))
    const finding = await found({ flags }, 'config/peer-address-unprovable')
    {
      await using etcd = await served(flags)
      expect(await version()).toBeNull()
      await refusing(etcd, finding)
    }
    const unchecked = [...flags, '--experimental-peer-skip-client-san-verification']
    await found({ flags: unchecked }, 'config/option-dangerous')
    await using _etcd = await served(unchecked)
    expect(await version()).toBe(200)
  })

  it('exchanged files of the two sides let no client in: config/client-and-peer-swapped', async () => {
    const peer = issue('for-peers', { issuer: other })
    const flags = flagsOf(`${pair('for-peers')} ${pair('server', 'peer-')} peer-trusted-ca-file=other.crt`)
    const exchanged = await found({ flags }, 'config/client-and-peer-swapped')
    await using etcd = await served(flags)
    const version = `${member.url('peer')}/version`
    expect((await ask(version, issue('dialling'), NOBODY)).status).toBeNull()
    await refusing(etcd, exchanged)
    // Who has what this side should have shown is let in.
    expect((await ask(version, peer, NOBODY)).status).toBe(200)
  })
})

it('lists of another CA and of last year are in force, also against etcd itself; one CA ended; own names', async () => {
  // A list of another CA that ended a year ago, in which alice has the number of somebody else.
  const dates = { thisUpdate: ago(2), nextUpdate: ago(1) }
  write('stale.crl', mintCrl({ issuer: other, revoked: [{ serial: 11n }, { serial: 12n }], ...dates }).der)
  const flags = flagsOf('client-crl-file=stale.crl trusted-ca-file=both.crt peer-cert-allowed-cn=CN=server')
  await found({ flags }, 'config/crl-doubtful')
  const own = await found({ flags }, 'config/member-revoked')
  const ended = await found({ flags }, 'config/ca-expired')
  const named = await found({ flags }, 'config/allowed-cn-as-subject')
  expect(named.consequences.map(({ code }) => code)).toEqual(['config/member-not-allowed'])

  const bob = issue('bob', { subject: '' })
  await using etcd = await served(flags)
  expect(await lets(shown(issue('alice', { serial: 12n })))).toBe(false)
  expect(await lets(shown(bob))).toBe(true)
  expect((await ask(`${member.url('client')}/v3/kv/range`, bob, { json: { key: 'YQ==' } })).status).toBe(503)
  await refusing(etcd, own)
  expect(await lets(shown(issue('late', { issuer: old })))).toBe(false)
  await refusing(etcd, ended)
  expect((await ask(`${member.url('peer')}/version`, issue('member', { subject: 'server' }))).status).toBeNull()
  await refusing(etcd, named)
})

const NEWEST = 'tls-max-version=TLS1.2'
it.each([
  ['', true],
  [NEWEST, false],
])('suites that want another kind of key: config/cipher-suites-unfit, next to "%s"', async (newest, tls13) => {
  issue('rsa', { key: newKey('rsa-2048') })
  const flags = flagsOf(`${pair('rsa')} cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 ${newest}`)
  const [missing] = missingFlags(flags)
  if (missing !== undefined) return member.ends(flags, `flag provided but not defined: -${missing}`)
  const finding = await found({ flags }, 'config/cipher-suites-unfit')
  const client = shown(issue('client'))
  await using etcd = await served(flags)
  expect(await lets({ ...client, maxVersion: 'TLSv1.2' })).toBe(false)
  expect(await lets(client)).toBe(tls13)
  await refusing(etcd, finding)
})

it('suites that Go calls insecure are served where they are named: config/cipher-suites-unfit', async () => {
  issue('rsa', { key: newKey('rsa-2048') })
  const weak = 'TLS_RSA_WITH_AES_128_CBC_SHA'
  const flags = flagsOf(`${pair('rsa')} cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,${weak}`)
  expect((await found({ flags }, 'config/cipher-suites-unfit')).severity).toBe('warning')
  await using _etcd = await served(flags)
  const tls = { ...NOBODY, ciphers: 'AES128-SHA', maxVersion: 'TLSv1.2' } as const
  const answer = await ask(`${member.url('client')}/version`, issue('client'), tls)
  expect(answer).toMatchObject({ status: 200, suite: weak })
})

it('a client that follows an advertised URL without TLS reaches nothing: config/advertise-unreachable', async () => {
  const flags = flagsOf('advertise-client-urls=http://127.0.0.1:{client}')
  const finding = await found({ flags }, 'config/advertise-unreachable')
  await using etcd = await served(flags)
  expect((await ask(`${member.url('client').replace('https', 'http')}/version`, null)).status).toBeNull()
  await refusing(etcd, finding)
})
