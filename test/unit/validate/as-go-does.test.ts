/**
 * What Go's verifier alone refuses is an error for clients and peers, which etcd validates, a warning for servers, which
 * Node validates, and information for any other use. test/integration/differential.test.ts compares with Go itself.
 */
import { describe, expect, it } from 'vitest'
import type { FindingCode } from '../../../src/report/finding.js'
import { validateChain, type Usage } from '../../../src/validate/index.js'
import { inputOf, mintChain } from '../../support/judge-chain.js'
import { directoryName, nameConstraints, newKey } from '../../support/mint.js'

type Parts = Parameters<typeof mintChain>[0]

const rsa = newKey('rsa-2048')
const SEVERITIES = { client: 'error', peer: 'error', server: 'warning', any: 'info' } as const
const USAGES = ['client', 'peer', 'server', 'any'] as const satisfies Usage[]

const REFUSED_BY_GO_ALONE: readonly (readonly [string, FindingCode, number, Parts])[] = [
  [
    'a path length exceeded by a self-issued CA',
    'constraints/path-too-long-for-go',
    2,
    { root: { pathLength: 0 }, intermediate: { subject: 'Test Root' } },
  ],
  [
    'an RSA-PSS salt that is not as long as the digest',
    'signature/salt-length-unusual',
    0,
    { intermediate: { key: rsa }, leaf: { signature: 'rsa-pss-sha256-salt-20' } },
  ],
  [
    'an issuer name in other bytes than the subject of the issuer',
    'chain/issuer-name-respelled',
    0,
    { leaf: { issuerName: 'TEST Intermediate' } },
  ],
  [
    'a critical constraint on directory names',
    'name-constraints/kind-unknown-to-go',
    2,
    { root: { extensions: [nameConstraints({ excluded: [directoryName('Other')] })] } },
  ],
  [
    'a critical constraint on directory names in a leaf',
    'name-constraints/kind-unknown-to-go',
    0,
    { leaf: { extensions: [nameConstraints({ excluded: [directoryName('Other')] })] } },
  ],
]

describe.each(REFUSED_BY_GO_ALONE)('%s', (_, code, index, parts) => {
  it.each(USAGES)('has the severity of a refusal by Go for usage %s', (usage) => {
    const report = validateChain(inputOf(mintChain(parts)), { usage })
    const found = report.findings.filter((each) => each.code === code)
    expect(found).toMatchObject([{ severity: SEVERITIES[usage], certificate: { index }, details: { usage } }])
    expect(found[0]?.refusals.map(({ by }) => by)).toEqual(['Go'])
    expect(report.ok).toBe(SEVERITIES[usage] !== 'error')
  })
})

it('accepts path lengths that hold with self-issued CAs included', () => {
  const parts: Parts = { root: { pathLength: 1 }, intermediate: { subject: 'Test Root' } }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'peer' }).ok).toBe(true)
})

it.each(['sha256', 'sha384', 'sha512'] as const)('accepts an RSA-PSS salt as long as the %s digest', (digest) => {
  const parts: Parts = { intermediate: { key: rsa }, leaf: { signature: `rsa-pss-${digest}` } }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'client' }).ok).toBe(true)
})
