/** What a path can lead to, and files of keys that other users can read. */
import { once } from 'node:events'
import { rmSync, chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fromFiles } from '../../../src/credentials/index.js'
import { readMaterialFile } from '../../../src/credentials/load-inputs.js'
import type { Finding } from '../../../src/report/finding.js'
import { runTool, temporaryFolder } from '../../support/openssl.js'
import { chain, codesOf, findingsOf, good, leaf, root, sourceOfFiles } from './fixture.js'

const folder = temporaryFolder()
const LIMIT = 4_194_304

/** The findings with one path in the place of the CA. */
async function withCa(ca: string): Promise<readonly Finding[]> {
  sourceOfFiles(folder, good)
  return findingsOf(fromFiles({ ca, cert: folder.file('tls.crt'), key: folder.file('tls.key') }))
}

const link = (target: string) => (name: string) => {
  symlinkSync(folder.file(target === '' ? name : target), folder.file(name))
}
const sparse = (name: string): void => {
  truncateSync(folder.file(name, 'x'), 2 ** 40)
}

/** `make` makes what is under a name of the folder, or returns another path. */
it.each<[string, (name: string) => unknown, object]>([
  ['that does not exist', () => undefined, { code: 'file/missing' }],
  ['that is a link to nothing', link('gone'), { code: 'file/missing' }],
  ['below a file', (name) => `${folder.file(name, '')}/ca.pem`, { code: 'file/missing' }],
  ['that is a directory', (name) => mkdirSync(folder.file(name), { recursive: true }), { code: 'file/not-regular' }],
  ['that is a circle of links', link(''), { code: 'file/unreadable', details: { reason: 'ELOOP' } }],
  ['too long', () => folder.file('a'.repeat(300)), { code: 'file/unreadable', details: { reason: 'ENAMETOOLONG' } }],
  ['of an empty file', (name) => folder.file(name, ''), { code: 'file/empty' }],
  [
    'of a FIFO',
    (name) => runTool('mkfifo', [folder.file(name)]),
    { code: 'file/not-regular', details: { kind: 'FIFO' } },
  ],
  ['of a device without an end', () => '/dev/zero', { code: 'file/not-regular', details: { kind: 'device' } }],
  ['of a file of a terabyte', sparse, { code: 'file/too-large', details: { size: 2 ** 40, limit: LIMIT } }],
  [
    'of a file above the limit',
    (name) => folder.file(name, root.pem.padEnd(LIMIT + 1)),
    { code: 'file/too-large', details: { limit: LIMIT } },
  ],
])('reports a path %s', async (what, make, expected) => {
  const made = make(what)
  const path = typeof made === 'string' && made.startsWith('/') ? made : folder.file(what)
  const found = await withCa(path)
  expect(found).toMatchObject([expected])
  expect(found[0]?.message).toContain(path.slice(0, 60))
})

it('reports a socket, and all paths of one source together', async () => {
  const server = createServer().listen(folder.file('socket'))
  await once(server, 'listening')
  expect(await withCa(folder.file('socket'))).toMatchObject([{ code: 'file/not-regular', details: { kind: 'socket' } }])
  server.close()
  const [ca = '', cert = '', key = '', crl = ''] = ['ca', 'cert', 'key', 'crl'].map((name) =>
    folder.file(`none/${name}`),
  )
  const found = await findingsOf(fromFiles({ ca, cert, key, crl }))
  expect(found.map(({ details }) => 'file' in details && details.file)).toEqual([ca, cert, key, crl])
})

it('reports a home directory that no shell replaced', async () => {
  const [found] = await withCa('~/ca.pem')
  expect(found?.code).toBe('file/missing')
  expect(found?.remedy).toContain('"~" is not replaced')
})

it('reports a file that the user may not read', async () => {
  chmodSync(folder.file('.'), 0o755)
  sourceOfFiles(folder, good)
  chmodSync(folder.file('tls.crt'), 0o644)
  chmodSync(folder.file('ca.crt'), 0o000)
  const source = fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('tls.crt'), key: folder.file('tls.crt') })
  // No mode keeps root out.
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  const [found] = await findingsOf(source).finally(() => {
    if (isRoot) process.seteuid?.(0)
  })
  expect(found).toMatchObject({ code: 'file/unreadable', details: { reason: 'EACCES' } })
  expect(found?.remedy).toContain(`namei -l ${folder.file('ca.crt')}`)
  expect(found?.message).toMatch(
    /the process has uid \d+ and gid \d+, and the file has uid \d+, gid \d+ and mode 0000\.$/,
  )
  // The kubelet's link makes it a mounted volume.
  symlinkSync('.', folder.file('..data'))
  if (isRoot) process.seteuid?.(65_534)
  const [mounted] = await findingsOf(source).finally(() => {
    if (isRoot) process.seteuid?.(0)
  })
  rmSync(folder.file('..data'))
  expect(mounted?.remedy).toMatch(/^Set securityContext\.fsGroup of the pod.*defaultMode: 0440/)
  chmodSync(folder.file('ca.crt'), 0o600)
})

describe('a file is read', () => {
  it('a file is read up to the limit, by a link, by a URL, and without a size', async () => {
    expect(await withCa(folder.file('large.pem', root.pem.padEnd(LIMIT)))).toEqual([])
    symlinkSync(folder.file('real.pem', root.pem), folder.file('link.pem'))
    expect(await withCa(folder.file('link.pem'))).toEqual([])
    const url = (name: string): URL => pathToFileURL(folder.file(name))
    expect(await codesOf(fromFiles({ ca: url('ca.crt'), cert: url('tls.crt'), key: url('tls.key') }))).toEqual([])
    const read = await readMaterialFile('/proc/self/status', { file: 'status' }, 1_000_000)
    expect('bytes' in read && read.bytes.toString()).toContain('VmRSS')
  })

  it('a relative path is read from the working directory of the call of fromFiles', async () => {
    sourceOfFiles(folder, good)
    const before = process.cwd()
    try {
      process.chdir(folder.file('.'))
      const source = fromFiles({ ca: 'ca.crt', cert: './tls.crt', key: 'tls.key' })
      process.chdir('/')
      expect(await codesOf(source)).toEqual([])
    } finally {
      process.chdir(before)
    }
  })

  it('Files are parsed again only if contents or permissions have changed', async () => {
    const source = sourceOfFiles(folder, good)
    const [one, other] = [await source.load(), await source.load()]
    expect([other.key === one.key, other.chain[0] === one.chain[0]]).toEqual([true, true])
    expect(other.trustAnchors).not.toBe(one.trustAnchors)
    chmodSync(folder.file('tls.key'), 0o644)
    expect(await codesOf(source)).toEqual(['file/key-readable-by-others'])
    chmodSync(folder.file('tls.key'), 0o600)
    expect(await codesOf(source)).toEqual([])
  })

  it('a file is read again at each load', async () => {
    const source = sourceOfFiles(folder, good)
    expect(await codesOf(source)).toEqual([])
    writeFileSync(folder.file('new.crt'), 'x')
    renameSync(folder.file('new.crt'), folder.file('ca.crt'))
    expect(await codesOf(source)).toEqual(['input/unexpected-content'])
  })
})

it.each([
  ['PEM text', leaf.keyPem],
  ['DER in base64', leaf.keyPem.replaceAll(/^-.*\n|\n/gm, '')],
  ['one line of base64', leaf.keyPem.split('\n')[1] ?? ''],
  ['escaped PEM text', leaf.keyPem.replaceAll('\n', '\\n')],
])('%s in the place of a path is reported and not shown', async (_, key) => {
  sourceOfFiles(folder, good)
  const source = fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('tls.crt'), key })
  const expected = { code: 'input/unexpected-content', details: { origin: 'option "key"' } }
  expect(await findingsOf(source)).toMatchObject([expected])
  expect(source.origin).toContain('option "key"')
})

describe('a key that other users can read', () => {
  it.each([
    [0o600, 0, null],
    [0o400, 4711, null],
    [0o640, 4711, '600'],
    [0o604, 4711, '600'],
    [0o622, 0, '640'],
    // The key of a service, which it reads as the group.
    [0o640, 0, null],
    [0o440, 0, null],
    [0o644, 0, '640'],
    [0o660, 0, '640'],
  ])(
    'A key that other users can read is reported with a mode that its service can read: %o of user %i',
    async (mode, uid, safe) => {
      const source = sourceOfFiles(folder, good)
      // The modes of certificates are not checked.
      for (const name of ['tls.crt', 'ca.crt']) chmodSync(folder.file(name), 0o644)
      chmodSync(folder.file('tls.key'), mode)
      chownSync(folder.file('tls.key'), uid, 4712)
      const found = await findingsOf(source)
      const remedy = expect.stringContaining(`chmod ${String(safe)} `) as string
      const expected = { code: 'file/key-readable-by-others', severity: 'warning', remedy, details: { safeMode: safe } }
      expect(found).toMatchObject(safe === null ? [] : [expected])
    },
  )

  it('a key that other users can read is reported once if it is in one file with the certificate', async () => {
    const both = folder.file('both.pem', chain + leaf.keyPem)
    chmodSync(both, 0o644)
    const source = fromFiles({ ca: folder.file('ca.crt', root.pem), cert: both, key: both })
    expect(await codesOf(source)).toEqual(['file/key-readable-by-others'])
  })
})
