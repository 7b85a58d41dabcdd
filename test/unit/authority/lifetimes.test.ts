/** Validity: backdated a little, inside the issuer's, and written as RFC 5280 section 4.1.2.5 requires on both sides of 2050. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Authority } from '../../../src/authority/index.js'
import { createAuthority } from '../../../src/authority/index.js'
import type { Certificate } from '../../../src/x509/certificate.js'
import { openssl } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function lifetime(certificate: Certificate): [string, string] {
  return [certificate.notBefore.toISOString(), certificate.notAfter.toISOString()]
}

async function at(time: string, validity?: string): Promise<Authority> {
  vi.setSystemTime(new Date(time))
  return createAuthority({ name: 'CA', validity })
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await refused(work, 'ERR_ISSUE_REFUSED')
  expect(error.message).toBe(error.details.reason)
  return error.details.reason
}

describe('an authority', () => {
  it('an authority is valid for ten years, from five minutes ago', async () => {
    const authority = await at('2026-01-31T12:00:00.789Z')
    expect(lifetime(authority.certificate)).toEqual(['2026-01-31T11:55:00.000Z', '2036-01-29T12:00:00.000Z'])
  })

  it.each([
    ['1970-01-01T00:00:00Z', '1s', '1969-12-31T23:55:00.000Z', '1970-01-01T00:00:01.000Z'],
    ['2049-12-31T23:59:00Z', '59s', '2049-12-31T23:54:00.000Z', '2049-12-31T23:59:59.000Z'],
    ['2049-12-31T23:59:00Z', '60s', '2049-12-31T23:54:00.000Z', '2050-01-01T00:00:00.000Z'],
    ['2060-06-01T00:00:00Z', '1d', '2060-05-31T23:55:00.000Z', '2060-06-02T00:00:00.000Z'],
    ['2026-01-01T00:00:00Z', '2912076d', '2025-12-31T23:55:00.000Z', '9998-12-30T00:00:00.000Z'],
  ])('an authority made at %s for %s writes its dates as RFC 5280 requires', async (now, validity, from, to) => {
    const authority = await at(now, validity)
    const { chain } = await authority.issue({ role: 'client', name: 'x', validity })
    for (const certificate of [authority.certificate, chain[0]]) {
      const times = openssl(['asn1parse'], certificate.toPem()).match(/(?:UTCTIME|GENERALIZEDTIME) +:\d+Z/g)
      expect(times).toEqual([from, to].map(asn1))
    }
  })

  function asn1(iso: string): string {
    const digits = iso.replace(/\.000Z$/, '').replace(/[-:T]/g, '')
    return iso < '2050' ? `UTCTIME           :${digits.slice(2)}Z` : `GENERALIZEDTIME   :${digits}Z`
  }
})

describe('a certificate', () => {
  it('a certificate is valid for a year by default', async () => {
    const authority = await at('2026-03-01T00:00:00Z')
    vi.setSystemTime(new Date('2026-04-01T00:00:00Z'))
    for (const role of ['server', 'peer', 'client'] as const) {
      const { chain } = await authority.issue({ role, name: 'x', hosts: ['x'] })
      expect(lifetime(chain[0])).toEqual(['2026-03-31T23:55:00.000Z', '2027-04-01T00:00:00.000Z'])
    }
  })

  it('does not start before its issuer', async () => {
    const authority = await at('2026-03-01T00:00:00Z')
    vi.setSystemTime(new Date('2026-02-28T23:57:00Z'))
    const { chain } = await authority.issue({ role: 'client', name: 'x', validity: '1h' })
    expect(lifetime(chain[0])).toEqual(['2026-02-28T23:55:00.000Z', '2026-03-01T00:57:00.000Z'])
  })

  it('a certificate of the same validity as its CA ends with the CA', async () => {
    const authority = await at('2026-03-01T00:00:00Z', '30d')
    vi.setSystemTime(new Date('2026-03-01T00:05:00Z'))
    const { chain } = await authority.issue({ role: 'client', name: 'x', validity: '30d' })
    expect(chain[0].notAfter).toEqual(authority.certificate.notAfter)
    expect((await authority.issue({ role: 'client', name: 'x' })).chain[0].notAfter).toEqual(chain[0].notAfter)
    vi.setSystemTime(new Date('2026-03-01T00:05:01Z'))
    const reason = await refusal(authority.issue({ role: 'client', name: 'x', validity: '30d' }))
    expect(reason).toContain('2026-03-31T00:05:01.000Z')
    expect(reason).toContain('2026-03-31T00:00:00.000Z')
  })
})
