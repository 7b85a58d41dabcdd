/** Revocations, and CRLs that are numbered, complete, and drop an entry only when they may. */
import { describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  type Crl,
  fileLedger,
  type Ledger,
  loadAuthority,
  type RevokeReason,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import { validateChain } from '../../../src/validate/index.js'
import { type Certificate, serialText } from '../../../src/x509/certificate.js'
import { mintCa } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()
const DAY = 86_400_000
const START = new Date('2026-06-01T00:00:00Z').getTime()

/** An authority with a clock that tests move, and one ledger for all that is loaded again. */
async function moving(ledger: Ledger = memoryLedger()): Promise<{
  authority: Authority
  at: (days: number) => void
  again: (other?: Ledger) => Promise<Authority>
}> {
  let now = START
  const clock = (): Date => new Date(now)
  const authority = await createAuthority({ name: 'CA', ledger, clock })
  return {
    authority,
    at: (days) => (now = START + days * DAY),
    again: async (other = ledger) => loadAuthority({ ...authority.export(), ledger: other, clock }),
  }
}

async function client(by: Authority, validity = '30d'): Promise<Certificate> {
  return (await by.issue({ role: 'client', name: 'app', validity })).chain[0]
}

/** Serial numbers on a CRL, sorted. */
function listed(crl: Crl): string[] {
  return [...crl.entries.all()].map(([serial]) => serialText(serial)).sort()
}

describe('reasons', () => {
  it('openssl and Crl read the same reason for each entry', async () => {
    const reasons: [RevokeReason | undefined, string, string | null][] = [
      [undefined, '', null],
      ['unspecified', '', null],
      ['keyCompromise', 'Key Compromise', 'keyCompromise'],
      ['cACompromise', 'CA Compromise', 'cACompromise'],
      ['affiliationChanged', 'Affiliation Changed', 'affiliationChanged'],
      ['superseded', 'Superseded', 'superseded'],
      ['cessationOfOperation', 'Cessation Of Operation', 'cessationOfOperation'],
      ['privilegeWithdrawn', 'Privilege Withdrawn', 'privilegeWithdrawn'],
      ['aACompromise', 'AA Compromise', 'aACompromise'],
    ]
    const { authority } = await moving()
    const leaves: Certificate[] = []
    for (const [reason] of reasons) {
      const leaf = await client(authority)
      leaves.push(leaf)
      const entry = await authority.revoke(leaf, { reason })
      expect(entry).toMatchObject({ kind: 'revoked', serialNumber: leaf.serialNumber, reason: reason ?? 'unspecified' })
    }
    const crl = await authority.issueCrl()
    const text = openssl(['crl', '-noout', '-text'], crl.toPem())
    const found = text.matchAll(
      /Serial Number: ([0-9A-F]+)\n +Revocation Date: .*\n(?: +CRL entry extensions:\n +X509v3 CRL Reason Code: *\n +(.*)\n)?/g,
    )
    expect([...found].map(([, serial, reason = '']) => [serial, reason.trim()])).toEqual(
      reasons.map(([, words], index) => [leaves[index]?.serialNumber, words]),
    )
    for (const [index, [, , reason]] of reasons.entries())
      expect(crl.entries.find(leaves[index]?.serial ?? new Uint8Array())).toMatchObject({
        revokedAt: new Date(START),
        reason,
      })
  })
})

describe('revoking', () => {
  it('twice changes nothing, also concurrently', async () => {
    const ledger = memoryLedger()
    const { authority, at } = await moving(ledger)
    const leaf = await client(authority)
    const [first, same] = await Promise.all([
      authority.revoke(leaf, { reason: 'superseded' }),
      authority.revoke(leaf, { reason: 'keyCompromise' }),
    ])
    at(1)
    expect(same).toEqual(first)
    expect(await authority.revoke(leaf.serialNumber)).toEqual(first)
    expect((await ledger.read()).filter(({ kind }) => kind === 'revoked')).toHaveLength(1)
    expect((await authority.issueCrl()).find(leaf)).toMatchObject({ reason: 'superseded' })
  })

  it('accepts a time in the past', async () => {
    const { authority, at } = await moving()
    const leaf = await client(authority)
    at(2)
    const since = new Date(START + DAY + 789)
    expect((await authority.revoke(leaf, { at: since })).at).toEqual(new Date(START + DAY))
    expect((await authority.issueCrl()).find(leaf)?.revokedAt).toEqual(new Date(START + DAY))
  })

  it('accepts a serial number of the ledger, with and without colons', async () => {
    const { authority, again } = await moving()
    const [one, two, three] = [await client(authority), await client(authority), await client(authority)]
    const lower = one.serialNumber.toLowerCase()
    expect((await authority.revoke(lower)).serialNumber).toBe(one.serialNumber)
    expect((await authority.revoke(two.serialNumber.replace(/..(?=.)/g, '$&:'))).serialNumber).toBe(two.serialNumber)
    const forgetful = await again(memoryLedger())
    const { details } = await refused(forgetful.revoke(three.serialNumber), 'ERR_ISSUE_REFUSED')
    expect(details.reason).toContain(`no certificate ${three.serialNumber} of this authority`)
    // The certificate itself is proof enough.
    await forgetful.revoke(three)
  })

  it('refuses to revoke certificates of other CAs, and the authority itself', async () => {
    const { authority } = await moving()
    const namesake = await createAuthority({ name: 'CA', clock: () => new Date(START) })
    const foreign = await client(namesake)
    const { details } = await refused(authority.revoke(foreign), 'ERR_ISSUE_REFUSED')
    expect(details.reason).toContain('was not issued by this authority')
    expect((await refused(authority.revoke(foreign.serialNumber), 'ERR_ISSUE_REFUSED')).details.reason).toContain(
      'The ledger has no certificate',
    )
    const own = await refused(authority.revoke(authority.certificate), 'ERR_ISSUE_REFUSED')
    expect(own.details.reason).toContain('remove it from every trusted-ca-file instead')
    const below = await authority.createIntermediate({ name: 'Below' })
    const leaf = await client(below)
    await refused(authority.revoke(leaf), 'ERR_ISSUE_REFUSED')
    await below.revoke(leaf)
    await authority.revoke(below.certificate)
    expect(listed(await authority.issueCrl())).toEqual([below.certificate.serialNumber])
    expect(listed(await below.issueCrl())).toEqual([leaf.serialNumber])
  })
})

describe('numbers', () => {
  it('the number grows with each CRL, also concurrently and within one second', async () => {
    const { authority } = await moving()
    const lists = await Promise.all(Array.from({ length: 20 }, () => authority.issueCrl()))
    const numbers = lists.map(({ number }) => number ?? 0n)
    expect(new Set(numbers).size).toBe(20)
    expect(numbers).toEqual([...numbers].sort((a, b) => Number(a - b)))
    expect(numbers[0]).toBe(BigInt(START / 1000))
  })

  it('the numbers of CRLs continue after a restart with the ledger file, and after its loss', async () => {
    const path = folder.file('numbers.ledger')
    const { authority, at, again } = await moving(fileLedger(path))
    const first = (await authority.issueCrl()).number ?? 0n
    expect((await (await again(fileLedger(path))).issueCrl()).number).toBe(first + 1n)
    at(1)
    const lost = (await (await again(memoryLedger())).issueCrl()).number ?? 0n
    expect(lost).toBeGreaterThan(first + 1n)
    // With the file and a clock that was put back they do not go back, either.
    const kept = (await (await again(fileLedger(path))).issueCrl()).number ?? 0n
    at(-1)
    expect((await (await again(fileLedger(path))).issueCrl()).number).toBe(kept + 1n)
  })

  it('the numbers of CRLs are separate for two CAs in one ledger', async () => {
    const ledger = memoryLedger()
    const clock = (): Date => new Date(START)
    const [a, b] = await Promise.all(['A', 'B'].map((name) => createAuthority({ name, ledger, clock })))
    if (a === undefined || b === undefined) throw new Error('two were made')
    await a.revoke(await client(a))
    expect((await a.issueCrl()).number).toBe((await b.issueCrl()).number)
    expect(listed(await b.issueCrl())).toEqual([])
    expect(listed(await a.issueCrl())).toHaveLength(1)
  })
})

describe('entries', () => {
  it('an entry stays until a CRL listed it after its certificate had expired', async () => {
    const { authority, at } = await moving()
    const short = await client(authority, '10d')
    const long = await client(authority, '100d')
    await authority.revoke(short)
    await authority.revoke(long)
    const serials = async (): Promise<string[]> => listed(await authority.issueCrl())
    expect(await serials()).toEqual([short.serialNumber, long.serialNumber].sort())
    at(9)
    expect(await serials()).toEqual([short.serialNumber, long.serialNumber].sort())
    at(11)
    expect(await serials()).toEqual([short.serialNumber, long.serialNumber].sort())
    expect(await serials()).toEqual([long.serialNumber])
    at(200)
    expect(await serials()).toEqual([long.serialNumber])
    expect(await serials()).toEqual([])
  })

  it('a CRL lists an expired certificate once if it was revoked after its end', async () => {
    const { authority, at } = await moving()
    const leaf = await client(authority, '10d')
    at(12)
    await authority.issueCrl()
    at(13)
    // As of a moment at which there was a list that did not have it.
    await authority.revoke(leaf, { at: new Date(START + 11 * DAY) })
    expect(listed(await authority.issueCrl())).toHaveLength(1)
    expect(listed(await authority.issueCrl())).toHaveLength(0)
  })

  it('an entry stays if its certificate is not in the ledger', async () => {
    const { authority, again, at } = await moving()
    const leaf = await client(authority, '1d')
    const forgetful = await again(memoryLedger())
    await forgetful.revoke(leaf)
    at(100)
    for (let i = 0; i < 3; i++) expect(listed(await forgetful.issueCrl())).toHaveLength(1)
  })

  it('a ledger in memory keeps the certificates that the next CRL lists', async () => {
    const ledger = memoryLedger()
    const { authority, at } = await moving(ledger)
    const [revoked, expired] = [await client(authority, '1d'), await client(authority, '1d')]
    await authority.revoke(revoked)
    at(2)
    const [first] = await ledger.read()
    if (first?.kind !== 'issued') throw new Error('the CA is noted')
    const filler = { ...first, notAfter: new Date(START + 3 * DAY), at: new Date(START + 2 * DAY) }
    await ledger.append(Array.from({ length: 1100 }, (_, i) => ({ ...filler, serialNumber: String(i) })))
    const left = (await ledger.read()).flatMap((each) => (each.kind === 'issued' ? [each.serialNumber] : []))
    expect(left).toContain(revoked.serialNumber)
    expect(left).not.toContain(expired.serialNumber)
    expect(listed(await authority.issueCrl())).toHaveLength(1)
    expect(listed(await authority.issueCrl())).toHaveLength(0)
  })
})

it('refuses a CRL that is too large to be read', async () => {
  const ledger = memoryLedger()
  const { authority } = await moving(ledger)
  const entry = {
    kind: 'revoked',
    issuer: authority.issuer.id,
    reason: 'superseded',
    keyFingerprint256: null,
    at: new Date(START),
  } as const
  const serialNumber = (i: number): string => (0x4000_0000 + i).toString(16).toUpperCase()
  await ledger.append(Array.from({ length: 150_001 }, (_, i) => ({ ...entry, serialNumber: serialNumber(i) })))
  const { details } = await refused(authority.issueCrl(), 'ERR_ISSUE_REFUSED')
  expect(details.reason).toContain('150000')
})

describe('a CRL', () => {
  it('a CRL is valid from five minutes ago, for a week or as long as requested', async () => {
    const { authority } = await moving()
    const crl = await authority.issueCrl()
    expect(crl.thisUpdate).toEqual(new Date(START - 300_000))
    expect(crl.nextUpdate).toEqual(new Date(START + 7 * DAY))
    expect((await authority.issueCrl({ nextUpdate: '10000d' })).nextUpdate).toEqual(new Date(START + 10_000 * DAY))
  })

  it('needs a CA that may sign CRLs', async () => {
    const ca = mintCa({ subject: 'kubeadm-like', keyUsages: ['keyCertSign', 'digitalSignature', 'keyEncipherment'] })
    const authority = await loadAuthority({ cert: ca.pem, key: ca.keyPem })
    await authority.revoke(await client(authority))
    const { details } = await refused(authority.issueCrl(), 'ERR_ISSUE_REFUSED')
    expect(details.reason).toContain('lacks cRLSign')
    const crl = await authority.issueCrl({ allowWithoutCrlSign: true })
    expect(listed(crl)).toHaveLength(1)
    const leaf = await client(authority)
    const input = { leaf, trustAnchors: [authority.certificate], crls: [crl] }
    expect(validateChain(input, { usage: 'client' }).ok).toBe(false)
  })
})
