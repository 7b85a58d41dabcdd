import { chmodSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fromFiles } from '../../../src/credentials/index.js'
import { readMaterialFile } from '../../../src/credentials/read-file.js'
import type { Finding } from '../../../src/report/finding.js'
import { runTool, temporaryFolder } from '../../support/openssl.js'
import { chain, codesOf, findingsOf, good, leaf, root, sourceOfFiles } from './fixture.js'

/** What a path can lead to instead of a file that can be read. */

const folder = temporaryFolder()

/** The findings with one path in the place of the CA. */
async function withCa(ca: string): Promise<readonly Finding[]> {
  sourceOfFiles(folder, good)
  return findingsOf(fromFiles({ ca, cert: folder.file('tls.crt'), key: folder.file('tls.key') }))
}

/** Runs as a user without rights, where the tests run as root, whom no mode keeps out. */
async function unprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work()
  process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

describe('a path that leads', () => {
  it('nowhere', async () => {
    const found = await withCa(folder.file('absent.pem'))
    expect(found).toMatchObject([{ code: 'file/missing', details: { file: folder.file('absent.pem') } }])
    expect(found[0]?.message).toContain(folder.file('absent.pem'))
  })

  it('nowhere, by a link', async () => {
    symlinkSync(folder.file('gone'), folder.file('dangling.pem'))
    expect(await withCa(folder.file('dangling.pem'))).toMatchObject([{ code: 'file/missing' }])
  })

  it('through a file', async () => {
    folder.file('plain', '')
    expect(await withCa(folder.file('plain/ca.pem'))).toMatchObject([{ code: 'file/missing' }])
  })

  it('to a home directory that no shell replaced', async () => {
    const [found] = await withCa('~/ca.pem')
    expect(found?.code).toBe('file/missing')
    expect(found?.remedy).toContain('"~" is not replaced')
  })

  it('to a directory', async () => {
    mkdirSync(folder.file('directory'))
    expect(await withCa(folder.file('directory'))).toMatchObject([{ code: 'file/not-regular' }])
  })

  it('to a file that others own', async () => {
    chmodSync(folder.file('.'), 0o755)
    sourceOfFiles(folder, good)
    chmodSync(folder.file('tls.crt'), 0o644)
    chmodSync(folder.file('ca.crt'), 0o000)
    const source = fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('tls.crt'), key: folder.file('tls.crt') })
    const [found] = await unprivileged(() => findingsOf(source))
    expect(found).toMatchObject({ code: 'file/unreadable', details: { reason: 'EACCES' } })
    expect(found?.remedy).toContain(`namei -l ${folder.file('ca.crt')}`)
    chmodSync(folder.file('ca.crt'), 0o600)
  })

  it('in a circle', async () => {
    symlinkSync(folder.file('circle'), folder.file('circle'))
    const found = await withCa(folder.file('circle'))
    expect(found).toMatchObject([{ code: 'file/unreadable', details: { reason: 'ELOOP' } }])
  })

  it('to a name that is too long', async () => {
    const found = await withCa(folder.file('a'.repeat(300)))
    expect(found).toMatchObject([{ code: 'file/unreadable', details: { reason: 'ENAMETOOLONG' } }])
  })

  it('to an empty file', async () => {
    expect(await withCa(folder.file('empty.pem', ''))).toMatchObject([{ code: 'file/empty' }])
  })

  it('to a FIFO that nobody writes to', async () => {
    runTool('mkfifo', [folder.file('fifo')])
    expect(await withCa(folder.file('fifo'))).toMatchObject([{ code: 'file/not-regular', details: { kind: 'FIFO' } }])
  })

  it('to a device that never ends', async () => {
    expect(await withCa('/dev/zero')).toMatchObject([{ code: 'file/not-regular', details: { kind: 'device' } }])
  })

  it('to a socket', async () => {
    const server = createServer().listen(folder.file('socket'))
    await once(server, 'listening')
    expect(await withCa(folder.file('socket'))).toMatchObject([
      { code: 'file/not-regular', details: { kind: 'socket' } },
    ])
    server.close()
  })

  it('to a file of a terabyte', async () => {
    truncateSync(folder.file('huge.pem', 'x'), 2 ** 40)
    const found = await withCa(folder.file('huge.pem'))
    expect(found).toMatchObject([{ code: 'file/too-large', details: { size: 2 ** 40, limit: 4_194_304 } }])
  })

  it('to a file of the largest size that is read', async () => {
    expect(await withCa(folder.file('large.pem', root.pem.padEnd(4_194_304)))).toEqual([])
    expect(await withCa(folder.file('large.pem', root.pem.padEnd(4_194_305)))).toMatchObject([
      { code: 'file/too-large' },
    ])
  })

  it('to a file without a size, as those of procfs', async () => {
    const read = await readMaterialFile('/proc/self/status', { file: 'status' }, 1_000_000)
    expect('bytes' in read && read.bytes.toString()).toContain('VmRSS')
  })

  it('to the right file, by a link and by a URL', async () => {
    symlinkSync(folder.file('real.pem', root.pem), folder.file('link.pem'))
    expect(await withCa(folder.file('link.pem'))).toEqual([])
    sourceOfFiles(folder, good)
    const url = (name: string): URL => pathToFileURL(folder.file(name))
    expect(await codesOf(fromFiles({ ca: url('ca.crt'), cert: url('tls.crt'), key: url('tls.key') }))).toEqual([])
  })

  it('three ways to nowhere, told together', async () => {
    const at = (name: string): string => folder.file(`none/${name}`)
    const found = await findingsOf(fromFiles({ ca: at('ca'), cert: at('cert'), key: at('key'), crl: at('crl') }))
    expect(found.map(({ details }) => 'file' in details && details.file)).toEqual([
      at('ca'),
      at('cert'),
      at('key'),
      at('crl'),
    ])
  })
})

describe('paths', () => {
  it('that are relative start where fromFiles was called', async () => {
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

  it('are read anew at each load', async () => {
    const source = sourceOfFiles(folder, good)
    expect(await codesOf(source)).toEqual([])
    writeFileSync(folder.file('new.crt'), 'x')
    renameSync(folder.file('new.crt'), folder.file('ca.crt'))
    expect(await codesOf(source)).toEqual(['input/unexpected-content'])
  })

  it.each([
    ['PEM text', leaf.keyPem],
    ['DER in base64', leaf.keyPem.replaceAll(/^-.*\n|\n/gm, '')],
    ['one line of base64', leaf.keyPem.split('\n')[1] ?? ''],
    ['escaped PEM text', leaf.keyPem.replaceAll('\n', '\\n')],
  ])('that are no paths but %s are told and not shown', async (_, key) => {
    sourceOfFiles(folder, good)
    const source = fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('tls.crt'), key })
    const found = await findingsOf(source)
    expect(found).toMatchObject([{ code: 'input/unexpected-content', details: { origin: 'option "key"' } }])
    expect(source.origin).toContain('option "key"')
  })
})

describe('a key that others can read', () => {
  it.each([
    [0o600, []],
    [0o400, []],
    [0o640, ['file/key-readable-by-others']],
    [0o604, ['file/key-readable-by-others']],
    [0o622, ['file/key-readable-by-others']],
  ])('mode %o', async (mode, codes) => {
    const source = sourceOfFiles(folder, good)
    chmodSync(folder.file('tls.key'), mode)
    const found = await findingsOf(source)
    expect(found.map(({ code }) => code)).toEqual(codes)
    expect(found.every(({ severity, remedy }) => severity === 'warning' && remedy.includes('chmod 600'))).toBe(true)
    await expect(source.load()).resolves.toBeDefined()
  })

  it('is warned of once where it stands beside the certificate in one file', async () => {
    const both = folder.file('both.pem', chain + leaf.keyPem)
    chmodSync(both, 0o644)
    const source = fromFiles({ ca: folder.file('ca.crt', root.pem), cert: both, key: both })
    expect(await codesOf(source)).toEqual(['file/key-readable-by-others'])
  })

  it('is not looked at in the file of a certificate', async () => {
    const source = sourceOfFiles(folder, good)
    chmodSync(folder.file('tls.crt'), 0o644)
    chmodSync(folder.file('ca.crt'), 0o644)
    expect(await codesOf(source)).toEqual([])
  })
})
