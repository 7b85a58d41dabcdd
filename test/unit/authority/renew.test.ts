/** Renewed credentials have the same contents, or are refused. */
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  type Credentials,
  loadAuthority,
  renewCredentials,
  renewalDue,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import { validateCredentials } from '../../../src/validate/index.js'
import type { Certificate } from '../../../src/x509/certificate.js'
import { mintedCredentials } from '../../support/etcd.js'
import { dns, email, ip, mintCa, mintLeaf, type Minted, type MintLeafOptions, uri } from '../../support/mint.js'
import { refused } from '../../support/refused.js'

const DAY = 86_400_000
const minted = mintCa({ subject: 'minted CA' })
let authority: Authority

beforeAll(async () => {
  authority = await loadAuthority({ cert: minted.pem, key: minted.keyPem })
})

/** Credentials that another tool has made under the same CA. */
function leafOf(options: Partial<MintLeafOptions>, issuer: Minted = minted): Credentials {
  return mintedCredentials({ leaf: mintLeaf({ subject: 'x', issuer, ...options }), trust: [issuer] })
}

const refusal = (work: Promise<unknown>) => refused(work, 'ERR_ISSUE_REFUSED')

const length = ({ notBefore, notAfter }: Certificate): number => notAfter.getTime() - notBefore.getTime()
const says = ({ chain: [leaf] }: Credentials): unknown => [
  Buffer.from(leaf.subject.raw).toString('hex'),
  leaf.subjectAltNames.map(({ kind, bytes }) => [kind, Buffer.from(bytes).toString('hex')]),
  leaf.extensions.extendedKeyUsage,
]

describe('renewCredentials', () => {
  it.each<[string, Partial<MintLeafOptions>, string]>([
    [
      'a member',
      { names: [dns('a.etcd'), dns('*.etcd.svc'), ip('10.0.0.1'), ip('::1'), uri('spiffe://c/etcd')] },
      'server',
    ],
    ['a client', { usages: ['clientAuth'] }, 'client'],
    ['further purposes', { usages: ['clientAuth', 'codeSigning', '1.3.6.1.4.1.311.20.2.2'] }, 'client'],
    ['names as only others write them', { names: [dns('UPPER.etcd'), dns('with_underscore')] }, 'server'],
    ['an empty subject', { subject: [], usages: ['clientAuth'], names: [uri('spiffe://c/x')] }, 'client'],
  ])('%s: subject, names and purposes are the same', async (_, options, role) => {
    const ledger = memoryLedger()
    const own = await loadAuthority({ cert: minted.pem, key: minted.keyPem, ledger })
    const before = leafOf(options)
    const after = await renewCredentials(own, before)
    expect(says(after)).toEqual(says(before))
    expect(length(after.chain[0])).toBe(length(before.chain[0]))
    expect(after.key.spki).not.toEqual(before.key.spki)
    expect(after.chain[0].serialNumber).not.toBe(before.chain[0].serialNumber)
    expect(after.trustAnchors).toEqual(before.trustAnchors)
    expect(after.trustAnchors).not.toBe(before.trustAnchors)
    expect(validateCredentials(after, { usage: role === 'client' ? 'client' : 'peer' }).ok).toBe(true)
    expect(await ledger.read()).toMatchObject([{ kind: 'issued', role, serialNumber: after.chain[0].serialNumber }])
  })

  it('keeps all attributes of a subject, in their order and encoding', async () => {
    const own = await createAuthority({ name: 'CA' })
    const first = await own.issue({
      role: 'client',
      name: 'alice',
      subject: { country: 'DE', organization: ['system:masters', 'other'] },
      extensions: [{ oid: '1.3.6.1.4.1.99999.1', value: Uint8Array.of(5, 0) }],
    })
    const again = await renewCredentials(own, first)
    expect(again.chain[0].subject.raw).toEqual(first.chain[0].subject.raw)
    expect(again.chain[0].subject.toString()).toBe('CN=alice,O=other,O=system:masters,C=DE')
    // Its own extensions come along, too.
    expect(again.chain[0].extensions.all.find(({ oid }) => oid === '1.3.6.1.4.1.99999.1')?.value).toEqual(
      Uint8Array.of(5, 0),
    )
  })

  it.each(['p256', 'p384', 'p521', 'ed25519', 'rsa-2048'] as const)(
    'a new key is of the same kind: %s',
    async (kind) => {
      const before = leafOf({ key: kind, usages: ['clientAuth'] })
      expect((await renewCredentials(authority, before)).key.algorithm).toBe(before.key.algorithm)
      const same = await renewCredentials(authority, before, { key: 'same' })
      expect(same.key.spki).toEqual(before.key.spki)
      expect(same.key).toBe(before.key)
    },
  )

  it('keeps the lifetime over many renewals', async () => {
    const own = await createAuthority({ name: 'CA' })
    for (const validity of ['30d', '1h', '6m']) {
      let credentials = await own.issue({ role: 'client', name: 'x', validity })
      const first = length(credentials.chain[0])
      for (let i = 0; i < 4; i++) credentials = await renewCredentials(own, credentials)
      expect(length(credentials.chain[0])).toBe(first)
    }
    // Of less than ten minutes half is to come: who issued it may not have backdated it at all.
    const short = leafOf({ usages: ['clientAuth'], notBefore: new Date(), notAfter: new Date(Date.now() + 301_000) })
    const left = (await renewCredentials(authority, short)).chain[0].notAfter.getTime() - Date.now()
    expect(left).toBeGreaterThan(145_000)
    expect(left).toBeLessThan(155_000)
    const asked = await renewCredentials(own, await own.issue({ role: 'client', name: 'x' }), { validity: '2h' })
    expect(length(asked.chain[0])).toBe(2 * 3_600_000 + 5 * 60_000)
  })

  it('expires with the authority at the latest, unless a longer validity is set', async () => {
    const own = await createAuthority({ name: 'CA', validity: '10d' })
    const clock = (): Date => new Date(Date.now() + 5 * DAY)
    const { cert, key } = own.export()
    const later = await loadAuthority({ cert, key, clock })
    const first = await own.issue({ role: 'client', name: 'x', validity: '9d' })
    expect((await renewCredentials(later, first)).chain[0].notAfter).toEqual(own.certificate.notAfter)
    expect((await refusal(renewCredentials(later, first, { validity: '9d' }))).details.reason).toContain(
      'ask for a shorter',
    )
  })

  it('renews expired credentials, and credentials of a CA whose certificate was renewed', async () => {
    const expired = leafOf({
      usages: ['clientAuth'],
      notBefore: new Date(Date.now() - 10 * DAY),
      notAfter: new Date(Date.now() - DAY),
    })
    expect(renewalDue(expired).expired).toBe(true)
    expect(renewalDue(await renewCredentials(authority, expired)).expired).toBe(false)
    const next = mintCa({ subject: 'minted CA', key: minted.key, serial: 99n })
    const renewed = await loadAuthority({ cert: next.pem, key: next.keyPem })
    const { trustAnchors } = await renewCredentials(renewed, leafOf({ usages: ['clientAuth'] }))
    expect(trustAnchors.map(({ serialNumber }) => serialNumber)).toEqual([authority.certificate.serialNumber])
  })
})

describe('another CA', () => {
  const foreign = mintCa({ subject: 'foreign CA' })

  it('refuses credentials of another CA with the reason, unless foreign is set', async () => {
    const before = leafOf({ names: [dns('a')] }, foreign)
    expect((await refusal(renewCredentials(authority, before))).message).toBe(
      'The certificate "CN=x" was issued by "CN=foreign CA", and this authority is "CN=minted CA"; set `foreign: true` to renew it',
    )
    const after = await renewCredentials(authority, before, { foreign: true })
    expect(says(after)).toEqual(says(before))
    expect(after.trustAnchors.map(({ subject }) => subject.toString())).toEqual(['CN=foreign CA', 'CN=minted CA'])
    expect(validateCredentials(after, { usage: 'peer' }).ok).toBe(true)
  })

  it('recognizes another CA of the same name by its key', async () => {
    const namesake = mintCa({ subject: 'minted CA' })
    expect((await refusal(renewCredentials(authority, leafOf({}, namesake)))).message).toContain('another key')
  })
})

describe('credentials that cannot be renewed', () => {
  it.each<[string, Partial<MintLeafOptions>]>([
    ['email "a@b.c"', { usages: ['clientAuth'], names: [email('a@b.c'), dns('a')] }],
    ['neither for servers nor for clients', { usages: ['codeSigning'] }],
    ['no subject alternative name', {}],
    ['1001 names', { usages: ['clientAuth'], names: Array.from({ length: 1001 }, (_, i) => dns(`h${String(i)}`)) }],
    ['17 purposes', { usages: Array.from({ length: 17 }, (_, i) => `1.2.3.${String(i)}`) }],
  ])('refuses to renew a certificate, with the reason: %s', async (words, options) => {
    expect((await refusal(renewCredentials(authority, leafOf(options)))).message).toContain(words)
  })

  it('refuses to renew credentials that etcd refuses, unless skipEtcdChecks is set', async () => {
    const before = leafOf({ usages: ['serverAuth'], names: [dns('a')] })
    const error = await refusal(renewCredentials(authority, before))
    expect(error.details.findings.map(({ code }) => code)).toContain('usage/gateway-client-auth-missing')
    expect(says(await renewCredentials(authority, before, { skipEtcdChecks: true }))).toEqual(says(before))
  })

  it('refuses to renew a CA, and credentials whose key does not match', async () => {
    const ca = mintCa({ subject: 'below', issuer: minted })
    const error = await refusal(renewCredentials(authority, mintedCredentials({ leaf: ca, trust: [minted] })))
    expect(error.message).toContain('is a CA certificate')
    const wrong = { ...leafOf({ usages: ['clientAuth'] }), key: leafOf({}).key }
    expect((await refusal(renewCredentials(authority, wrong))).message).toContain('does not match "CN=x"')
  })
})

describe('renewalDue', () => {
  const START = Date.UTC(2026, 0, 1)
  const at = (days: number): Date => new Date(START + days * DAY)
  const of = (days: number, options: Partial<MintLeafOptions> = {}): Minted =>
    mintLeaf({
      subject: 'x',
      issuer: minted,
      notBefore: at(0),
      notAfter: new Date(at(days).getTime() - 1000),
      ...options,
    })

  it('renewal is due at two thirds or another fraction of the validity, and credentials expire after the last second', () => {
    const credentials = mintedCredentials({ leaf: of(90), trust: [minted] })
    expect(renewalDue(credentials, { at: new Date(at(60).getTime() - 1) })).toMatchObject({
      due: false,
      expired: false,
      at: at(60),
    })
    expect(renewalDue(credentials, { at: at(60) })).toMatchObject({ due: true, expired: false })
    expect(renewalDue(credentials, { at: at(45), fraction: 0.5 })).toMatchObject({ due: true, at: at(45) })
    expect(renewalDue(credentials, { at: new Date(at(90).getTime() - 1) }).expired).toBe(false)
    expect(renewalDue(credentials, { at: at(90) }).expired).toBe(true)
    expect(renewalDue(credentials, { at: new Date(0) })).toMatchObject({ due: false, expired: false })
  })

  it('uses the certificate that expires first, without anchors and a root in the chain', () => {
    const between = mintCa({
      subject: 'between',
      issuer: minted,
      notBefore: at(0),
      notAfter: new Date(at(30).getTime() - 1000),
    })
    const leaf = of(90, { issuer: between })
    const due = renewalDue(mintedCredentials({ leaf, intermediates: [between], trust: [minted] }), { at: at(0) })
    expect(due.at).toEqual(at(20))
    expect(due.certificate).toMatchObject({ role: 'intermediate', index: 1, subject: 'CN=between' })
    const ended = mintCa({ subject: 'minted CA', key: minted.key, notAfter: at(1) })
    const sent = renewalDue(mintedCredentials({ leaf: of(90), intermediates: [ended], trust: [ended] }), { at: at(0) })
    expect(sent.certificate).toMatchObject({ role: 'leaf', index: 0 })
    expect(sent.notAfter).toEqual(new Date(at(90).getTime() - 1000))
  })
})
