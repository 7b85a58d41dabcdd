/**
 * The public conformance vectors: x509-limbo and a sample of bettertls. Outside the cases that are advice for a
 * private PKI, every verdict agrees, save one that is listed with its reason.
 */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { callOf, readAdvisory, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'

function disagreements(cases: readonly VectorCase[]): string[] {
  return cases.flatMap((vector) => {
    const { input, options } = callOf(vector)
    const report = validateChain(input, options)
    const isValid = report.ok || isRefusedByOpensslAlone(vector)
    const agrees = isValid === (vector.expected_result === 'SUCCESS')
    const codes = report.findings.map(({ code }) => code).join(' ')
    return agrees ? [] : [`${vector.id}: ${vector.expected_result} expected; ${codes}`]
  })
}

/** Cases of limbo for which our result differs, with the reason. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'rfc5280::nc::invalid-dnsname-leading-period':
    'Go, etcd, etcdctl and OpenSSL accept a DNS constraint with a leading dot and agree on its meaning: a warning.',
}

/**
 * What is valid, and refused by OpenSSL, which builds one path and ends it at self-signed CAs alone: an error for servers,
 * because Node validates them. That a valid path was found is compared all the same.
 */
const REFUSED_BY_OPENSSL = new Set(['chain/openssl-picks-other-path', 'chain/anchor-not-self-signed'])
/** How many of the vectors are such. */
const FOR_OPENSSL_ALONE = { limbo: 4, bettertls: 8 }

function isRefusedByOpensslAlone(vector: VectorCase): boolean {
  const { input, options } = callOf(vector)
  const errors = validateChain(input, options).findings.filter(({ severity }) => severity === 'error')
  return errors.length > 0 && errors.every(({ code }) => REFUSED_BY_OPENSSL.has(code))
}

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
    expect(disagreements(cases.filter((each) => !deviating(each)))).toEqual([])
    expect(cases.filter(isRefusedByOpensslAlone)).toHaveLength(FOR_OPENSSL_ALONE.limbo)
    // Each deviation is still one, and has a finding that explains it.
    expect(disagreements(cases.filter(deviating))).toEqual([
      expect.stringMatching(
        /^rfc5280::nc::invalid-dnsname-leading-period: FAILURE expected; .*name-constraints\/leading-dot/,
      ),
    ])
  })

  it('agrees with every case of bettertls', () => {
    const cases = readBettertls()
    expect(cases.length).toBeGreaterThanOrEqual(705)
    expect(disagreements(cases)).toEqual([])
    expect(cases.filter(isRefusedByOpensslAlone)).toHaveLength(FOR_OPENSSL_ALONE.bettertls)
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
