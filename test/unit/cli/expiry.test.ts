/** The table, the exit codes and the metrics of expiry. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Documents } from '../../../src/cli/documents.js'
import { callCommand, documentOf } from '../../support/call-command.js'
import { mintPki } from '../../support/etcd.js'
import { chainPem, dns, type Minted, mintCa, mintLeaf } from '../../support/mint.js'
import { gonePeer, serverTls, tlsPeer } from '../../support/peers.js'
import { temporaryFolder } from '../../support/openssl.js'

const DAY = 86_400_000
const METRIC = 'etcd_mtls_certificate_expiry_timestamp_seconds'
const folder = temporaryFolder()
const root = mintCa({ subject: 'Root', notAfter: new Date(Date.now() + 4000.5 * DAY) })

function leafFor(days: number, subject = `${String(days)} days`): Minted {
  const [notBefore, notAfter] = [new Date(Date.now() - 1000 * DAY), new Date(Date.now() + (days + 0.5) * DAY)]
  return mintLeaf({ subject, issuer: root, names: [dns('a.b')], notBefore, notAfter })
}

const expiry = (args: readonly string[]) => documentOf<Documents['expiry']>(['expiry', ...args])
const ca = (): string => folder.file('ca.crt', root.pem)

describe('the table of expiry', () => {
  it('the certificate that ends first is at the top, with its subject, end, time left and CA', async () => {
    const files = [200, 20, 90].map((days) => folder.file(`${String(days)}.crt`, leafFor(days).pem))
    const { out, code } = await callCommand(['expiry', ca(), ...files], { columns: 200 })
    const [titles, ...rows] = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(titles).toEqual(['CERTIFICATE', 'SUBJECT', 'EXPIRES', 'LEFT', 'CA'])
    expect(rows.map(([file, subject, , left, issuer]) => [file, subject, left, issuer])).toEqual([
      [files[1], '20 days', '20 days', 'Root'],
      [files[2], '90 days', '90 days', 'Root'],
      [files[0], '200 days', '200 days', 'Root'],
      [ca(), 'Root', '11 years', 'itself'],
    ])
    expect(code).toBe(0)
  })

  it('long names are cut so that a line fits, and the path is whole', async () => {
    const long = mintLeaf({ subject: 'x'.repeat(300), issuer: root, names: [dns('a.b')] })
    const path = folder.file('x.crt', long.pem)
    const { out } = await callCommand(['expiry', path], { columns: 80 + path.length })
    expect(out.split('\n').every((line) => line.length <= 80 + path.length)).toBe(true)
    expect(out).toContain(path)
  })

  it('the certificates of a server are in the table', async () => {
    await using peer = await tlsPeer(serverTls(mintPki().server))
    const { certificates, code } = await expiry([peer.endpoint.replace('https://', '')])
    expect([code, certificates.map(({ subject }) => subject)]).toEqual([0, expect.arrayContaining(['CN=etcd'])])
  })
})

describe('the exit codes of expiry', () => {
  const path = (days: number): string => folder.file(`d${String(days)}.crt`, leafFor(days).pem)

  it.each([
    ['a certificate ends within the time', () => [path(20), '--within', '30d'], 3],
    ['no certificate ends within the time', () => [path(40), '--within', '30d'], 0],
    ['a certificate has expired', () => [path(-3)], 1],
    ['one has expired and one is due', () => [path(-3), path(20), '--within', '30d'], 1],
    ['a file is missing besides', () => [path(20), '/nowhere.crt', '--within', '30d'], 2],
    ['no operand has a certificate', () => [folder.file('own.key', leafFor(1).keyPem)], 2],
    ['a duration is wrong', () => [path(20), '--within', 'soon'], 2],
  ])('the exit code tells the outcome: %s', async (_name, args, code) => {
    expect((await callCommand(['expiry', ...args()])).code).toBe(code)
  })

  it('a server that is gone is a finding next to the other certificates', async () => {
    await using peer = await gonePeer()
    const { code, certificates, findings } = await expiry([path(20), peer.endpoint])
    expect([code, certificates.length, findings.map((each) => each.code)]).toEqual([1, 1, ['endpoint/unreachable']])
  })

  it('a directory of which not all files were read is not complete, also if no certificate was found', async () => {
    const path = folder.file('many')
    mkdirSync(path)
    for (let i = 0; i < 1001; i++) writeFileSync(join(path, `n${String(i)}`), 'x')
    expect(await expiry([path])).toMatchObject({ code: 3, complete: false, certificates: [] })
  })

  it('an expired certificate has a finding that names it', async () => {
    const { out } = await callCommand(['expiry', path(-3)])
    expect(out).toMatch(/ expired +Root\n/)
    expect(out).toContain('error validity/expired')
  })
})

/** The samples of the text format, read strictly: anything else throws. */
function samplesOf(text: string): { labels: Record<string, string>; value: number }[] {
  const [help, type, ...lines] = text.split('\n')
  expect([help?.startsWith(`# HELP ${METRIC} `), type, lines.pop()]).toEqual([true, `# TYPE ${METRIC} gauge`, ''])
  return lines.map((line) => {
    const [, labels = '', value = ''] =
      /^etcd_mtls_certificate_expiry_timestamp_seconds\{(.*)\} (\d+)$/.exec(line) ?? []
    const found = [...labels.matchAll(/([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy)]
    expect(found.map(([part]) => part).join('')).toBe(labels)
    expect(value).not.toBe('')
    const unescaped = found.map(([, name = '', text = '']) => [
      name,
      text.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
    ])
    return { labels: Object.fromEntries(unescaped) as Record<string, string>, value: Number(value) }
  })
}

describe('the metrics of expiry', () => {
  it('each certificate has a sample with its end in seconds', async () => {
    const leaf = leafFor(20)
    const [bundle, file] = [folder.file('bundle.pem', chainPem(leaf, root)), folder.file('etcd.prom')]
    expect((await callCommand(['expiry', '--prometheus', file, bundle])).code).toBe(0)
    expect(samplesOf(readFileSync(file, 'utf8'))).toEqual([
      {
        labels: { certificate: bundle, subject: 'CN=20 days', issuer: 'CN=Root', serial: leaf.x509().serialNumber },
        value: new Date(leaf.x509().validTo).getTime() / 1000,
      },
      expect.objectContaining({ value: new Date(root.x509().validTo).getTime() / 1000 }),
    ])
  })

  it('labels are escaped, have no control characters, and the same sample is there once', async () => {
    const hostile = leafFor(20, 'quote " and \\ and \n and \u001b[31m')
    const pem = folder.file('he said "\\".pem', hostile.pem + hostile.pem)
    const file = folder.file('hostile.prom')
    await callCommand(['expiry', '--prometheus', file, pem, pem])
    const samples = samplesOf(readFileSync(file, 'utf8'))
    expect(samples.map(({ labels }) => labels['certificate'])).toEqual([pem])
    expect(samples[0]?.labels['subject']).toContain('quote \\" and')
    expect(readFileSync(file, 'utf8').replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  })

  it.each([0o077, 0o000])(
    'the file is replaced in one step and has mode 0644, whatever it had: umask %i',
    async (mask) => {
      const place = folder.file(`node-exporter-${String(mask)}`)
      mkdirSync(place, { mode: 0o755 })
      chmodSync(place, 0o755)
      const file = join(place, 'etcd.prom')
      const before = process.umask(mask)
      try {
        await callCommand(['expiry', '--prometheus', file, ca()])
        const first = statSync(file)
        chmodSync(file, 0o600)
        await callCommand(['expiry', '--prometheus', file, ca()])
        const second = statSync(file)
        expect([first.mode & 0o777, second.mode & 0o777, first.ino === second.ino]).toEqual([0o644, 0o644, false])
      } finally {
        process.umask(before)
      }
      expect(readdirSync(place)).toEqual(['etcd.prom'])
    },
  )

  it('a file that cannot be written is exit code 2, and the old one stays', async () => {
    expect((await callCommand(['expiry', '--prometheus', folder.file('none/x.prom'), ca()])).code).toBe(2)
    mkdirSync(folder.file('directory.prom'))
    expect((await callCommand(['expiry', '--prometheus', folder.file('directory.prom'), ca()])).code).toBe(2)
    writeFileSync(folder.file('old.prom'), 'old')
    const { code } = await callCommand(['expiry', '--prometheus', folder.file('old.prom'), '/nowhere.crt'])
    expect([code, readFileSync(folder.file('old.prom'), 'utf8')]).toEqual([2, 'old'])
  })

  it('root refuses a directory that another user can change, unless that user is trusted', async () => {
    const place = folder.file('of-nobody')
    mkdirSync(place)
    chmodSync(place, 0o777)
    const file = join(place, 'etcd.prom')
    const { code, err } = await callCommand(['expiry', '--prometheus', file, ca()])
    expect([code, err.includes('can rename entries')]).toEqual([2, true])
  })
})
