import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openAuthority } from '../../../src/authority/index.js'
import { changingCalls, faultyFileSystem } from '../../support/faulty-file-system.js'
import { FILE_SYSTEM } from '../../../src/files/guarded-file-system.js'
import { sample } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()
const options = { name: 'Kept CA' }

it('creates a CA once, and loads it afterwards', async () => {
  const place = folder.file('once')
  const first = await openAuthority(place, options)
  const second = await openAuthority(place, { name: 'Another name' })
  expect(second.certificate.equals(first.certificate)).toBe(true)
  expect(readFileSync(join(place, 'ca.crt'), 'utf8')).toBe(first.certificate.toPem())
  const modes = ['ca.crt', 'ca.key', '.'].map((name) => statSync(join(place, name)).mode & 0o777)
  expect(modes).toEqual([0o644, 0o600, 0o700])
  expect((await second.issue({ role: 'client', name: 'app' })).chain[0].isSignedBy(first.certificate)).toBe(true)
})

it('gives one CA to all who open a directory at the same time', async () => {
  const opened = await Promise.all([1, 2, 3].map(() => openAuthority(folder.file('together'), options)))
  expect(new Set(opened.map(({ certificate }) => certificate.fingerprint256)).size).toBe(1)
})

it('opens the same CA after a process was killed at any step of its creation', async () => {
  const counted = faultyFileSystem()
  await openAuthority(folder.file('counted'), { ...options, [FILE_SYSTEM]: counted })
  const renamed = counted.calls.findLastIndex((call) => call.startsWith('rename '))
  for (const at of [...sample(changingCalls(counted), 6), renamed]) {
    const place = folder.file(`killed-${String(at)}`)
    const disk = { [FILE_SYSTEM]: faultyFileSystem({ at, how: 'kill' }) }
    const killed = await openAuthority(place, { ...options, ...disk }).catch(() => null)
    // The lock of a process that is gone; this one lives.
    const left = existsSync(place) ? readdirSync(place) : []
    for (const name of left) if (name.startsWith('.etcd-mtls.lock')) rmSync(join(place, name))
    const { certificate } = await openAuthority(place, options)
    if (killed !== null) expect(certificate.equals(killed.certificate)).toBe(true)
    expect((await openAuthority(place, options)).certificate.equals(certificate)).toBe(true)
    expect(readdirSync(place).sort()).toEqual(['ca.crt', 'ca.key'])
  }
})

it.each(['ca.crt', 'ca.key'])('creates no other CA where %s alone is missing', async (name) => {
  const place = folder.file(`without-${name}`)
  await openAuthority(place, options)
  rmSync(join(place, name))
  const { details } = await refused(openAuthority(place, options), 'ERR_WRITE_FAILED')
  expect(details).toMatchObject({ path: join(place, name), reason: expect.stringContaining('it is missing') as string })
})

it('reports a refusal of the file system as an error of this package', async () => {
  const { details } = await refused(openAuthority(folder.file('a'.repeat(256)), options), 'ERR_WRITE_FAILED')
  expect(details.reason).toContain('the path is too long')
})
