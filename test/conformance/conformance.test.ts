/**
 * The public conformance vectors: x509-limbo and a sample of bettertls. Outside the cases that are advice for a
 * private PKI, every result agrees, except those that are listed with a reason each: one deviation, and what OpenSSL refuses.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { OpensslOracle } from '../support/oracle-openssl.js'
import { callOf, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'

const readReasons = <T>(file: string): Readonly<Record<string, T>> =>
  JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as Readonly<Record<string, T>>

/** The cases of limbo that are advice for a private PKI, with the reason each. */
const ADVISORY = readReasons<string>('advisory.json')
/**
 * Cases that are valid and that OpenSSL refuses, with the code of the errors that we report of them for a server and the reason: OpenSSL,
 * and so Node, builds one path, ends it at self-signed CAs alone, and excludes the second of notAfter.
 */
const REFUSED_BY_OPENSSL = readReasons<{ code: string; reason: string }>('refused-by-openssl.json')
/** Cases of limbo for which our result differs, with the reason. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'rfc5280::nc::invalid-dnsname-leading-period':
    'Go, etcd, etcdctl and OpenSSL accept a DNS constraint with a leading dot and agree on its meaning: a warning.',
}

const isIn =
  (table: object) =>
  ({ id }: VectorCase): boolean =>
    Object.hasOwn(table, id)

function disagreements(cases: readonly VectorCase[]): string[] {
  return cases.flatMap((vector) => {
    const { input, options } = callOf(vector)
    const report = validateChain(input, options)
    const agrees = report.ok === (vector.expected_result === 'SUCCESS')
    const codes = report.findings.map(({ code }) => code).join(' ')
    return agrees ? [] : [`${vector.id}: ${vector.expected_result} expected; ${codes}`]
  })
}

/** Findings that these vectors have throughout, so that they explain nothing. */
const COMMONPLACE = new Set(['validity/lifetime-long', 'usage/gateway-client-auth-missing', 'validity/expires-soon'])

describe('public path validation vectors', () => {
  const limbo = readLimbo()

  it('agrees with x509-limbo on every case that is neither advice nor a listed deviation', () => {
    const cases = limbo.filter((each) => !isIn(ADVISORY)(each))
    // The cases of the version that was read last; a newer one may have more.
    expect(cases.length).toBeGreaterThanOrEqual(157)
    expect(disagreements(cases.filter((each) => !isIn({ ...DEVIATIONS, ...REFUSED_BY_OPENSSL })(each)))).toEqual([])
    // Each deviation is still one, and has a finding that explains it.
    expect(disagreements(cases.filter(isIn(DEVIATIONS)))).toEqual([
      expect.stringMatching(
        /^rfc5280::nc::invalid-dnsname-leading-period: FAILURE expected; .*name-constraints\/malformed/,
      ),
    ])
  })

  it('agrees with every case of bettertls', () => {
    const cases = readBettertls()
    expect(cases.length).toBeGreaterThanOrEqual(705)
    expect(disagreements(cases.filter((each) => !isIn(REFUSED_BY_OPENSSL)(each)))).toEqual([])
  })

  it('finds the valid path where OpenSSL refuses it, and reports nothing but this refusal as an error', async () => {
    const cases = [...limbo, ...readBettertls()].filter(isIn(REFUSED_BY_OPENSSL))
    expect(cases.map(({ id }) => id).sort()).toEqual(Object.keys(REFUSED_BY_OPENSSL).sort())
    const openssl = new OpensslOracle()
    try {
      for (const vector of cases) {
        const { id, peer_certificate: leaf, untrusted_intermediates: sent, trusted_certs: trust } = vector
        const { input, options } = callOf(vector)
        const errors = validateChain(input, options).findings.filter(({ severity }) => severity === 'error')
        const wanted = [id, 'server', REFUSED_BY_OPENSSL[id]?.code]
        expect([id, options.usage, ...new Set(errors.map(({ code }) => code))]).toEqual(wanted)
        // Without a program that is to accept the path, all that counts is that there is a valid one.
        const { ok, path } = validateChain(input, { ...options, usage: 'any' })
        expect([id, ok, path?.at(-1)?.role]).toEqual([id, true, 'anchor'])
        const asked = { usage: 'server', host: options.hosts?.[0] ?? '', leaf: { pem: leaf } } as const
        const files = { sent: sent.map((pem) => ({ pem })), trust: trust.map((pem) => ({ pem })), crls: [] }
        const { OpenSSL: result } = await openssl.ask({ ...asked, ...files }, options.at)
        expect([id, result.accepts, vector.expected_result]).toEqual([id, false, 'SUCCESS'])
      }
    } finally {
      openssl.close()
    }
  })

  it('the report has a finding with the reason for every advisory case that limbo wants refused', () => {
    const cases = limbo.filter(isIn(ADVISORY)).filter((each) => each.expected_result === 'FAILURE')
    const silent = cases.filter((vector) => {
      const { input, options } = callOf(vector)
      return validateChain(input, options).findings.every(({ code }) => COMMONPLACE.has(code))
    })
    expect(silent.map(({ id }) => id)).toEqual([])
  })
})
