/** CAs below CAs, what each may issue for, and cross-certificates: with the same result in our validator and in openssl. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  type CreateAuthorityOptions,
  loadAuthority,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { type FindingCode, validateChain } from '../../../src/validate/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { extendedKeyUsage, mintCa, mintLeaf } from '../../support/mint.js'
import { refused } from '../../support/refused.js'
import { pemOf } from '../../support/etcd.js'

const folder = temporaryFolder()
const AT = new Date('2026-06-01T12:00:00Z')
const clock = (): Date => AT
const SERVER = { role: 'server', name: 'etcd-0', hosts: ['etcd-0.etcd.svc', '10.0.0.1'] } as const

type Chain = Pick<Credentials, 'chain' | 'trustAnchors'>

/** What openssl says at the time of these tests: `OK`, or its words. */
function opensslSays({ chain, trustAnchors }: Chain, purpose = 'sslserver', at = AT): string {
  const [leaf, ...between] = chain
  const untrusted = between.length === 0 ? [] : ['-untrusted', folder.file('between.pem', pemOf(between))]
  const time = ['-attime', String(at.getTime() / 1000)]
  const anchors = ['-CAfile', folder.file('anchors.pem', pemOf(trustAnchors))]
  try {
    const file = folder.file('leaf.pem', pemOf([leaf]))
    return openssl(['verify', '-x509_strict', '-purpose', purpose, ...time, ...anchors, ...untrusted, file])
      .trim()
      .replace(/^.*: /, '')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function codes({ chain: [leaf, ...intermediates], trustAnchors }: Chain, usage: 'server' | 'client'): FindingCode[] {
  const report = validateChain({ leaf, intermediates, trustAnchors }, { usage, at: AT })
  return report.findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
}

function names(certificates: readonly Certificate[]): string[] {
  return certificates.map(({ subject }) => subject.commonName ?? '')
}

async function reason(work: Promise<unknown>): Promise<string> {
  return (await refused(work, 'ERR_ISSUE_REFUSED')).details.reason
}

async function option(work: Promise<unknown>): Promise<string> {
  return (await refused(work, 'ERR_OPTION_INVALID')).details.option
}

const days = (count: number): Date => new Date(AT.getTime() + count * 86_400_000)

describe('an intermediate', () => {
  it('credentials of an intermediate send its certificates, and trust only the root', async () => {
    const root = await createAuthority({ name: 'Root', clock })
    const below = await root.createIntermediate({ name: 'Issuing', algorithm: 'ed25519', subject: { country: 'DE' } })
    const credentials = await below.issue(SERVER)
    expect(names(credentials.chain)).toEqual(['etcd-0', 'Issuing'])
    expect(names(credentials.trustAnchors)).toEqual(['Root'])
    expect(below.certificate.subject.toString()).toBe('CN=Issuing,C=DE')
    expect(below.certificate.publicKeyInfo.algorithm).toBe('Ed25519')
    expect(below.certificate.extensions.authorityKeyIdentifier?.keyIdentifier).toEqual(
      root.certificate.extensions.subjectKeyIdentifier,
    )
    expect(below.chain[0]?.equals(root.certificate)).toBe(true)
    expect(codes(credentials, 'server')).toEqual([])
    expect(opensslSays(credentials)).toBe('OK')
    expect(opensslSays(credentials, 'sslclient')).toBe('OK')
  })

  it('allows one level less below each of three levels', async () => {
    const root = await createAuthority({ name: 'Root', maxIntermediates: 3, clock })
    const first = await root.createIntermediate({ name: 'First', maxIntermediates: 2 })
    const second = await first.createIntermediate({ name: 'Second', maxIntermediates: 1 })
    const third = await second.createIntermediate({ name: 'Third' })
    const path = [root, first, second, third]
    expect(path.map(({ certificate }) => certificate.extensions.basicConstraints?.pathLength)).toEqual([3, 2, 1, 0])
    const credentials = await third.issue(SERVER)
    expect(names(credentials.chain)).toEqual(['etcd-0', 'Third', 'Second', 'First'])
    expect(codes(credentials, 'server')).toEqual([])
    expect(opensslSays(credentials)).toBe('OK')
    expect(await reason(third.createIntermediate({ name: 'Fourth' }))).toContain('pathLenConstraint 0 of "CN=Third"')
    expect(await reason(second.createIntermediate({ name: 'X', maxIntermediates: 1 }))).toContain('"CN=Second"')
  })

  it('every CA above limits an intermediate', async () => {
    const root = mintCa({ subject: 'Root', pathLength: 1 })
    const middle = mintCa({ subject: 'Middle', issuer: root })
    const authority = await loadAuthority({ cert: middle.pem, key: middle.keyPem, chain: root.pem })
    expect(await reason(authority.createIntermediate({ name: 'Low' }))).toContain('pathLenConstraint 1 of "CN=Root"')
    const open = await createAuthority({ name: 'Open', clock })
    const low = await open.createIntermediate({ name: 'Low', maxIntermediates: 100 })
    expect(low.certificate.extensions.basicConstraints?.pathLength).toBe(100)
  })

  it('an intermediate is valid for five years by default, and not longer than the CAs above', async () => {
    const root = await createAuthority({ name: 'Root', validity: '1000d', clock })
    const cut = await root.createIntermediate({ name: 'Cut' })
    expect(cut.certificate.notAfter).toEqual(root.certificate.notAfter)
    const long = await createAuthority({ name: 'Long', clock })
    expect((await long.createIntermediate({ name: 'Five' })).certificate.notAfter).toEqual(days(1825))
    expect(await reason(root.createIntermediate({ name: 'X', validity: '1001d' }))).toContain('ask for a shorter')

    const above = mintCa({ subject: 'Above', notBefore: days(-1), notAfter: days(100) })
    const outliving = mintCa({ subject: 'Outliving', issuer: above, notBefore: days(-1), notAfter: days(1000) })
    const authority = await loadAuthority({ cert: outliving.pem, key: outliving.keyPem, chain: above.pem, clock })
    expect((await authority.issue(SERVER)).chain[0].notAfter).toEqual(days(100))
    const longer = await reason(authority.issue({ ...SERVER, validity: '200d' }))
    expect(longer).toContain('certificate "CN=Above" above the authority ends at')
    const later = { cert: outliving.pem, key: outliving.keyPem, chain: above.pem, clock: () => days(101) }
    expect(await reason((await loadAuthority(later)).issue(SERVER))).toContain('"CN=Above" above the authority has exp')
    const early = { ...later, clock: () => days(-2) }
    expect(await reason((await loadAuthority(early)).createIntermediate({ name: 'X' }))).toContain('not valid before')
  })

  it('uses the ledger, clock and serial numbers of the one above, unless it has its own', async () => {
    const [ledger, own] = [memoryLedger(), memoryLedger()]
    let serial = 1
    const serialNumbers = (): Uint8Array => Uint8Array.of(serial++)
    const root = await createAuthority({ name: 'Root', ledger, clock })
    Object.assign(root.issuer.settings, { nextSerial: serialNumbers })
    const below = await root.createIntermediate({ name: 'Below' })
    const { chain } = await below.issue(SERVER)
    expect(chain.map((each) => each.serialNumber)).toEqual(['02', '01'])
    expect(chain[0].notBefore).toEqual(new Date(AT.getTime() - 300_000))
    const noted = await ledger.read()
    expect(noted.map((each) => (each.kind === 'issued' ? [each.subject, each.role, each.at] : []))).toEqual([
      ['CN=Root', 'ca', AT],
      ['CN=Below', 'ca', AT],
      ['CN=etcd-0', 'server', AT],
    ])
    // The root's certificate and the intermediate's are the root's, the leaf the intermediate's.
    expect(noted.map(({ issuer }) => issuer === noted[0]?.issuer)).toEqual([true, true, false])
    const other = await root.createIntermediate({
      name: 'Other',
      ledger: own,
      clock: () => days(10),
    })
    await other.issue(SERVER)
    expect((await ledger.read()).length).toBe(4)
    expect(await own.read()).toMatchObject([{ subject: 'CN=etcd-0', at: days(10) }])
    expect(other.certificate.notAfter).toEqual(days(1835))
  })

  it('refuses an intermediate with the name or the key of its issuer', async () => {
    const root = await createAuthority({ name: 'Root', clock })
    expect(await option(root.createIntermediate({ name: 'Root' }))).toBe('name')
    const key = createPrivateKey(root.export().key)
    const signer = { publicKey: createPublicKey(key), sign: (data: Uint8Array) => sign('sha256', data, key) }
    expect(await option(root.createIntermediate({ name: 'Other', signer }))).toBe('signer')
    // Another attribute is another name.
    const german = await root.createIntermediate({ name: 'Root', subject: { country: 'DE' } })
    expect(german.certificate.isSelfIssued).toBe(false)
  })
})

const REFUSED: FindingCode = 'name-constraints/name-refused'
const COMMON_NAME: FindingCode = 'name-constraints/common-name-refused'
const NOT_PERMITTED = 'permitted subtree violation'
const EXCLUDED = 'excluded subtree violation'

/** What may be issued, and what openssl says about the same certificate. */
const PERMITS: [permittedNames: string[], hosts: string[], openssl: string, name?: string][] = [
  [['*.etcd.svc'], ['etcd-0.etcd.svc', 'etcd.svc'], 'OK'],
  [['etcd.svc'], ['*.etcd.svc', 'x.y.ETCD.svc', 'spiffe://x/y'], 'OK'],
  [['etcd.svc'], ['etcd-0.etcd.svc', 'netcd.svc'], NOT_PERMITTED],
  [['etcd.svc'], ['*.svc'], NOT_PERMITTED],
  [['etcd.svc'], ['etcd-0.etcd.svc', '10.0.0.1'], EXCLUDED],
  [['etcd.svc'], ['etcd-0.etcd.svc', '::1'], EXCLUDED],
  [['10.0.0.0/8'], ['10.255.255.255', '10.0.0.0'], 'OK'],
  [['10.0.0.0/8'], ['11.0.0.0'], NOT_PERMITTED],
  [['10.0.0.0/8'], ['10.0.0.1', 'localhost'], EXCLUDED],
  [['10.0.0.0/8'], ['fd00::1'], NOT_PERMITTED],
  [['10.1.2.3'], ['10.1.2.3'], 'OK'],
  [['10.1.2.3'], ['10.1.2.2'], NOT_PERMITTED],
  [['10.0.0.0/13'], ['10.7.255.255'], 'OK'],
  [['10.0.0.0/13'], ['10.8.0.0'], NOT_PERMITTED],
  [['fd00::/8', '0.0.0.0/0'], ['fdff::1', '192.0.2.1'], 'OK'],
  [['fd00::/8'], ['fe00::1'], NOT_PERMITTED],
  [['svc', 'spiffe://cluster/any'], ['a.svc', 'spiffe://cluster/app'], 'OK'],
  [['svc', 'spiffe://cluster'], ['a.svc', 'spiffe://other/app'], NOT_PERMITTED],
  // OpenSSL takes a common name with dots for a DNS name if there is no other.
  [['svc'], ['x.svc'], 'OK', 'a.example'],
  [['10.0.0.0/8'], ['10.0.0.1'], EXCLUDED, 'a.example'],
]

describe('permittedNames', () => {
  it.each(PERMITS)(
    'permittedNames %j apply to %j as OpenSSL applies them',
    async (permittedNames, hosts, words, name = 'a') => {
      const authority = await createAuthority({ name: 'CA', permittedNames, clock })
      const request = { role: 'server', name, hosts } as const
      const given = await authority.issue({ ...request, skipEtcdChecks: true })
      expect(opensslSays(given)).toContain(words)
      // What OpenSSL makes of common names, and Go does not, is a warning.
      const code = words === 'OK' ? null : name === 'a' ? REFUSED : COMMON_NAME
      expect(new Set(codes(given, 'server'))).toEqual(new Set(code === REFUSED ? [code] : []))
      if (code === null) {
        await authority.issue(request)
        return
      }
      const error = await refused(authority.issue(request), 'ERR_ISSUE_REFUSED')
      expect(error.details.findings.map((each) => each.code)).toContain(code)
      expect(error.message).toContain(`[${code}]`)
      expect(error.details.reason).toContain('"CN=CA"')
    },
  )

  it('writes permittedNames as a critical extension that excludes all other names of the same kinds', async () => {
    const permittedNames = ['*.etcd.svc', '10.0.0.0/8', 'spiffe://cluster/x'] as const
    const { certificate } = await createAuthority({ name: 'CA', permittedNames, clock })
    const text = openssl(['x509', '-noout', '-ext', 'nameConstraints'], certificate.toPem())
    expect(text.replace(/\s+/g, ' ')).toBe(
      'X509v3 Name Constraints: critical Permitted: DNS:etcd.svc IP:10.0.0.0/255.0.0.0 URI:cluster ',
    )
    const bare = await createAuthority({ name: 'CA', permittedNames: ['fd00::/8'], clock })
    expect(bare.certificate.extensions.nameConstraints?.excluded.map(({ kind, value }) => [kind, value])).toEqual([
      ['dns', ''],
    ])
    const domain = await createAuthority({ name: 'CA', permittedNames: ['svc'], clock })
    expect(domain.certificate.extensions.nameConstraints?.excluded.map(({ value }) => value)).toEqual([
      '0.0.0.0/0.0.0.0',
      '::/::',
    ])
  })
})

describe('a cross-certificate', () => {
  async function pair(options: Partial<CreateAuthorityOptions> = {}): Promise<{ old: Authority; next: Authority }> {
    return {
      old: await createAuthority({ name: 'Old CA', clock, validity: '100d' }),
      next: await createAuthority({ name: 'New CA', clock, ...options }),
    }
  }

  it('makes peers that trust the old CA trust the new one', async () => {
    const { old, next } = await pair()
    const cross = await old.crossSign(next)
    expect(cross.subject.equals(next.certificate.subject)).toBe(true)
    expect(cross.issuer.equals(old.certificate.subject)).toBe(true)
    expect(Buffer.from(cross.spki)).toEqual(Buffer.from(next.certificate.spki))
    expect(cross.extensions.subjectKeyIdentifier).toEqual(next.certificate.extensions.subjectKeyIdentifier)
    expect(cross.notAfter).toEqual(old.certificate.notAfter)
    expect(cross.extensions.basicConstraints).toEqual({ ca: true, pathLength: 0 })
    const without = await next.issue(SERVER)
    const credentials = await next.withCrossCertificate(cross).issue(SERVER)
    expect(names(credentials.chain)).toEqual(['etcd-0', 'New CA'])
    for (const trusted of [old, next]) {
      const seen = { chain: credentials.chain, trustAnchors: [trusted.certificate] }
      expect(codes(seen, 'server')).toEqual([])
      expect(opensslSays(seen)).toBe('OK')
    }
    const unseen = { chain: without.chain, trustAnchors: [old.certificate] }
    expect(codes(unseen, 'server')).toEqual(['chain/issuer-not-found'])
    expect(opensslSays(unseen)).toContain('unable to get local issuer certificate')
  })

  it('a cross-certificate is in the ledger of the CA that signed it, which can revoke it', async () => {
    const ledger = memoryLedger()
    const old = await createAuthority({ name: 'Old', ledger, clock })
    const cross = await old.crossSign(await createAuthority({ name: 'New', clock }))
    expect((await ledger.read()).at(-1)).toMatchObject({ role: 'ca', serialNumber: cross.serialNumber })
    await old.revoke(cross, { reason: 'cACompromise' })
    expect((await old.issueCrl()).find(cross)).toMatchObject({ reason: 'cACompromise' })
  })

  it('keeps the limits that the other CA has', async () => {
    const { old, next } = await pair({ permittedNames: ['etcd.svc'] })
    const cross = await old.crossSign(next)
    expect(cross.extensions.nameConstraints).toEqual(next.certificate.extensions.nameConstraints)
    const given = await next.withCrossCertificate(cross).issue({ ...SERVER, skipEtcdChecks: true })
    expect(codes({ chain: given.chain, trustAnchors: [old.certificate] }, 'server')).toContain(REFUSED)
    const narrowed = await old.crossSign(next, { permittedNames: ['a.etcd.svc'], validity: '10d', maxIntermediates: 2 })
    expect(narrowed.extensions.nameConstraints?.permitted.map(({ value }) => value)).toEqual(['a.etcd.svc'])
    expect(narrowed.extensions.all.filter(({ oid }) => oid === '2.5.29.30')).toHaveLength(1)
    expect(narrowed.notAfter).toEqual(days(10))
    expect(narrowed.extensions.basicConstraints?.pathLength).toBe(2)
    const clients = mintCa({ subject: 'Clients', notBefore: days(-1), extensions: [extendedKeyUsage(['clientAuth'])] })
    const loaded = await loadAuthority({ cert: clients.pem, key: clients.keyPem, clock })
    expect((await old.crossSign(loaded)).extensions.extendedKeyUsage).toEqual(
      loaded.certificate.extensions.extendedKeyUsage,
    )
  })

  it('refuses to cross-sign a certificate that is not a CA, has expired, has the same key, or leaves no room', async () => {
    const { old, next } = await pair()
    const { chain } = await next.issue(SERVER)
    expect(await reason(old.crossSign(chain[0]))).toContain('not a CA certificate')
    const idle = mintCa({ subject: 'Idle', keyUsages: ['cRLSign'], notBefore: days(-1) })
    expect(await reason(old.crossSign(Certificate.parse(idle.der)))).toContain(
      '"CN=Idle" may not sign certificates: its keyUsage lacks keyCertSign',
    )
    expect(await reason(old.crossSign(old))).toContain("this authority's own key")
    const gone = mintCa({ subject: 'Gone', notBefore: days(-20), notAfter: days(-1) })
    expect(await reason(old.crossSign(Certificate.parse(gone.der)))).toContain('has expired')
    const weak = mintCa({ subject: 'Weak', key: 'rsa-1024', notBefore: days(-1) })
    const { details } = await refused(old.crossSign(Certificate.parse(weak.der)), 'ERR_ISSUE_REFUSED')
    expect(details.findings.map(({ code }) => code)).toContain('key/weak')
    const closed = await createAuthority({ name: 'Closed', maxIntermediates: 0, clock })
    expect(await reason(closed.crossSign(next))).toContain('pathLenConstraint 0 of "CN=Closed"')
    expect(await reason(old.crossSign(next, { validity: '101d' }))).toContain('ask for a shorter')
    expect(await option(old.crossSign(mintLeaf({ subject: 'x' }).pem as never))).toBe('other')
    expect(await option(old.crossSign(next, { days: 1 } as never))).toBe('days')
    expect(await option(old.crossSign(next, { permittedNames: [] as never }))).toBe('permittedNames')
  })

  it('a cross-certificate of an intermediate is sent with the chain of that intermediate', async () => {
    const old = await createAuthority({ name: 'Old root', clock })
    const oldIssuing = await old.createIntermediate({ name: 'Old issuing', maxIntermediates: 1 })
    const next = await createAuthority({ name: 'New CA', clock })
    const cross = await oldIssuing.crossSign(next)
    const rolled = next.withCrossCertificate(cross, [oldIssuing.certificate])
    const { chain } = await rolled.issue(SERVER)
    expect(names(chain)).toEqual(['etcd-0', 'New CA', 'Old issuing'])
    for (const trusted of [old, next]) {
      const seen = { chain, trustAnchors: [trusted.certificate] }
      expect(codes(seen, 'server')).toEqual([])
      expect(opensslSays(seen)).toBe('OK')
    }
    const bare = await next.withCrossCertificate(cross).issue(SERVER)
    expect(codes({ chain: bare.chain, trustAnchors: [old.certificate] }, 'server')).toEqual(['chain/issuer-not-found'])
    for (const [above, named] of [
      [null, 'above'],
      [Array.from({ length: 11 }, () => oldIssuing.certificate), 'above'],
      [[old.certificate], 'above[0]'],
      [[oldIssuing.certificate, next.certificate], 'above[1]'],
      [[chain[0]], 'above[0]'],
      [['text'], 'above[0]'],
    ] as const) {
      const work = (async () => Promise.resolve(next.withCrossCertificate(cross, above as never)))()
      expect(await option(work)).toBe(named)
    }
  })

  it('an authority sends a cross-certificate once, and accepts only one with its own name and key', async () => {
    const { old, next } = await pair()
    const cross = await old.crossSign(next)
    const twice = next.withCrossCertificate(cross).withCrossCertificate(cross)
    expect((await twice.issue(SERVER)).chain).toHaveLength(2)
    const other = await createAuthority({ name: 'New CA', clock })
    for (const wrong of [old.certificate, other.certificate, (await next.issue(SERVER)).chain[0], null]) {
      expect(await option((async () => Promise.resolve(next.withCrossCertificate(wrong as never)))())).toBe(
        'certificate',
      )
    }
  })
})
