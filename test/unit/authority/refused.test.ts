/** Requests that are wrong in themselves. They are refused before a key is made. */
import { webcrypto } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Authority } from '../../../src/authority/index.js'
import { createAuthority } from '../../../src/authority/index.js'
import { refused } from '../../support/refused.js'

const generateKey = vi.spyOn(webcrypto.subtle, 'generateKey')

let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'Unit CA', crypto: webcrypto })
  generateKey.mockClear()
})
afterEach(() => {
  generateKey.mockClear()
})

async function refusal(work: Promise<unknown>): Promise<{ option: string; reason: string }> {
  const { details } = await refused(work, 'ERR_OPTION_INVALID')
  expect(generateKey).not.toHaveBeenCalled()
  return details
}

/** A call as JavaScript makes it, where no type checker looks. */
function issue(request: Record<string, unknown>): Promise<unknown> {
  return authority.issue(request as never)
}

describe('hosts', () => {
  // All kinds of hosts are in test/unit/x509.
  it.each([
    ...['10.0.0.300', 'https://etcd-0:2379', '[::1]', 'fe80::1%eth0', '10.0.0.0/8', 'a..b', '*', 'a b', ''],
    ...[7, null, undefined],
  ])('%j is refused, with its place', async (host) => {
    const { option } = await refusal(issue({ role: 'server', name: 'x', hosts: ['localhost', host] }))
    expect(option).toBe('request.hosts[1]')
  })

  it('removes duplicates in any spelling', async () => {
    const hosts = ['ETCD.svc', 'etcd.svc.', '::1', '0:0:0:0:0:0:0:1', '10.0.0.1', '10.0.0.1'] as const
    const { chain } = await authority.issue({ role: 'server', name: 'x', hosts })
    expect(chain[0].subjectAltNames.map((each) => each.value)).toEqual(['etcd.svc', '::1', '10.0.0.1'])
    const long = `${'a'.repeat(60)}.svc`
    const often = await authority.issue({ role: 'server', name: 'x', hosts: [long, ...Array<string>(999).fill(long)] })
    expect(often.chain[0].subjectAltNames).toHaveLength(1)
  })

  it.each(['server', 'peer'])('requires a host for a %s', async (role) => {
    expect((await refusal(issue({ role, name: 'x', hosts: [] }))).option).toBe('request.hosts')
    expect((await refusal(issue({ role, name: 'x' }))).option).toBe('request.hosts')
    expect((await refusal(issue({ role, name: 'x', hosts: 'localhost' }))).option).toBe('request.hosts')
  })

  it('refuses too many hosts, and too many bytes', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `h${String(i)}`)
    expect((await refusal(issue({ role: 'server', name: 'x', hosts: many }))).reason).toContain('at most 1000')
    const long = Array.from({ length: 1000 }, (_, i) => `${'a'.repeat(60)}.h${String(i)}`)
    expect((await refusal(issue({ role: 'server', name: 'x', hosts: long }))).reason).toContain('bytes in total')
  })
})

describe('names', () => {
  it.each([
    ...['', 'a'.repeat(65), '\u{1f600}'.repeat(65), 'a\nb', 'root\u200b', '\ud800', '\u202eroot', ' root', '\u2028'],
    ...[7, undefined, null],
  ])('%j is refused', async (name) => {
    expect((await refusal(issue({ role: 'client', name }))).option).toBe('request.name')
    expect((await refusal(createAuthority({ name: name as never }))).option).toBe('name')
  })

  it.each(['\u{1f600}'.repeat(64), 'Zoë, "CN=root"+O=x', '#1'])('%j is one common name', async (name) => {
    const { chain } = await authority.issue({ role: 'client', name })
    expect(chain[0].subject.commonName).toBe(name)
    expect(chain[0].subject.relativeNames).toHaveLength(1)
    const ca = await createAuthority({ name, crypto: webcrypto })
    expect(ca.certificate.subject.commonName).toBe(name)
    expect(ca.certificate.subject.relativeNames).toHaveLength(1)
    const below = await ca.issue({ role: 'client', name: 'x' })
    expect(below.chain[0].issuer.raw).toEqual(ca.certificate.subject.raw)
  })
})

describe('everything else', () => {
  it.each([
    [{ role: 'admin', name: 'x' }, 'request.role'],
    [{ name: 'x' }, 'request.role'],
    [{ role: 'client', name: 'x', algorithm: 'constructor' }, 'request.algorithm'],
    [{ role: 'client', name: 'x', validity: '999ms' }, 'request.validity'],
    [{ role: 'client', name: 'x', validity: 86400 }, 'request.validity'],
    [{ role: 'client', name: 'x', validity: '3000000d' }, 'request.validity'],
    [{ role: 'client', name: 'x', sans: ['y'] }, 'request.sans'],
  ])('%j', async (request, option) => {
    expect((await refusal(issue(request))).option).toBe(option)
  })

  it.each([
    [null, 'options'],
    [{ name: 'x', maxIntermediates: -1 }, 'maxIntermediates'],
    [{ name: 'x', maxIntermediates: 101 }, 'maxIntermediates'],
    [{ name: 'x', validity: '0d' }, 'validity'],
    [{ name: 'x', algorithm: 'p256' }, 'algorithm'],
    [{ name: 'x', crypto: {} }, 'crypto'],
    [{ name: 'x', permittedNames: [] }, 'permittedNames'],
    [{ name: 'x', permittedNames: Array.from({ length: 101 }, (_, i) => `a${String(i)}.svc`) }, 'permittedNames'],
    [{ name: 'x', permittedNames: ['10.0.0.1/8'] }, 'permittedNames[0]'],
    [{ name: 'x', permittedNames: ['svc/8'] }, 'permittedNames[0]'],
    [{ name: 'x', subject: { organisation: 'y' } }, 'subject.organisation'],
    [{ name: 'x', ledger: {} }, 'ledger'],
    [{ name: 'x', clock: 7 }, 'clock'],
    [{ name: 'x', algorithm: 'rsa-2048', signer: { publicKey: 'x', sign: null } }, 'algorithm'],
  ])('an authority of %j', async (options, option) => {
    expect((await refusal(createAuthority(options as never))).option).toBe(option)
  })
})
