/** Files on disk: whole, with the right modes, or not at all. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { createAuthority, loadAuthority } from '../../../src/authority/index.js'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { writeCredentials } from '../../../src/credentials/write.js'
import { type EtcdMtlsError, isEtcdMtlsError } from '../../../src/report/errors.js'
import { changingCalls, faultyFileSystem } from '../../support/faulty-file-system.js'
import { FILE_SYSTEM } from '../../../src/files/guarded-file-system.js'
import { sample } from '../../support/long.js'
import { mintCa } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
let count = 0
const fresh = (): string => folder.file(`directory-${String(++count)}`)

let first: Credentials
let second: Credentials
beforeAll(async () => {
  const root = mintCa({ subject: 'Root' })
  const below = mintCa({ subject: 'Below', issuer: root })
  const authority = await loadAuthority({ cert: below.pem, key: below.keyPem, chain: root.pem })
  first = await authority.issue({ role: 'server', name: 'etcd-0', hosts: ['localhost'] })
  second = await (
    await createAuthority({ name: 'Other' })
  ).issue({ role: 'server', name: 'etcd-1', hosts: ['localhost'] })
})
function mode(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8)
}

async function rejection<Code extends 'ERR_OPTION_INVALID' | 'ERR_WRITE_FAILED'>(
  code: Code,
  work: Promise<unknown>,
): Promise<EtcdMtlsError<Code>> {
  const error = await thrownBy(work)
  if (!isEtcdMtlsError(error, code)) throw new Error(`not rejected with ${code}: ${inspect(error)}`)
  return error
}
const refusal = (work: Promise<unknown>) => rejection('ERR_OPTION_INVALID', work)
const failure = (work: Promise<unknown>) => rejection('ERR_WRITE_FAILED', work)

function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (reason: unknown) => reason,
  )
}

describe('what is written', () => {
  it('the CA, the chain and the key, which openssl reads and verifies', async () => {
    const directory = fresh()
    const files = await writeCredentials(directory, first)
    expect(files).toEqual({ ca: `${directory}/ca.crt`, cert: `${directory}/tls.crt`, key: `${directory}/tls.key` })
    expect(readdirSync(directory).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key'])
    const verify = ['verify', '-x509_strict', '-CAfile', files.ca, '-untrusted', files.cert, files.cert]
    expect(openssl(verify)).toContain('tls.crt: OK')
    const certificates = readFileSync(files.cert, 'utf8').match(/-----BEGIN CERTIFICATE-----/g)
    expect(certificates).toHaveLength(2)
    expect(openssl(['pkey', '-in', files.key, '-noout', '-check'])).toContain('Key is valid')
    const publicKey = openssl(['pkey', '-in', files.key, '-pubout'])
    expect(publicKey).toBe(openssl(['x509', '-in', files.cert, '-noout', '-pubkey']))
  })

  it.each([0o000, 0o022, 0o077])('writes the same modes under the umask %o', async (umask) => {
    const before = process.umask(umask)
    try {
      const directory = fresh()
      const { ca, cert, key } = await writeCredentials(directory, first)
      expect([directory, ca, cert, key].map((path) => mode(path))).toEqual(['700', '644', '644', '600'])
    } finally {
      process.umask(before)
    }
  })

  it('writes under other names, in a directory that exists, and in directories that are created', async () => {
    const directory = fresh()
    mkdirSync(directory, { mode: 0o755 })
    const names = { ca: 'etcd-ca.pem', cert: 'server.crt', key: 'server.key' }
    const { ca, cert, key } = await writeCredentials(directory, first, { names })
    expect([ca, cert, key].map((path) => basename(path))).toEqual(Object.values(names))
    expect([mode(directory), readdirSync(directory).sort()]).toEqual(['755', Object.values(names).sort()])
    const below = await writeCredentials(join(directory, 'a/b'), first, { names: { key: 'only.key' } })
    expect([basename(below.cert), basename(below.key), mode(join(directory, 'a'))]).toEqual([
      'tls.crt',
      'only.key',
      '700',
    ])
  })
})

describe('what was there before', () => {
  it('replaces existing files, loose modes and symbolic links included, and the target of a link stays as it was', async () => {
    const directory = fresh()
    mkdirSync(directory)
    const victim = folder.file('victim', 'precious')
    symlinkSync(victim, `${directory}/tls.key`)
    symlinkSync('/nonexistent/anywhere', `${directory}/tls.crt`)
    writeFileSync(`${directory}/ca.crt`, 'old'.repeat(10_000))
    chmodSync(`${directory}/ca.crt`, 0o666)
    const { ca, cert, key } = await writeCredentials(directory, second)
    expect(readFileSync(victim, 'utf8')).toBe('precious')
    for (const path of [ca, cert, key]) expect(lstatSync(path).isFile()).toBe(true)
    expect([ca, cert, key].map(mode)).toEqual(['644', '644', '600'])
    expect(readFileSync(key, 'utf8')).toBe(second.key.exportPem())
  })
})

/** The calls, with random parts of the names taken out. */
function namedCalls({ calls }: { readonly calls: readonly string[] }): string[] {
  return calls.map((call) =>
    call.replace(/^(\S+( [wr])?) .*\//, '$1 ').replace(/\.\S+\.[0-9a-f]{16}\.etcd-mtls-tmp$/, '<temporary>'),
  )
}

describe('order and durability', () => {
  it('flushes every file before it replaces the first, and replaces the certificate last', async () => {
    const directory = fresh()
    mkdirSync(directory)
    const fs = faultyFileSystem()
    await writeCredentials(directory, first, { [FILE_SYSTEM]: fs })
    // Run as root, the owner is kept.
    const write = ['open w', 'fchown', 'fchmod', 'writeFile', 'sync', 'close'].map((call) => `${call} <temporary>`)
    const all = namedCalls(fs)
    const [begin, end] = [all.indexOf('open w <temporary>'), all.lastIndexOf('rename tls.crt')]
    expect(all.slice(begin, end + 3)).toEqual([
      ...[...write, ...write, ...write],
      ...['rename ca.crt', 'rename tls.key', 'rename tls.crt'],
      ...[`open r directory-${String(count)}`, `sync directory-${String(count)}`],
    ])
  })

  it('leaves no incomplete set after a failure or a kill at any call, and the next call removes the files that a kill left', async () => {
    const counting = faultyFileSystem()
    const measured = fresh()
    await writeCredentials(measured, first)
    await writeCredentials(measured, second, { [FILE_SYSTEM]: counting })
    for (const how of ['fail', 'kill'] as const) {
      for (const at of sample(changingCalls(counting), 10)) {
        const directory = fresh()
        const files = await writeCredentials(directory, first)
        const error = await thrownBy(
          writeCredentials(directory, second, { [FILE_SYSTEM]: faultyFileSystem({ at, how }) }),
        )
        if (error !== null) {
          expect(isEtcdMtlsError(error, 'ERR_WRITE_FAILED')).toBe(true)
          expect(inspect(error)).not.toContain('PRIVATE KEY')
        }
        for (const path of Object.values(files) as string[])
          expect(readFileSync(path, 'utf8')).toMatch(/-----END [A-Z ]+-----\n$/)
        if (how === 'kill') {
          // The lock names this process, which lives on.
          for (const name of readdirSync(directory).filter((each) => each.startsWith('.etcd-mtls.lock')))
            rmSync(join(directory, name))
          await writeCredentials(directory, second)
        }
        // What is left of a lock is removed by the next holder, see lock.test.ts.
        const left = readdirSync(directory).filter((name) => !name.startsWith('.etcd-mtls.lock'))
        expect(left.sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key'])
      }
    }
  })

  it('names the file of a key that can be neither renamed nor removed', async () => {
    const directory = fresh()
    mkdirSync(directory)
    const counting = faultyFileSystem()
    await writeCredentials(directory, first, { [FILE_SYSTEM]: counting })
    const at = namedCalls(counting).indexOf('rename ca.crt')
    const error = await failure(
      writeCredentials(directory, second, { [FILE_SYSTEM]: faultyFileSystem({ at, how: 'kill' }) }),
    )
    expect(error.cause).toMatchObject({ code: 'ENOSPC' })
    expect(error.message).toContain('which may hold a private key, could not be removed')
    const [name = ''] = /\.ca\.crt\.[0-9a-f]{16}\.etcd-mtls-tmp/.exec(error.message) ?? []
    expect(readdirSync(directory)).toContain(name)
  })

  it('reports a directory that cannot be created', async () => {
    const fs = faultyFileSystem()
    await writeCredentials(fresh(), first, { [FILE_SYSTEM]: fs })
    const at = fs.calls.findIndex((call) => call.startsWith('mkdir'))
    const error = await failure(
      writeCredentials(fresh(), first, { [FILE_SYSTEM]: faultyFileSystem({ at, code: 'EACCES' }) }),
    )
    expect(error.cause).toMatchObject({ code: 'EACCES' })
    expect(error.details.reason).toContain('no permission')
  })
})

describe('what is refused', () => {
  it('a directory that is a file, or lies below one', async () => {
    const file = folder.file('a-file', 'precious')
    expect((await refusal(writeCredentials(file, first))).message).toContain('must be a directory')
    expect((await failure(writeCredentials(`${file}/below`, first))).details.reason).toContain('is a file')
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })

  it('a file that is a directory: nothing is written', async () => {
    const directory = fresh()
    mkdirSync(`${directory}/tls.crt`, { recursive: true })
    expect((await refusal(writeCredentials(directory, first))).details.option).toBe('names.cert')
    expect(readdirSync(directory)).toEqual(['tls.crt'])
  })
})
