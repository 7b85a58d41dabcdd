/**
 * What the lint says of files, names and ports, etcd does: it does not start, or it serves and refuses whom the finding
 * names, or it lets in whom it should not. Each test starts one etcd, or two.
 */
import { createPrivateKey } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../src/config/lint/lint.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { FindingCode } from '../../src/report/finding.js'
import { INSTALLED, IS_3_4, missingFlags } from '../support/etcd-version.js'
import { mintedCredentials } from '../support/etcd.js'
import { type EtcdProcess, isServed, saying, serving, startEtcdProcess } from '../support/etcd-process.js'
import { found, refusing, shown } from '../support/linted-member.js'
import { NO_PEER_TLS, pair, pkiFolder } from '../support/member-flags.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions, newKey } from '../support/mint.js'
import { heldPorts } from '../support/ports.js'
import { isSaid } from '../support/refusal-words.js'
import { ask } from '../support/rendered-etcd.js'

const { freePort } = heldPorts()

const REVOKED = 4711n

let ports: { client: number; peer: number; third: number }
const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const pki = pkiFolder({ issuer: root, names: [ip('127.0.0.1'), dns('localhost')] })
let folder = ''

beforeAll(() => {
  folder = dirname(file('ca.crt'))
  write('ca.crt', root.pem)
  write('other-ca.crt', other.pem)
  write('empty.crt', 'nothing here\n')
  pki.issue('server')
  pki.issue('peer')
})
beforeEach(async () => {
  ports = { client: await freePort(), peer: await freePort(), third: await freePort() }
})

const file = (name: string): string => pki.path(name)
const write = (name: string, content: string | Uint8Array): string => pki.write(name, content)

/** Writes a certificate and its key, and returns both for a client to present. */
function issue(name: string, options: Partial<MintLeafOptions> = {}): Credentials {
  return mintedCredentials({ leaf: pki.issue(name, options), trust: [root] })
}

function flagsOf(changes = ''): string[] {
  const url = (port: number): string => `https://127.0.0.1:${String(port)}`
  const urls = { name: 'a', client: url(ports.client), peer: url(ports.peer) }
  return pki.flags(`data-dir=${file(`data-${String(ports.client)}`)} ${changes}`, urls)
}

function start(flags: readonly string[], env: Readonly<Record<string, string>> = {}): EtcdProcess {
  return startEtcdProcess(flags, { cwd: folder, env })
}

describe('etcd does not start', () => {
  /** Ends by itself, with the words of the row. */
  async function ends(flags: readonly string[], code: FindingCode): Promise<void> {
    const finding = await found({ flags }, code)
    expect(finding.severity).toBe('error')
    await using etcd = start(flags)
    expect(await etcd.code).not.toBe(0)
    await refusing(etcd, finding)
  }

  /** What bars whoever runs etcd here: root becomes somebody else for it, and others lock themselves out. */
  const uid = process.getuid?.() === 0 ? 65_534 : undefined
  const CLOSED = uid === undefined ? { file: 0o000, folder: 0o600 } : { file: 0o600, folder: 0o700 }

  it.each([
    ['a key that its user may not read', { file: CLOSED.file, folder: 0o755 }, null],
    ['a folder that its user may not look into', { file: 0o644, folder: CLOSED.folder }, 'closed'],
  ])('%s: config/key-not-readable', async (_, modes, barredBy) => {
    const closed = file('closed')
    await rm(closed, { recursive: true, force: true })
    await mkdir(closed)
    issue('theirs')
    await rename(file('theirs.key'), join(closed, 'theirs.key'))
    for (const name of ['ca.crt', 'server.crt', 'server.key', 'peer.crt', 'peer.key', 'theirs.crt'])
      await chmod(file(name), 0o644)
    await chmod(folder, 0o777)
    await chmod(join(closed, 'theirs.key'), modes.file)
    await chmod(closed, modes.folder)
    const flags = flagsOf(`cert-file=theirs.crt key-file=${join(closed, 'theirs.key')}`)
    const unit = `[Service]\nUser=${String(uid ?? process.getuid?.())}\nExecStart=/usr/bin/etcd ${flags.join(' ')}\n`
    const finding = await found({ unit }, 'config/key-not-readable')
    expect(finding).toMatchObject({
      severity: 'error',
      details: barredBy === null ? { kind: 'file' } : { kind: 'directory', directory: file(barredBy) },
    })
    await using etcd = startEtcdProcess(flags, { cwd: folder, uid })
    expect(await etcd.code).not.toBe(0)
    expect(etcd.log()).toContain(`open ${join(closed, 'theirs.key')}: permission denied`)
    await refusing(etcd, finding)
    await chmod(closed, 0o700)
    for (const name of ['server.key', 'peer.key']) await chmod(file(name), 0o600)
  })

  it('an encrypted key, in both forms: config/key-not-readable', async () => {
    issue('locked')
    const key = createPrivateKey(mintLeaf({ subject: 'x', issuer: root }).keyPem)
    for (const type of ['pkcs8', 'sec1'] as const) {
      const pem = key.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
      write('locked.key', pem.toString())
      await ends(flagsOf(pair('locked')), 'config/key-not-readable')
    }
  })

  it('a byte order mark before the certificate or the key: config/byte-order-mark', async () => {
    issue('marked')
    for (const name of ['marked.crt', 'marked.key']) {
      const text = await readFile(file(name), 'utf8')
      write(name, `\ufeff${text}`)
      await ends(flagsOf(pair('marked')), 'config/byte-order-mark')
      write(name, text)
    }
  })

  it('something else among the CAs: input/other-block, input/other-block', async () => {
    const blocks = [
      ['input/other-block', mintCrl({ issuer: root }).pem],
      ['input/other-block', root.keyPem],
    ] as const
    for (const [code, block] of blocks) {
      write('mixed.crt', root.pem + block)
      const flags = flagsOf('trusted-ca-file=mixed.crt')
      expect((await found({ flags }, code)).severity).toBe('error')
      await using etcd = start(flags)
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain('"error":"x509: malformed')
    }
  })
})

describe('revocation lists', () => {
  it('they are read at each connection: missing, garbage, with words before, several, and right', async () => {
    const alice = shown(issue('alice'))
    const mallory = shown(issue('mallory', { serial: REVOKED }))
    const list = mintCrl({ issuer: root, revoked: [{ serial: REVOKED }] })
    const flags = flagsOf('client-crl-file=client.crl')
    await using etcd = start(flags)
    await serving(etcd)
    const served = async (): Promise<[alice: boolean, mallory: boolean]> => [
      await isServed(ports.client, alice),
      await isServed(ports.client, mallory),
    ]

    expect((await found({ flags }, 'config/crl-unreadable')).severity).toBe('error')
    expect(await served()).toEqual([false, false])
    write('client.crl', 'garbage')
    expect((await found({ flags }, 'config/crl-unreadable')).severity).toBe('error')
    expect(await served()).toEqual([false, false])
    write('client.crl', `Certificate Revocation List (CRL):\n${list.pem}`)
    expect((await found({ flags }, 'config/crl-unreadable')).severity).toBe('error')
    expect(await served()).toEqual([false, false])
    await saying(etcd, (log) => log.includes('no such file or directory') && log.includes('asn1: structure error'))

    write('client.crl', mintCrl({ issuer: other }).pem + list.pem)
    expect((await found({ flags }, 'config/crl-unreadable')).severity).toBe('error')
    expect(await served()).toEqual([true, true])
    write('client.crl', list.pem)
    expect((await found({ flags }, 'config/crl-form')).severity).toBe('info')
    expect(await served()).toEqual([true, false])
    write('client.crl', list.der)
    const { findings } = await lintEtcdConfig({ flags }, { version: INSTALLED, ignore: ['config/advisory'] })
    expect(findings).toEqual([])
    expect(await served()).toEqual([true, false])
  })

  if (missingFlags(['--listen-client-http-urls']).length > 0) {
    it(`not config/restriction-not-in-force: etcd ${INSTALLED} has no port for HTTP alone`, async () => {
      await using etcd = start(flagsOf('listen-client-http-urls=https://127.0.0.1:1'))
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain('flag provided but not defined: -listen-client-http-urls')
    })
    return
  }

  it('they are passed by where HTTP has a port of its own: config/restriction-not-in-force', async () => {
    const mallory = issue('mallory', { serial: REVOKED })
    write('bypassed.crl', mintCrl({ issuer: root, revoked: [{ serial: REVOKED }] }).der)
    const http = `https://127.0.0.1:${String(ports.third)}`
    const flags = flagsOf(`client-crl-file=bypassed.crl listen-client-http-urls=${http}`)
    expect((await found({ flags }, 'config/restriction-not-in-force')).severity).toBe('error')
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client, shown(mallory))).toBe(true)
    expect((await ask(`${http}/version`, mallory)).status).toBeNull()
    await saying(etcd, (log) => isSaid('transport: certificate serial … revoked', log))
  })
})

describe('the gateway answers 503, and clients are served', () => {
  it.each<[code: FindingCode, changes: () => string]>([
    ['config/gateway-refused', () => 'client-cert-allowed-hostname=localhost'],
    [
      'config/gateway-refused',
      () => {
        issue('foreign', { issuer: other })
        return pair('foreign')
      },
    ],
    [
      'usage/gateway-client-auth-missing',
      () => {
        issue('server-only', { usages: ['serverAuth'] })
        return pair('server-only')
      },
    ],
  ])('%s', async (code, changes) => {
    const flags = flagsOf(changes())
    const finding = await found({ flags }, code)
    expect(finding.severity).toBe('warning')
    const client = issue('client', { subject: '' })
    await using etcd = start(flags)
    await serving(etcd)
    const url = `https://127.0.0.1:${String(ports.client)}/v3/kv/range`
    expect((await ask(url, client, { trust: null, json: { key: 'YQ==' } })).status).toBe(503)
    expect(await isServed(ports.client, shown(client))).toBe(true)
    // The gateway's own connection tells what the other end said, and that its own log does.
    // In 3.4, the gateway writes nothing, and the port that it dials writes why it refuses.
    if (IS_3_4 && code === 'config/gateway-refused') {
      await saying(etcd, (log) => log.includes('x509: certificate signed by unknown authority'))
    } else await refusing(etcd, finding)
  })
})

describe('who is let in', () => {
  it('a certificate is refused by address on the port of metrics alone: config/metrics-address-check', async () => {
    const metrics = `https://127.0.0.1:${String(ports.third)}`
    const flags = flagsOf(`listen-metrics-urls=${metrics}`)
    await found({ flags }, 'config/metrics-address-check')
    const elsewhere = issue('elsewhere', { names: [ip('10.9.9.9')] })
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client, shown(elsewhere))).toBe(true)
    expect((await ask(`${metrics}/metrics`, elsewhere)).status).toBeNull()
    expect((await ask(`${metrics}/metrics`, issue('client'))).status).toBe(200)
    await saying(etcd, (log) => log.includes('x509: certificate is valid for 10.9.9.9, not 127.0.0.1'))
  })

  it('nothing is restricted where nobody is asked: config/restriction-not-in-force, client-auth-off, peer-auth-off', async () => {
    write('none.crl', mintCrl({ issuer: root, revoked: [{ serial: REVOKED }] }).der)
    const open =
      '-trusted-ca-file -client-cert-auth client-cert-allowed-hostname=root.test client-crl-file=none.crl -peer-trusted-ca-file -peer-client-cert-auth'
    const flags = flagsOf(open)
    const { consequences } = await found({ flags }, 'config/client-auth-off')
    expect(new Set(consequences.map(({ code }) => code))).toEqual(new Set(['config/restriction-not-in-force']))
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client)).toBe(true)
    const members = await ask(`https://127.0.0.1:${String(ports.peer)}/members`, null, { trust: null })
    expect(members.body).toContain('"name":"a"')
  })

  it('everybody is a peer where peers speak plaintext: config/plaintext-url', async () => {
    const url = `http://127.0.0.1:${String(ports.peer)}`
    const listen = url.replace('127.0.0.1', '0.0.0.0')
    const urls = `listen-peer-urls=${listen} initial-advertise-peer-urls=${url} initial-cluster=a=${url}`
    const flags = flagsOf(`${urls} ${NO_PEER_TLS}`)
    await found({ flags }, 'config/plaintext-url')
    await using etcd = start(flags)
    await serving(etcd)
    expect((await ask(`${url}/members`, null)).body).toContain('"name":"a"')
  })

  it('clients are let in by the roots of the machine: config/client-auth-by-public-cas', async () => {
    const flags = flagsOf('-trusted-ca-file')
    await found({ flags }, 'config/client-auth-by-public-cas')
    const bought = issue('bought', { issuer: other })
    await using etcd = start(flags, { SSL_CERT_FILE: file('other-ca.crt'), SSL_CERT_DIR: file('none') })
    await serving(etcd)
    expect(await isServed(ports.client, shown(bought))).toBe(true)
    expect(await isServed(ports.client, shown(issue('client')))).toBe(false)
  })

  it('nobody is let in by a bundle without certificates: input/unexpected-content', async () => {
    const flags = flagsOf('trusted-ca-file=empty.crt')
    expect((await found({ flags }, 'input/unexpected-content')).severity).toBe('error')
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client, shown(issue('client')))).toBe(false)
  })

  it('members are refused by their address, unless it is not compared: config/peer-address-unprovable, address-check-off', async () => {
    const wildcard = issue('wildcard', { names: [dns('*.etcd.test')] })
    const url = `https://127.0.0.1:${String(ports.peer)}/version`
    const flags = flagsOf(pair('wildcard', 'peer-'))
    const finding = await found({ flags }, 'config/peer-address-unprovable')
    {
      await using etcd = start(flags)
      await serving(etcd)
      expect((await ask(url, wildcard, { trust: null })).status).toBeNull()
      await refusing(etcd, finding)
    }
    const unchecked = [...flags, '--experimental-peer-skip-client-san-verification']
    await found({ flags: unchecked }, 'config/option-dangerous')
    await using etcd = start(unchecked)
    await serving(etcd)
    expect((await ask(url, wildcard, { trust: null })).status).toBe(200)
  })
})

describe('suites that want another kind of key', () => {
  const suites = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'

  const cases: readonly [code: FindingCode, newest: string, tls13: boolean][] =
    missingFlags(['--tls-max-version']).length === 0
      ? [
          ['config/cipher-suites-unfit', '', true],
          ['config/cipher-suites-unfit', 'tls-max-version=TLS1.2', false],
        ]
      : [['config/cipher-suites-unfit', '', true]]

  if (cases.length === 1) {
    it(`not config/cipher-suites-unfit: etcd ${INSTALLED} does not have --tls-max-version`, async () => {
      await using etcd = start(flagsOf('tls-max-version=TLS1.2'))
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain('flag provided but not defined: -tls-max-version')
    })
  }

  it.each(cases)('%s', async (code, newest, tls13) => {
    issue('rsa', { key: newKey('rsa-2048') })
    const flags = flagsOf(`${pair('rsa')} cipher-suites=${suites} ${newest}`)
    const finding = await found({ flags }, code)
    const client = shown(issue('client'))
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client, { ...client, maxVersion: 'TLSv1.2' })).toBe(false)
    expect(await isServed(ports.client, client)).toBe(tls13)
    await refusing(etcd, finding)
  })
})

it('suites that Go calls insecure are served where they are named: config/cipher-suites-unfit', async () => {
  issue('rsa', { key: newKey('rsa-2048') })
  const weak = 'TLS_RSA_WITH_AES_128_CBC_SHA'
  const flags = flagsOf(`${pair('rsa')} cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,${weak}`)
  expect((await found({ flags }, 'config/cipher-suites-unfit')).severity).toBe('warning')
  await using etcd = start(flags)
  await serving(etcd)
  const url = `https://127.0.0.1:${String(ports.client)}/version`
  const tls = { trust: null, ciphers: 'AES128-SHA', maxVersion: 'TLSv1.2' } as const
  expect(await ask(url, issue('client'), tls)).toMatchObject({ status: 200, suite: weak })
})

it('who follows an advertised URL without TLS reaches nothing: config/advertise-unreachable', async () => {
  const url = `http://127.0.0.1:${String(ports.client)}`
  const flags = flagsOf(`advertise-client-urls=${url}`)
  const finding = await found({ flags }, 'config/advertise-unreachable')
  await using etcd = start(flags)
  await serving(etcd)
  expect((await ask(`${url}/version`, null)).status).toBeNull()
  await refusing(etcd, finding)
})
