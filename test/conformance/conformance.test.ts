/**
 * The public conformance vectors: x509-limbo and a sample of bettertls. Outside the cases that are advice for a
 * private PKI, every result agrees, except those that are listed with a reason each: one deviation, and what OpenSSL refuses.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { OpensslWitness } from '../support/witness-openssl.js'
import { callOf, readAdvisory, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'

function disagreements(cases: readonly VectorCase[]): string[] {
  return cases.flatMap((vector) => {
    const { input, options } = callOf(vector)
    const report = validateChain(input, options)
    const agrees = report.ok === (vector.expected_result === 'SUCCESS')
    const codes = report.findings.map(({ code }) => code).join(' ')
    return agrees ? [] : [`${vector.id}: ${vector.expected_result} expected; ${codes}`]
  })
}

function listed({ id }: VectorCase): boolean {
  return Object.hasOwn(REFUSED_BY_OPENSSL, id)
}

/** Cases of limbo for which our result differs, with the reason. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'rfc5280::nc::invalid-dnsname-leading-period':
    'Go, etcd, etcdctl and OpenSSL accept a DNS constraint with a leading dot and agree on its meaning: a warning.',
}

/**
 * Cases that are valid and that OpenSSL refuses, with the one error that we report of them for a server and the reason: OpenSSL, and
 * so Node, builds one path and ends it at self-signed CAs alone.
 */
const REFUSED_BY_OPENSSL = JSON.parse(
  readFileSync(new URL('refused-by-openssl.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, { code: string; reason: string }>>

/** Findings that these vectors have throughout, so that they explain nothing. */
const COMMONPLACE = new Set(['validity/lifetime-long', 'usage/gateway-client-auth-missing', 'validity/expires-soon'])

describe('public path validation vectors', () => {
  const limbo = readLimbo()
  const advisory = readAdvisory()

  it('agrees with x509-limbo on every case that is neither advice nor a listed deviation', () => {
    const cases = limbo.filter(({ id }) => !Object.hasOwn(advisory, id))
    // The cases of the version that was read last; a newer one may have more.
    expect(cases.length).toBeGreaterThanOrEqual(157)
    const deviating = ({ id }: VectorCase): boolean => Object.hasOwn(DEVIATIONS, id)
    expect(disagreements(cases.filter((each) => !deviating(each) && !listed(each)))).toEqual([])
    // Each deviation is still one, and has a finding that explains it.
    expect(disagreements(cases.filter(deviating))).toEqual([
      expect.stringMatching(
        /^rfc5280::nc::invalid-dnsname-leading-period: FAILURE expected; .*name-constraints\/malformed/,
      ),
    ])
  })

  it('agrees with every case of bettertls', () => {
    const cases = readBettertls()
    expect(cases.length).toBeGreaterThanOrEqual(705)
    expect(disagreements(cases.filter((each) => !listed(each)))).toEqual([])
  })

  it('finds the valid path where OpenSSL builds another one, and reports that OpenSSL refuses it as the only error', async () => {
    const cases = [...limbo, ...readBettertls()].filter(listed)
    expect(cases.map(({ id }) => id).sort()).toEqual(Object.keys(REFUSED_BY_OPENSSL).sort())
    const openssl = new OpensslWitness()
    try {
      for (const vector of cases) {
        const { id, peer_certificate: leaf, untrusted_intermediates: sent, trusted_certs: trust } = vector
        const { input, options } = callOf(vector)
        const errors = validateChain(input, options).findings.filter(({ severity }) => severity === 'error')
        expect([id, options.usage, ...errors.map(({ code }) => code)]).toEqual([
          id,
          'server',
          REFUSED_BY_OPENSSL[id]?.code,
        ])
        // Without a program that is to accept the path, all that counts is that there is a valid one.
        const { ok, path } = validateChain(input, { ...options, usage: 'any' })
        expect([id, ok, path?.at(-1)?.role]).toEqual([id, true, 'anchor'])
        const asked = { usage: 'server', host: options.hosts?.[0] ?? '', leaf: { pem: leaf } } as const
        const files = { sent: sent.map((pem) => ({ pem })), trust: trust.map((pem) => ({ pem })), crls: [] }
        const { OpenSSL: verdict } = await openssl.ask({ ...asked, ...files }, options.at)
        expect([id, verdict.accepts, vector.expected_result]).toEqual([id, false, 'SUCCESS'])
      }
    } finally {
      openssl.close()
    }
  })

  it('has a finding that says why for every advisory case that limbo wants refused', () => {
    const cases = limbo.filter((each) => Object.hasOwn(advisory, each.id) && each.expected_result === 'FAILURE')
    const silent = cases.filter((vector) => {
      const { input, options } = callOf(vector)
      return validateChain(input, options).findings.every(({ code }) => COMMONPLACE.has(code))
    })
    expect(silent.map(({ id }) => id)).toEqual([])
  })
})
