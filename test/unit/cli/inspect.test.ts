/** What inspect shows of files, Secrets and servers, and what it never shows. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Documents, InspectedItem } from '../../../src/cli/documents.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { type CallOptions, callCommand, documentOf, runInProcess } from '../../support/call-command.js'
import { chainPem, dns, ip, mintCa, mintCrl, mintCsr, mintLeaf } from '../../support/mint.js'
import { HOST, mintChain } from '../../support/minted-chain.js'
import { temporaryFolder } from '../../support/openssl.js'
import { gonePeer, plaintextHttp1Peer, refusingPeer, serverTls, silentPeer, tlsPeer } from '../../support/peers.js'
import { mintPki } from '../../support/etcd.js'

const DAY = 86_400_000
const folder = temporaryFolder()
const { root, intermediate, leaf } = mintChain()
const other = mintCa({ subject: 'Other Root' })
const key = PrivateKey.fromKeyObject(leaf.key)

function secretFile(name: string, content: string | Uint8Array): string {
  const path = folder.file(name, content)
  chmodSync(path, 0o600)
  return path
}

type InspectDocument = Documents['inspect'] & { code: number }

async function inspect(args: readonly string[], options?: CallOptions): Promise<InspectDocument> {
  return documentOf<Documents['inspect']>(['inspect', ...args], options)
}

async function itemsIn(content: string | Uint8Array, name = 'given.pem'): Promise<InspectedItem[]> {
  const { targets } = await inspect([secretFile(name, content)])
  return targets.flatMap(({ items }) => items)
}

const codesOf = ({ findings }: InspectDocument): string[] => findings.map(({ code }) => code)

describe('what inspect shows of a file', () => {
  it('a bundle is a tree: each certificate is below its issuer, whatever the order of the file', async () => {
    const path = folder.file('bundle.pem', chainPem(leaf, root, intermediate))
    const { targets, code } = await inspect([path])
    expect(targets.map(({ content }) => content)).toEqual(['bundle of 3 certificates'])
    expect(targets[0]?.items.map(({ kind, subject, depth }) => [kind, subject, depth])).toEqual([
      ['CA certificate', 'CN=Test Root', 0],
      ['CA certificate', 'CN=Test Intermediate', 1],
      ['certificate', 'CN=etcd-0', 2],
    ])
    expect(code).toBe(0)
    const { out } = await callCommand(['inspect', path])
    expect(out).toContain('\n      CN=etcd-0 (certificate)\n')
    expect(out).toMatch(/valid {2}\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, \d+ (?:days|years) left \[[#-]{20}\] \d+ %/)
  })

  it('a certificate has its names, usages, key, serial number, fingerprint and the share of its lifetime', async () => {
    const [from, to] = [new Date(Date.now() - 30 * DAY), new Date(Date.now() + 10 * DAY)]
    const own = mintLeaf({ subject: 'x', issuer: root, names: [dns('a.b'), ip('::1')], notBefore: from, notAfter: to })
    const [item] = await itemsIn(own.pem)
    expect(item).toMatchObject({
      names: ['DNS:a.b', 'IP:::1'],
      usages: ['digitalSignature', 'serverAuth', 'clientAuth'],
      publicKey: 'ECDSA P-256',
      serialNumber: own.x509().serialNumber,
      sha256: own.x509().fingerprint256.replaceAll(':', '').toLowerCase(),
      issuer: 'CN=Test Root',
    })
    expect(item?.lifetimeUsed).toBeCloseTo(0.75, 3)
    const { out } = await callCommand(['inspect', folder.file('given.pem')])
    expect(out).toContain('[###############-----] 75 %')
  })

  it.each([
    ['DER of a certificate', leaf.der, ['certificate', 'CN=etcd-0']],
    ['a request', mintCsr({ subject: 'asks', names: [dns('a.b')] }).pem, ['certificate request', 'CN=asks']],
    ['DER of a request', mintCsr({ subject: 'asks', names: [dns('a.b')] }).der, ['certificate request', 'CN=asks']],
    ['a private key', leaf.keyPem, ['private key', null]],
    ['an encrypted private key', key.exportPem({ passphrase: 'secret' }), ['encrypted private key', null]],
    ['a CRL', mintCrl({ issuer: root, revoked: [{ serial: 1n }] }).pem, ['CRL', null]],
    ['DER of a CRL', mintCrl({ issuer: root, revoked: [{ serial: 1n }] }).der, ['CRL', null]],
  ])('recognizes %s', async (_name, content, expected) => {
    const items = await itemsIn(content)
    expect(items.map(({ kind, subject }) => [kind, subject])).toEqual([expected])
  })

  it('a CRL has its issuer, its dates and the number of revoked certificates', async () => {
    const [item] = await itemsIn(mintCrl({ issuer: root, revoked: [{ serial: 1n }, { serial: 2n }] }).pem)
    expect(item).toMatchObject({ issuer: 'CN=Test Root', revoked: 2 })
    expect(new Date(item?.notAfter ?? 0).getTime()).toBeGreaterThan(Date.now())
  })

  it('a certificate that a CRL among the targets lists is reported as revoked', async () => {
    const list = folder.file('list.crl', mintCrl({ issuer: intermediate, revoked: [{ serial: leaf.serial }] }).pem)
    expect(codesOf(await inspect([list, folder.file('chain.pem', chainPem(leaf, intermediate, root))]))).toContain(
      'revocation/revoked',
    )
  })

  it('a private key is shown with the certificate that it is for, and by a hash of its public half', async () => {
    const paths = [folder.file('own.crt', leaf.pem), secretFile('own.key', leaf.keyPem)]
    const { targets } = await inspect(paths)
    const der = execFileSync('openssl', ['pkey', '-in', paths[1] ?? '', '-pubout', '-outform', 'der'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const sum = execFileSync('sha256sum', { input: der, encoding: 'utf8' }).split(' ')[0]
    expect(targets[1]?.items[0]).toMatchObject({ subject: 'CN=etcd-0', publicKey: 'ECDSA P-256', sha256: sum })
  })

  it.each([
    ['data', (text: string) => Buffer.from(text).toString('base64'), 'kind: Secret'],
    ['stringData', (text: string) => JSON.stringify(text), 'kind: "Secret"'],
  ])(
    'the values of a Secret manifest below %s are shown, and a password in it is left out',
    async (at, encode, kind) => {
      // A manifest with a whole PEM block is read as PEM, as all files with one are: the line ends are escaped here.
      const values = {
        'ca.crt': root.pem,
        'tls.crt': chainPem(leaf, intermediate),
        'tls.key': leaf.keyPem,
        password: 'x y',
      }
      const lines = Object.entries(values).map(([name, text]) => `  ${name}: ${encode(text)}`)
      const text = `apiVersion: v1\n${kind}\nmetadata:\n  name: tls\n${at}:\n${lines.join('\n')}\n`
      const { targets, findings } = await inspect([folder.file('secret.yaml', text)])
      if (at === 'stringData') expect(targets[0]?.content).not.toContain('PRIVATE')
      else {
        expect(findings).toEqual([])
        expect(targets.map(({ content, items }) => [content, items.map(({ subject }) => subject)])).toEqual([
          ['Secret manifest', []],
          ['certificate', ['CN=Test Root']],
          ['bundle of 2 certificates', ['CN=Test Intermediate', 'CN=etcd-0']],
          ['private key', ['CN=etcd-0']],
        ])
      }
    },
  )

  it.each([
    ['text', 'hello\n', 'other text', 'input/unexpected-content'],
    ['nothing', '', 'nothing that can be read', 'file/empty'],
    ['a PKCS#7 bundle', '-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n', 'other PEM blocks', 'input/other-block'],
    ['half a certificate', leaf.pem.slice(0, 200), 'other PEM blocks', 'pem/damaged'],
  ])('inspect names the content of a file with %s, and reports a finding', async (_name, content, holds, code) => {
    const document = await inspect([folder.file('other.txt', content)])
    expect(document.targets.map((each) => each.content)).toEqual([holds])
    expect(codesOf(document)).toContain(code)
  })

  it('standard input is read for the operand "-"', async () => {
    const { targets } = await inspect(['-'], { input: leaf.pem })
    expect(targets.map(({ name, content }) => [name, content])).toEqual([['standard input', 'certificate']])
  })

  it('a directory is read with its directories and without files of other kinds', async () => {
    const path = folder.file('pki')
    mkdirSync(join(path, 'inner'), { recursive: true })
    for (const [name, content] of Object.entries({
      'a.crt': leaf.pem,
      README: 'hello',
      'inner/b.crt': root.pem,
      mtab: '',
    }))
      writeFileSync(join(path, name), content)
    const { targets, complete } = await inspect([path])
    expect([targets.map(({ name }) => name), complete]).toEqual([
      ['a.crt', 'inner/b.crt'].map((name) => join(path, name)),
      true,
    ])
  })
})

describe('what inspect validates', () => {
  const chain = (): string => folder.file('chain.crt', chainPem(leaf, intermediate))
  const ca = (): string => folder.file('ca.crt', root.pem)

  it('a chain that leads to a CA of --cacert and covers the host is good', async () => {
    const { code, targets } = await inspect(['--usage', 'server', '--host', HOST, '--cacert', ca(), chain()])
    expect([code, targets[0]?.verified]).toEqual([0, true])
  })

  it.each([
    ['a host that the certificate does not cover', ['--host', 'nope'], 'san/host-not-covered'],
    ['another CA', ['--cacert', 'other'], 'chain/issuer-not-found'],
  ])('an error is reported for %s', async (_name, args, code) => {
    const file = folder.file('other.crt', other.pem)
    const document = await inspect([...args.map((each) => (each === 'other' ? file : each)), chain()])
    expect([document.code, codesOf(document)]).toEqual([1, [code]])
  })

  it('an unknown issuer is no finding without --cacert, and a CA of its own has none of the findings of a leaf', async () => {
    expect(await inspect([chain()])).toMatchObject({ code: 0, findings: [], targets: [{ verified: null }] })
    expect(await inspect([ca()])).toMatchObject({ code: 0, findings: [] })
  })

  it('an expired certificate is an error, once for all leaves below it', async () => {
    const old = mintCa({ subject: 'Old', issuer: root, notBefore: new Date(1e12), notAfter: new Date(1.5e12) })
    const leaves = ['a', 'b'].map((subject) => mintLeaf({ subject, issuer: old, names: [dns('a.b')] }))
    const document = await inspect([folder.file('old.pem', chainPem(...leaves, old, root))])
    expect(codesOf(document).filter((code) => code === 'validity/expired')).toHaveLength(1)
    expect((await callCommand(['inspect', folder.file('old.pem')])).out).toContain(
      'expired [####################] 100 %',
    )
  })

  it('certificates that issued each other are both shown', async () => {
    const first = mintCa({ subject: 'One', issuer: other })
    const second = mintCa({ subject: 'Two', issuer: first })
    const circle = mintCa({ subject: 'One', issuer: second })
    const items = await itemsIn(chainPem(second, circle))
    expect(items.map(({ subject }) => subject).toSorted()).toEqual(['CN=One', 'CN=Two'])
  })

  it('a bundle of several hundred CAs is read and validated', async () => {
    const roots = Array.from({ length: 300 }, (_, i) => mintCa({ subject: `Root ${String(i)}`, key: root.key }))
    const document = await inspect([folder.file('roots.pem', chainPem(...roots))])
    expect([document.code, codesOf(document), document.targets[0]?.items.length]).toEqual([0, [], 300])
  })
})

describe('what inspect shows of a server', () => {
  const pki = mintPki()
  const addressOf = (endpoint: string): string => endpoint.replace('https://', '')

  it('a server is "not verified" without --cacert, and verified with it', async () => {
    await using peer = await tlsPeer(serverTls(pki.server))
    const address = addressOf(peer.endpoint)
    const { out } = await callCommand(['inspect', address])
    expect(out).toMatch(
      /^https:\/\/\S+: (?:certificate|bundle of \d certificates), not verified, key exchange\s+X25519\n/,
    )
    const cacert = folder.file('pki-ca.crt', pki.root.pem)
    expect((await callCommand(['inspect', '--cacert', cacert, address])).out).toMatch(
      /^https:\S+: .*, verified, key exchange\s+X25519\n/,
    )
    const wrong = folder.file('pki-other.crt', other.pem)
    const document = await inspect(['--cacert', wrong, address])
    expect([document.code, document.targets[0]?.verified]).toEqual([1, false])
  })

  it('the host of a server must be among the names of its certificate, unless --host names another one', async () => {
    const server = mintLeaf({ subject: 'elsewhere', issuer: pki.root, names: [dns('elsewhere.example')] })
    await using peer = await tlsPeer({ cert: server.pem, key: server.keyPem })
    const address = addressOf(peer.endpoint)
    expect(codesOf(await inspect([address]))).toEqual(['san/host-not-covered'])
    expect(await inspect(['--host', 'elsewhere.example', address])).toMatchObject({ code: 0, findings: [] })
  })

  it('a server that requires a client certificate is shown as well', async () => {
    await using peer = await refusingPeer(pki.server, 42)
    const { targets } = await inspect([addressOf(peer.endpoint)])
    expect(targets[0]?.items.map(({ subject }) => subject)).toContain('CN=etcd')
  })

  it.each([
    ['is gone', gonePeer, 'endpoint/unreachable'],
    ['speaks plaintext HTTP', plaintextHttp1Peer, 'handshake/failed'],
  ] as const)('a server that %s is a finding', async (_name, start, code) => {
    await using peer = await start()
    const document = await inspect([addressOf(peer.endpoint)])
    expect([document.code, codesOf(document)]).toEqual([1, [code]])
  })

  it('a call that is interrupted ends with 130 and prints nothing', async () => {
    await using peer = await silentPeer()
    const interrupted = new AbortController()
    const call = callCommand(['inspect', addressOf(peer.endpoint)], { signal: interrupted.signal })
    await expect.poll(() => peer.accepted).toBe(1)
    interrupted.abort()
    expect(await call).toMatchObject({ code: 130, out: '' })
  })

  it('an existing path wins over HOST:PORT', async () => {
    const path = folder.file('localhost:1', leaf.pem)
    const { code, stdout } = await runInProcess(['inspect', 'localhost:1'], { cwd: join(path, '..') })
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'localhost:1: certificate'])
  })
})

describe('what inspect never prints', () => {
  const encrypted = key.exportPem({ passphrase: 'secret' })
  const secret = `kind: Secret\ndata:\n  tls.key: ${Buffer.from(leaf.keyPem).toString('base64')}\n`
  const lost = leaf.keyPem.replaceAll('\n', ' ')
  const escaped = JSON.stringify(leaf.keyPem)
  const inJson = JSON.stringify({ kind: 'Secret', stringData: { 'tls.key': leaf.keyPem } })
  const der = Buffer.from(leaf.key.export({ type: 'pkcs8', format: 'der' }))

  it.each(
    Object.entries({
      plain: leaf.keyPem,
      encrypted,
      secret,
      lost,
      escaped,
      inJson,
      der,
      half: leaf.keyPem.slice(0, 120),
    }),
  )('a private key is not printed: %s', async (name, content) => {
    const path = secretFile(`key-${name}`, content)
    const calls = [
      ['inspect', path],
      ['inspect', path, '--json'],
      ['inspect', '--cacert', path, path],
      ['expiry', path],
    ]
    for (const args of calls) {
      const { out, err } = await callCommand(args)
      const written = out + err
      for (const source of [leaf.keyPem, encrypted, Buffer.from(leaf.keyPem).toString('base64'), der.toString('hex')])
        for (const piece of source.replace(/-----[^-]+-----/g, '').match(/[A-Za-z0-9+/]{20}/g) ?? [])
          expect(written.includes(piece)).toBe(false)
    }
  })

  it('a private key that is passed in place of a file is not printed', async () => {
    const { code, out, err } = await callCommand(['inspect', leaf.keyPem])
    expect([code, out]).toEqual([2, ''])
    expect(err).not.toContain(leaf.keyPem.split('\n')[1])
  })

  it('control characters of certificates and file names are not written, and the JSON keeps the exact name', async () => {
    const evil = '\u001b[31m\u009b\u202e\u2028x\u0007\n'
    const names = [dns(`a${evil}`), dns('b.c')]
    const hostile = mintLeaf({
      subject: evil,
      issuer: { key: root.key, subject: mintCa({ subject: evil }).subject },
      names,
    })
    const path = folder.file(`file${evil}.crt`, hostile.pem)
    for (const args of [
      ['inspect', path],
      ['inspect', path, '--json'],
      ['expiry', path],
      ['expiry', path, '--json'],
      ['inspect', `${path}none`],
    ]) {
      const { out, err } = await callCommand(args)
      expect(`${out}${err}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u)
    }
    expect((await inspect([path])).targets.map(({ name }) => name)).toEqual([path])
  })
})

describe('inputs of inspect that would not end', () => {
  it.each([
    ['a path that does not exist', () => '/nowhere/x.crt', 2],
    ['a path below a file', () => join(folder.file('a.crt', leaf.pem), 'x'), 2],
    ['a name without a port', () => 'localhost', 2],
    ['a device', () => '/dev/zero', 1],
    ['a file of 200 MB', () => (truncateSync(folder.file('huge.pem', ''), 200_000_000), folder.file('huge.pem')), 1],
    ['a file of procfs', () => '/proc/self/status', 1],
  ])('the call ends for %s', async (_name, path, code) => {
    expect((await callCommand(['inspect', path()])).code).toBe(code)
  })

  it.each([
    ['a link that leads nowhere', 'gone', 'file/missing'],
    ['a link to itself', 'circle', 'file/unreadable'],
    ['a FIFO', 'fifo', 'file/not-regular'],
  ])('the call ends with a finding for %s', async (_name, name, code) => {
    const path = folder.file(name)
    if (name === 'fifo') execFileSync('mkfifo', [path], { stdio: 'ignore' })
    else symlinkSync(name === 'gone' ? 'nowhere' : name, path)
    const document = await inspect([path])
    expect([document.code, codesOf(document)]).toEqual([1, [code]])
  })

  it('standard input that does not end is read up to a limit', async () => {
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536, 'A'))
      },
    })
    expect(codesOf(await inspect(['-'], { input: endless }))).toEqual(['input/too-much'])
    expect(endless.destroyed).toBe(true)
  })

  it('a directory with more than a limit, or with a large file, is not complete: the exit code is 3', async () => {
    const path = folder.file('large')
    mkdirSync(path)
    writeFileSync(join(path, 'a.crt'), leaf.pem)
    writeFileSync(join(path, 'large.pem'), '')
    truncateSync(join(path, 'large.pem'), 5 * 1024 * 1024)
    for (let i = 0; i < 1000; i++) writeFileSync(join(path, `n${String(i)}`), 'x')
    const document = await inspect([path])
    expect(document).toMatchObject({ code: 3, ok: true, complete: false })
    const { out } = await callCommand(['inspect', path])
    expect(out).toContain('Not completely checked')
    expect(document.unchecked.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('more than 1000 entries'),
    )
  })

  it('more private keys than a call reads are not complete: the exit code is 3', async () => {
    const document = await inspect([secretFile('keys.pem', leaf.keyPem.repeat(300))])
    expect([document.code, document.targets[0]?.items.length]).toEqual([3, 200])
  })
})
