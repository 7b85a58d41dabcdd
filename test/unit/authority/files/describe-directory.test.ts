import { chmodSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  createAuthority,
  describeDirectory,
  type DirectoryReport,
  formatDirectory,
  issueCluster,
  writeCluster,
} from '../../../../src/authority/index.js'
import { Contents } from '../../../../src/authority/files/describe/contents.js'
import { Relations } from '../../../../src/authority/files/describe/relate.js'
import type { FindingCode } from '../../../../src/report/finding.js'
import { Certificate } from '../../../../src/x509/certificate.js'
import { dns, mintCa, mintCrl, mintCsr, mintLeaf } from '../../../support/mint.js'
import { openssl, runTool, temporaryFolder } from '../../../support/openssl.js'
import { findingOf, refused } from '../../../support/refused.js'

const folder = temporaryFolder()
let folders = 0

/** A folder of files; keys get mode 0600. */
function folderOf(files: Record<string, string | Uint8Array>): string {
  const path = folder.file(`folder-${String(folders++)}`)
  mkdirSync(path, { mode: 0o700 })
  for (const [name, content] of Object.entries(files)) {
    const file = join(path, name)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, content, { mode: name.includes('key') ? 0o600 : 0o644 })
  }
  return path
}

function codes({ findings }: DirectoryReport): FindingCode[] {
  return findings.map(({ code }) => code)
}

function certificate(report: DirectoryReport, file: string) {
  const found = report.certificates.find(({ files }) => files.includes(file))
  if (found === undefined) throw new Error(`no ${file} among ${report.certificates.flatMap((e) => e.files).join(', ')}`)
  return found
}

const ca = mintCa({ subject: 'etcd-ca' })
const leaf = (subject = 'etcd', more: Partial<Parameters<typeof mintLeaf>[0]> = {}) =>
  mintLeaf({ issuer: ca, subject, names: [dns('localhost')], ...more })

describe('the layouts', () => {
  it('of writeCluster, with a CA of the peers’ own', async () => {
    const [client, peer] = [await createAuthority({ name: 'etcd CA' }), await createAuthority({ name: 'peer CA' })]
    const plan = {
      members: [
        { name: 'm1', hosts: ['localhost'] },
        { name: 'etcd', hosts: ['localhost'] },
      ],
      clients: ['root'],
    } as const
    const path = folder.file('ours')
    await writeCluster(path, await issueCluster({ client, peer }, plan), { layout: 'etcd' })
    const report = await describeDirectory(path)
    expect(report).toMatchObject({ ok: true, findings: [], layouts: [{ layout: 'etcd', path: '.' }], others: [] })
    expect(report.certificates).toHaveLength(7)
    expect(certificate(report, 'members/m1/server.crt')).toMatchObject({
      files: ['members/m1/server.crt'],
      subject: 'CN=m1',
      roles: ['server', 'peer', 'client'],
      names: ['dns:localhost'],
      ca: false,
      keys: ['members/m1/server.key'],
      signedBy: client.certificate.fingerprint256,
    })
    expect(certificate(report, 'members/m1/peer.crt').signedBy).toBe(peer.certificate.fingerprint256)
    expect(certificate(report, 'clients/root/tls.crt').roles).toEqual(['client'])
    // Once, though two folders hold it.
    expect(certificate(report, 'clients/root/ca.crt').files).toEqual([
      'clients/root/ca.crt',
      'members/etcd/ca.crt',
      'members/m1/ca.crt',
    ])
    expect(report.keys.map(({ file, mode, encrypted }) => [file, mode, encrypted])).toEqual([
      ['clients/root/tls.key', '0600', false],
      ['members/etcd/peer.key', '0600', false],
      ['members/etcd/server.key', '0600', false],
      ['members/m1/peer.key', '0600', false],
      ['members/m1/server.key', '0600', false],
    ])
  })

  it('of kubeadm, with the part that is not etcd’s', async () => {
    const authority = await createAuthority({ name: 'etcd-ca' })
    const plan = { members: [{ name: 'node', hosts: ['10.0.0.1'] }], kubeadm: true } as const
    const path = folder.file('kubeadm')
    await writeCluster(path, await issueCluster(authority, plan), { layout: 'kubeadm', caKey: true })
    const kubernetes = mintCa({ subject: 'kubernetes' })
    const accounts = leaf()
    const apiserver = leaf('kube-apiserver', { issuer: kubernetes, usages: ['serverAuth'] })
    for (const [name, pem] of [
      ['ca.crt', kubernetes.pem],
      ['apiserver.crt', apiserver.pem],
      ['apiserver.key', apiserver.keyPem],
      ['sa.key', accounts.keyPem],
      ['sa.pub', openssl(['pkey', '-pubout'], accounts.keyPem)],
    ] as const) {
      writeFileSync(join(path, name), pem, { mode: 0o600 })
    }
    const report = await describeDirectory(path)
    expect(report.layouts.map(({ layout }) => layout).sort()).toEqual(['kubeadm', 'kubernetes'])
    const missing = report.findings
      .filter(({ code }) => code === 'directory/file-missing')
      .map(({ details }) => details)
    expect(missing).toContainEqual({ file: 'front-proxy-client.crt', layout: 'kubernetes' })
    expect(missing.every((each) => 'layout' in each && each.layout === 'kubernetes')).toBe(true)
    const rest = codes(report).filter((code) => code !== 'directory/file-missing')
    // The CA's key was asked for, and is told all the same. The key of sa.pub needs no certificate.
    expect(rest).toEqual(['directory/ca-key-here'])
    expect(certificate(report, 'etcd/healthcheck-client.crt').roles).toEqual(['client'])
  })

  it('of cfssl, made by cfssl', async () => {
    const path = folderOf({})
    const at = (name: string, content: unknown): string => {
      writeFileSync(join(path, name), JSON.stringify(content))
      return join(path, name)
    }
    const key = { algo: 'ecdsa', size: 256 }
    const run = (out: string, args: string[]): void => {
      const made = runTool('cfssl', args)
      runTool('cfssljson', ['-bare', join(path, out)], made)
    }
    run('ca', ['gencert', '-initca', at('ca-csr.json', { CN: 'cfssl CA', key, ca: { expiry: '87600h' } })])
    const usages = ['signing', 'key encipherment', 'server auth', 'client auth']
    const config = at('config.json', { signing: { default: { expiry: '8760h', usages } } })
    const request = at('server.json', { CN: 'etcd', hosts: ['localhost'], key })
    const [caFile, caKey] = [join(path, 'ca.pem'), join(path, 'ca-key.pem')]
    run('server', ['gencert', `-ca=${caFile}`, `-ca-key=${caKey}`, `-config=${config}`, request])
    const report = await describeDirectory(path)
    expect(report.layouts).toEqual([{ layout: 'cfssl', path: '.' }])
    expect(codes(report)).toEqual(['directory/ca-key-here'])
    expect(certificate(report, 'server.pem')).toMatchObject({
      roles: ['server', 'peer', 'client'],
      keys: ['server-key.pem'],
      signedBy: certificate(report, 'ca.pem').fingerprint256,
    })
    expect(report.requests.map(({ file, keys, proven }) => [file, keys, proven])).toEqual([
      ['ca.csr', ['ca-key.pem'], true],
      ['server.csr', ['server-key.pem'], true],
    ])
    expect(report.others).toHaveLength(3)
  })

  it('of step, whose keys are encrypted and lie apart', async () => {
    const root = mintCa({ subject: 'Smallstep Root' })
    const middle = mintCa({ subject: 'Smallstep Intermediate', issuer: root })
    const encrypted = openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', 'pass:secret'], middle.keyPem)
    const report = await describeDirectory(
      folderOf({
        'certs/root_ca.crt': root.pem,
        'certs/intermediate_ca.crt': middle.pem,
        'secrets/intermediate_ca_key': encrypted,
        'config/ca.json': '{}',
      }),
    )
    expect(report.layouts).toEqual([{ layout: 'step', path: '.' }])
    expect(report).toMatchObject({ ok: true, findings: [] })
    expect(report.keys).toMatchObject([
      { file: 'secrets/intermediate_ca_key', encrypted: true, algorithm: null, mode: '0600', certificates: [] },
    ])
    expect(certificate(report, 'certs/intermediate_ca.crt')).toMatchObject({ ca: true, roles: [] })
  })

  it('of openssl ca, with DER, a list and a serial number file', async () => {
    const server = leaf()
    const list = mintCrl({ issuer: ca, revoked: [{ serial: 7 }] })
    const report = await describeDirectory(
      folderOf({
        'ca.pem': ca.pem,
        'ca.srl': '01\n',
        'server.der': server.der,
        'server.key': server.keyPem,
        'crl.der': list.der,
        'crl.pem': list.pem,
      }),
    )
    expect(report.layouts).toEqual([{ layout: 'openssl', path: '.' }])
    expect(report.findings).toEqual([])
    const signedBy = certificate(report, 'ca.pem').fingerprint256
    expect(report.crls).toMatchObject([
      { file: 'crl.der', form: 'der', revoked: 1, signedBy },
      { file: 'crl.pem', form: 'pem', revoked: 1, signedBy },
    ])
    expect(report.others).toEqual([{ file: 'ca.srl', is: 'a serial number of openssl' }])
  })
})

describe('what is told', () => {
  const server = leaf()
  const other = leaf('other')

  it.each<[string, Record<string, string | Uint8Array>, FindingCode[]]>([
    ['nothing about a pair below its CA', { 'ca.crt': ca.pem, 'a.crt': server.pem, 'a.key': server.keyPem }, []],
    [
      'a key beside the certificate of another',
      { 'ca.crt': ca.pem, 'a.crt': server.pem, 'a.key': other.keyPem },
      ['directory/key-of-another', 'directory/certificate-without-key'],
    ],
    ['a key of nothing here', { 'ca.crt': ca.pem, 'a.key': other.keyPem }, ['directory/key-without-certificate']],
    ['nothing about a key that waits for its certificate', waiting(), []],
    ['a certificate without key', { 'ca.crt': ca.pem, 'a.crt': server.pem }, ['directory/certificate-without-key']],
    [
      'the key of the CA',
      { 'ca.crt': ca.pem, 'ca.key': ca.keyPem, 'a.crt': server.pem, 'a.key': server.keyPem },
      ['directory/ca-key-here'],
    ],
    ['nothing about a CA that is alone with its key', { 'ca.crt': ca.pem, 'ca.key': ca.keyPem }, []],
    ['an issuer that is not here', { 'a.crt': server.pem, 'a.key': server.keyPem }, ['directory/issuer-not-found']],
    [
      'a certificate of a former CA of the same name',
      { 'ca.crt': mintCa({ subject: 'etcd-ca' }).pem, 'a.crt': server.pem, 'a.key': server.keyPem },
      ['directory/issuer-not-found'],
    ],
    [
      'two CAs of one name',
      { 'ca.crt': ca.pem, 'new-ca.crt': mintCa({ subject: 'etcd-ca' }).pem },
      ['directory/ca-name-repeated'],
    ],
    ['one serial number twice', repeated(), ['directory/serial-repeated']],
    [
      'a server certificate with serverAuth alone',
      pair('a', leaf('etcd', { usages: ['serverAuth'] })),
      ['usage/gateway-client-auth-missing'],
    ],
    [
      'an expired certificate',
      pair('a', leaf('etcd', { notBefore: new Date('2025-01-01'), notAfter: new Date('2026-01-01') })),
      ['validity/expired'],
    ],
    [
      'an expired CA, once',
      { 'ca.crt': mintCa({ subject: 'old', notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }).pem },
      ['validity/expired'],
    ],
    ['a damaged certificate', { 'a.crt': ca.pem.replace(/^M/m, 'A') }, ['certificate/malformed']],
    ['a key in the JSON of cfssl', { 'a.json': JSON.stringify({ key: server.keyPem }) }, ['directory/key-in-json']],
    ['what a member lacks', { 'members/m1/server.crt': ca.pem }, Array<FindingCode>(4).fill('directory/file-missing')],
    [
      'what killed runs have left',
      { '..20260101T000000.000Z-0123456789abcdef/ca.crt': ca.pem, '.0123456789abcdef.etcd-mtls-tmp': '' },
      ['directory/left-over', 'directory/left-over'],
    ],
  ])('%s', async (_, files, expected) => {
    const report = await describeDirectory(folderOf(files))
    expect(codes(report)).toEqual(expected)
    expect(report.ok).toBe(!report.findings.some(({ severity }) => severity === 'error'))
  })

  it('an issuer of the same name is said to be another one', async () => {
    const report = await describeDirectory(
      folderOf({ 'ca.crt': mintCa({ subject: 'etcd-ca' }).pem, 'a.crt': leaf().pem }),
    )
    expect(findingOf(report.findings, 'directory/issuer-not-found').details).toMatchObject({ sameName: true })
  })

  it('an end that comes soon, by the time and the window that are given', async () => {
    const path = folderOf(pair('a', leaf()))
    const at = new Date(Date.now() + 29 * 86_400_000)
    expect(codes(await describeDirectory(path, { at }))).toEqual(['validity/expires-soon'])
    expect(codes(await describeDirectory(path, { at, expiryWarning: '1h' }))).toEqual([])
  })

  it('permissions and owners', async () => {
    const path = folderOf({ 'ca.crt': ca.pem, 'a.crt': server.pem, 'a.key': server.keyPem, 'b/c.txt': 'text' })
    chmodSync(join(path, 'a.key'), 0o644)
    chmodSync(join(path, 'ca.crt'), 0o666)
    chmodSync(join(path, 'b'), 0o777)
    const report = await describeDirectory(path)
    expect(report.findings.map(({ code, details }) => [code, 'file' in details && details.file])).toEqual([
      ['directory/writable-by-others', 'b'],
      ['directory/writable-by-others', 'ca.crt'],
      ['file/key-readable-by-others', 'a.key'],
    ])
  })

  it('a folder that is not there, or is none', async () => {
    for (const path of [folder.file('nowhere'), folder.file('plain', 'text')]) {
      const report = await describeDirectory(path)
      expect(codes(report)).toEqual(['directory/unreachable'])
      expect(report.ok).toBe(false)
    }
  })

  it('misuse throws', async () => {
    await refused(describeDirectory(''), 'ERR_OPTION_INVALID')
    await refused(describeDirectory('.', { at: new Date(Number.NaN) }), 'ERR_OPTION_INVALID')
    await refused(describeDirectory('.', { expiryWarning: 'soon' }), 'ERR_OPTION_INVALID')
    await expect(describeDirectory('.', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

describe('hostile folders', () => {
  it('FIFOs, sockets, devices, links and large files are told and not opened', async () => {
    const path = folderOf({ 'ca.crt': ca.pem })
    runTool('mkfifo', [join(path, 'fifo.key')])
    symlinkSync('/dev/zero', join(path, 'zero.key'))
    symlinkSync('nowhere', join(path, 'dangling.crt'))
    symlinkSync('circle.crt', join(path, 'circle.crt'))
    symlinkSync('.', join(path, 'self'))
    symlinkSync('ca.crt', join(path, 'again.crt'))
    writeFileSync(join(path, 'huge.pem'), '')
    truncateSync(join(path, 'huge.pem'), 1024 ** 3)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(path, 'socket'), resolve))
    const report = await describeDirectory(path)
    await new Promise((resolve) => server.close(resolve))
    expect(new Set(codes(report))).toEqual(new Set(['directory/not-looked-at']))
    const told = report.findings.map(({ details }) => ('file' in details ? details.file : '')).sort()
    expect(told).toEqual(['circle.crt', 'dangling.crt', 'fifo.key', 'huge.pem', 'socket', 'zero.key'])
    expect(report.certificates.map(({ files }) => files)).toEqual([['again.crt']])
  })

  it('more files than are looked at: a finding, soon', async () => {
    const path = folderOf({ 'ca.crt': ca.pem })
    for (let i = 0; i < 12_000; i += 1) writeFileSync(join(path, `file-${String(i)}`), '')
    const report = await describeDirectory(path)
    expect(codes(report)).toEqual(['directory/limit-reached'])
    expect(report.others.length).toBeLessThanOrEqual(1000)
  })

  it('folders without end', async () => {
    const path = folderOf({ [`${'d/'.repeat(20)}ca.crt`]: ca.pem })
    expect(codes(await describeDirectory(path))).toEqual(['directory/limit-reached'])
  })

  it('many CAs of one name cost a bounded number of signatures', () => {
    const { key } = ca
    const same = Array.from({ length: 40 }, () => mintCa({ subject: 'one name' }))
    const stranger = mintCa({ subject: 'one name' })
    const below = Array.from({ length: 400 }, (_, i) =>
      mintLeaf({ issuer: stranger, subject: String(i), names: [], key }),
    )
    const contents = new Contents()
    for (const { der } of [...same, ...below]) {
      const each = Certificate.parse(der)
      contents.certificates.set(each.fingerprint256, { certificate: each, files: ['all.pem'] })
    }
    const verified = vi.spyOn(Certificate.prototype, 'isSignedBy')
    try {
      const relations = new Relations(contents)
      expect(relations.repeatedNames).toHaveLength(1)
      expect(verified.mock.calls.length).toBeGreaterThan(4000)
      expect(verified.mock.calls.length).toBeLessThanOrEqual(5000)
    } finally {
      verified.mockRestore()
    }
  })

  it('a file of many keys, of many damaged certificates, and a certificate in a form of openssl alone', async () => {
    const keys = leaf().keyPem.repeat(30)
    const many = await describeDirectory(folderOf({ 'ca.crt': ca.pem, 'many.key': keys }))
    expect(codes(many)).toContain('directory/limit-reached')
    expect(many.keys).toHaveLength(20)
    const damaged = ca.pem.replace(/^M/m, 'A').repeat(1000)
    const broken = await describeDirectory(folderOf({ 'ca.crt': ca.pem, 'all.pem': damaged }))
    expect(broken.findings).toHaveLength(200)
    const trusted = ca.pem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE')
    const old = await describeDirectory(folderOf({ 'ca.crt': trusted }))
    expect(old).toMatchObject({ findings: [], others: [{ is: 'PEM of the kind "TRUSTED CERTIFICATE"' }] })
  })

  it('a link that leads out of the folder is not followed, whatever is there', async () => {
    const outside = folder.file('outside.crt', leaf().pem)
    const path = folderOf({ 'ca.crt': ca.pem })
    symlinkSync(outside, join(path, 'out.crt'))
    symlinkSync('..', join(path, 'up'))
    const report = await describeDirectory(path)
    expect(report.findings.map(({ details }) => details)).toEqual([
      { file: 'out.crt', is: 'a link that leads out of the folder' },
      { file: 'up', is: 'a link that leads out of the folder' },
    ])
    expect(report.certificates.map(({ files }) => files)).toEqual([['ca.crt']])
  })

  it('names with control characters are escaped in the text, and nothing of a key is in it', async () => {
    const name = 'evil\u001b[2Jname\u202e.crt'
    const server = leaf('a\u001b]0;title\u0007b')
    const path = folderOf({ 'ca.crt': ca.pem, [name]: server.pem, 'loose.key': leaf().keyPem, 'a.key': server.keyPem })
    const report = await describeDirectory(path)
    const text = formatDirectory(report)
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}](?<!\n)/u)
    expect(text).toContain('evil\\u{1b}[2Jname\\u{202e}.crt')
    const json = JSON.stringify(report)
    for (const secret of [server.keyPem, leaf().keyPem]) {
      const [, line = ''] = secret.split('\n')
      expect(json).not.toContain(line)
      expect(text).not.toContain(line)
    }
    expect(JSON.parse(json)).toMatchObject({ directory: path, certificates: [{}, {}] })
  })
})

it('formatDirectory: a tree of who signed whom, keys with their modes, then the findings', async () => {
  const notBefore = new Date('2026-06-01')
  const root = mintCa({ subject: 'root', notBefore, notAfter: new Date('2040-01-01') })
  const middle = mintCa({ subject: 'middle', issuer: root, notBefore, notAfter: new Date('2040-01-01') })
  const server = leaf('etcd-0', { issuer: middle, notBefore, notAfter: new Date('2027-06-01') })
  const path = folderOf({ 'ca.crt': root.pem, 'tls.crt': server.pem + middle.pem, 'tls.key': server.keyPem })
  writeFileSync(join(path, 'odd.key'), leaf().keyPem, { mode: 0o600 })
  chmodSync(path, 0o755)
  const report = await describeDirectory(path, { at: new Date('2027-01-01') })
  const uid = String(process.getuid?.())
  expect(formatDirectory(report, { width: Infinity }).split('\n')).toEqual([
    `${path} as of 2027-01-01 00:00:00 UTC: layout secret`,
    '',
    'Certificates, each below its issuer:',
    '  CN=root (ca.crt): root CA; ECDSA P-256; until 2040-01-01; no key here',
    '    CN=middle (tls.crt): CA; ECDSA P-256; until 2040-01-01; no key here',
    `      CN=etcd-0 (tls.crt): server, peer, client; ECDSA P-256; until 2027-06-01; dns:localhost; key tls.key (0600, user ${uid})`,
    '',
    'Keys of no certificate here:',
    `  odd.key (0600, user ${uid}): ECDSA P-256`,
    '',
    'warning: directory/key-without-certificate',
    '  The key odd.key (ECDSA P-256) belongs to no certificate in this folder.',
    '  Fix: Find its certificate by "openssl pkey -in odd.key -pubout", or remove the key if nothing uses it.',
    '',
    '1 warning',
  ])
})

it('a generation in use is no left-over, and its files are seen by their plain names', async () => {
  const path = folderOf({ '..20260101T000000.000Z-0123456789abcdef/ca.crt': ca.pem })
  symlinkSync('..20260101T000000.000Z-0123456789abcdef', join(path, '..data'))
  symlinkSync('..data/ca.crt', join(path, 'ca.crt'))
  const report = await describeDirectory(path)
  expect(report.findings).toEqual([])
  expect(report.certificates.map(({ files }) => files)).toEqual([['ca.crt']])
  renameSync(join(path, '..data'), join(path, 'gone'))
  expect(codes(await describeDirectory(path))).toContain('directory/left-over')
})

function pair(name: string, minted: { pem: string; keyPem: string }): Record<string, string> {
  return { 'ca.crt': ca.pem, [`${name}.crt`]: minted.pem, [`${name}.key`]: minted.keyPem }
}

function waiting(): Record<string, string> {
  const { pem, key } = mintCsr({ subject: 'etcd' })
  return { 'a.csr': pem, 'a.key': key.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function repeated(): Record<string, string> {
  return { ...pair('a', leaf('a', { serial: 7 })), ...pair('b', leaf('b', { serial: 7 })) }
}
