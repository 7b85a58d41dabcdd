/** Which members can connect, and until when, computed from certificates alone. */
import { describe, expect, it } from 'vitest'
import { forecast, type ForecastMember } from '../../../src/doctor/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { Crl } from '../../../src/x509/crl/crl.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions } from '../../support/mint.js'
import type { Minted } from '../../support/mint.js'

const CA = mintCa({ subject: 'Cluster CA' })
const NAMES = [ip('127.0.0.1'), dns('localhost')]
const DAY = 86_400_000
const NOW = new Date()

function inDays(days: number): Date {
  return new Date(Math.floor(NOW.getTime() / 1000) * 1000 + days * DAY)
}

function parse(...minted: readonly Minted[]): Certificate[] {
  return minted.map(({ der }) => Certificate.parse(der))
}

function chain(options: Partial<MintLeafOptions> = {}): Certificate[] {
  return parse(mintLeaf({ subject: 'etcd', names: NAMES, issuer: CA, ...options }))
}

function member(name: string, options: Partial<ForecastMember> = {}): ForecastMember {
  return {
    name,
    isLearner: false,
    peerUrls: ['https://127.0.0.1:2380'],
    chain: chain(),
    clientChain: null,
    anchors: parse(CA),
    requiresCertificates: true,
    allowedNames: [],
    allowedHosts: [],
    crls: [],
    checksAddress: true,
    ...options,
  }
}

function predict(...members: ForecastMember[]) {
  return forecast(members, { at: NOW })
}

/** `a>b by b`: who refuses which dial. */
function refusalsOf(...members: ForecastMember[]): string[] {
  return predict(...members).pairs.flatMap(({ refusals }) =>
    refusals.map(({ from, to, by }) => `${from}>${to} by ${by}`),
  )
}

describe('the end of the quorum', () => {
  it('ends with the second certificate of three, because the first leaves a majority', () => {
    const members = [1, 5, 20].map((days, i) => member(`m${String(i)}`, { chain: chain({ notAfter: inDays(days) }) }))
    const result = predict(...members)
    expect(result).toMatchObject({ until: inDays(5), hasQuorum: true, assumed: [] })
    expect(result.certificate?.notAfter).toEqual(inDays(5))
    expect(result.pairs.map(({ until }) => until)).toEqual([inDays(1), inDays(1), inDays(5)])
  })

  it('ignores learners for the date', () => {
    const learner = member('learner', { isLearner: true, chain: chain({ notAfter: inDays(1) }) })
    const voters = [3, 4].map((days, i) => member(`m${String(i)}`, { chain: chain({ notAfter: inDays(days) }) }))
    expect(predict(learner, ...voters).until).toEqual(inDays(3))
  })

  it('ends with the CA, if the certificates last longer', () => {
    const ca = mintCa({ subject: 'Short CA', notAfter: inDays(2) })
    const parts = { anchors: parse(ca), chain: chain({ issuer: ca }) }
    expect(predict(member('a', parts), member('b', parts)).until).toEqual(inDays(2))
  })

  it('ends later if another CA with the same key follows', () => {
    const old = mintCa({ subject: 'CA', notAfter: inDays(2) })
    const next = mintCa({ subject: 'CA', key: old.key, notAfter: inDays(9) })
    const parts = { anchors: parse(old, next), chain: chain({ issuer: old, notAfter: inDays(30) }) }
    expect(predict(member('a', parts), member('b', parts)).until).toEqual(inDays(9))
  })

  it('returns no date for one voter, and without a quorum', () => {
    expect(predict(member('a'))).toMatchObject({ until: null, hasQuorum: true, pairs: [] })
    const other = member('b', { chain: chain({ issuer: mintCa({ subject: 'Other CA' }) }), anchors: [] })
    expect(predict(member('a'), other)).toMatchObject({ until: null, hasQuorum: false, certificate: null })
    expect(predict()).toMatchObject({ until: null, pairs: [] })
  })

  it('ends with the other direction, if one member cannot dial', () => {
    const serverOnly = member('a', { chain: chain({ usages: ['serverAuth'], notAfter: inDays(3) }) })
    expect(predict(serverOnly, member('b')).until).toEqual(inDays(3))
    expect(refusalsOf(serverOnly, member('b'))).toEqual(['a>b by b'])
  })
})

describe('a dial is refused', () => {
  it.each<[what: string, options: Partial<ForecastMember>, refusals: string[]]>([
    [
      'an expired certificate',
      { chain: chain({ notAfter: inDays(-1), notBefore: inDays(-2) }) },
      ['a>b by b', 'b>a by b'],
    ],
    ['a server certificate without the host', { chain: chain({ names: [dns('other')] }) }, ['b>a by b']],
    ['a certificate without serverAuth', { chain: chain({ usages: ['clientAuth'] }) }, ['b>a by b']],
    ['a certificate of another address', { clientChain: chain({ names: [ip('10.9.9.9')] }) }, ['a>b by b']],
    ['nothing but a missing URL', { peerUrls: [] }, []],
  ])('refuses a dial because of %s', (_, options, refusals) => {
    expect(refusalsOf(member('a', options), member('b'))).toEqual(refusals)
  })

  it('refuses a dial by the names that a member allows, and by the serial numbers of its CRL, whatever its dates', () => {
    expect(refusalsOf(member('a'), member('b', { allowedNames: ['someone'] }))).toEqual(['a>b by b'])
    expect(refusalsOf(member('a'), member('b', { allowedNames: ['etcd'] }))).toEqual([])
    expect(refusalsOf(member('a'), member('b', { allowedHosts: ['else.example'] }))).toEqual(['a>b by b'])
    expect(refusalsOf(member('a'), member('b', { allowedHosts: ['localhost'] }))).toEqual([])
    const own = chain()
    const list = mintCrl({
      issuer: mintCa({ subject: 'Any CA' }),
      revoked: [{ serial: BigInt(`0x${own[0]?.serialNumber ?? ''}`) }],
      nextUpdate: inDays(-300),
      thisUpdate: inDays(-400),
    })
    const crls = [Crl.parse(list.der)]
    expect(refusalsOf(member('a', { chain: own }), member('b', { crls }))).toEqual(['a>b by b'])
  })

  it('refuses no dial to a member that requires no certificates, and none for an address that it does not check', () => {
    const other = { clientChain: chain({ names: [ip('10.9.9.9')], usages: ['serverAuth'] }) }
    expect(refusalsOf(member('a', other), member('b', { requiresCertificates: false }))).toEqual([])
    const elsewhere = { clientChain: chain({ names: [ip('10.9.9.9')] }) }
    expect(refusalsOf(member('a', elsewhere), member('b', { checksAddress: false }))).toEqual([])
  })
})

it('assumes that members trust each other if their CAs are not known, and says for which', () => {
  const foreign = { chain: chain({ issuer: mintCa({ subject: 'Other CA' }), notAfter: inDays(4) }), anchors: null }
  expect(predict(member('a', foreign), member('b', foreign))).toMatchObject({
    until: inDays(4),
    hasQuorum: true,
    assumed: ['a', 'b'],
  })
})

it('makes no statement about members whose certificates are not known', () => {
  const unseen = { chain: null, anchors: null }
  const { pairs, until, hasQuorum } = predict(member('a', unseen), member('b', unseen))
  expect([pairs[0]?.isKnown, until, hasQuorum]).toEqual([false, null, true])
})

it('validates the same chain once for all members that trust the same CAs', () => {
  const parts = { chain: chain(), anchors: parse(CA) }
  const members = Array.from({ length: 100 }, (_, i) => member(`m${String(i)}`, parts))
  const before = process.cpuUsage()
  expect(predict(...members).pairs).toHaveLength(4950)
  // Each validation of its own would take a millisecond at least.
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(4950)
})

it('refuses a wrong call', () => {
  expect(() => forecast([], { at: new Date(NaN) })).toThrow('Option "at" must be a valid Date')
  expect(() =>
    forecast(
      Array.from({ length: 101 }, () => member('m')),
      { at: NOW },
    ),
  ).toThrow('at most 100')
})
