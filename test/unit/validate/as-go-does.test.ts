/**
 * What Go's verifier alone refuses is an error for clients and peers, which etcd validates, a warning for servers, which
 * Node validates, and information for any other use. test/differential/go-rules.test.ts asks Go and Node themselves.
 */
import { describe, expect, it } from 'vitest'
import { fromPem } from '../../../src/credentials/index.js'
import { validateChain, validateCredentials, type Usage } from '../../../src/validate/index.js'
import { inputOf, mintChain } from '../../support/judge-chain.js'
import { bitString, integer, nullValue, oid, sequence } from '../../support/der-writer.js'
import { dns, email, nameConstraints, newKey, subjectAltName, uri } from '../../support/mint.js'
import { type MintedInput, mintRefused, REFUSED_BY_GO, UNREADABLE_ANCHORS } from '../../support/refused-by-go.js'

type Parts = Parameters<typeof mintChain>[0]

const rsa = newKey('rsa-2048')
const SEVERITIES = { client: 'error', peer: 'error', server: 'warning', any: 'info' } as const
const USAGES = ['client', 'peer', 'server', 'any'] as const satisfies Usage[]

const report = ({ leaf, sent, trust }: MintedInput, usage: Usage): ReturnType<typeof validateChain> =>
  validateChain(
    { leaf: leaf.der, intermediates: sent.map(({ der }) => der), trustAnchors: trust.map(({ der }) => der) },
    { usage },
  )

describe.each(REFUSED_BY_GO)('$name', ({ code, index, ...how }) => {
  it.each(USAGES)('has the severity of a refusal by Go for usage %s', (usage) => {
    const { findings, ok } = report(mintRefused(how), usage)
    const found = findings.filter((each) => each.code === code)
    expect(found).toMatchObject([{ severity: SEVERITIES[usage], certificate: { index }, details: { usage } }])
    expect(found[0]?.refusals.map(({ by }) => by)).toEqual(['Go'])
    expect(ok).toBe(SEVERITIES[usage] !== 'error')
  })
})

describe.each(UNREADABLE_ANCHORS)('a trust anchor that is not used, with %s', (_, trusted) => {
  it.each(USAGES)('is an error only if etcd reads it, and information for usage %s otherwise', (usage) => {
    const severity = usage === 'client' || usage === 'peer' ? 'error' : 'info'
    const { findings, ok } = report(mintRefused({ trusted }), usage)
    const found = findings.filter((each) => each.code === 'chain/unused-unread-by-go')
    expect(found).toMatchObject([{ severity, certificate: { role: 'anchor', index: 1 } }])
    expect(ok).toBe(severity !== 'error')
  })

  it('is no reason to refuse the credentials of a client, whose CA file Node reads', async () => {
    const { leaf, sent, trust } = mintRefused({ trusted })
    const pem = (list: MintedInput['sent']): string => list.map((each) => each.pem).join('')
    const source = fromPem({ ca: pem(trust), cert: pem([leaf, ...sent]), key: leaf.keyPem })
    const credentials = await source.load()
    expect(validateCredentials(credentials, { usage: 'client' }).findings).toEqual([])
    expect(validateCredentials(credentials, { usage: 'peer' }).ok).toBe(false)
  })
})

describe('the last second of a certificate', () => {
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000)
  const minted = mintChain({ leaf: { notAfter } })
  const findingAt = (usage: Usage, after: number, clockSkew = '0s'): string[] =>
    validateChain(inputOf(minted), { usage, at: new Date(notAfter.getTime() + after), clockSkew })
      .findings.filter(({ code, details }) => code === 'validity/expires-soon' && details.kind === 'last second')
      .map(({ severity }) => severity)

  it.each(USAGES)('has the severity of a refusal by Go for usage %s', (usage) => {
    expect(findingAt(usage, 1)).toEqual([SEVERITIES[usage]])
    expect(findingAt(usage, 999)).toEqual([SEVERITIES[usage]])
  })

  it('begins with its first moment for OpenSSL, and behind it for Go', () => {
    expect(findingAt('client', 0)).toEqual([])
    expect(findingAt('server', 0)).toEqual(['warning'])
    expect(findingAt('server', -1)).toEqual([])
  })

  it('moves by the clock skew', () => {
    expect(findingAt('client', 5000, '5s')).toEqual([])
    expect(findingAt('client', 5001, '5s')).toEqual(['error'])
    expect(findingAt('client', 1, '5s')).toEqual([])
  })
})

it('accepts an anchor that is not used and whose constraints Go reads, empty ones included', () => {
  const constraints = nameConstraints({ excluded: [uri(''), email(''), email('et\\@cd@example.com'), dns('a_b.svc')] })
  expect(report(mintRefused({ trusted: { extensions: [constraints] } }), 'client')).toMatchObject({
    ok: true,
    findings: [],
  })
})

it('reports a certificate that is sent and not used, with an RSA key of more than 8192 bits or critical authorityInfoAccess', () => {
  const accessValue = sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), uri('http://ocsp.example/')))
  const access = { oid: '1.3.6.1.5.5.7.1.1', critical: true, value: accessValue }
  const bits = Buffer.concat([Buffer.from([0, 0x80]), Buffer.alloc(2046, 1), Buffer.from([1])])
  const large = sequence(
    sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
    bitString(sequence(integer(bits), integer(65537))),
  )
  for (const sent of [{ extensions: [access] }, { spki: large }]) {
    const { findings } = report(mintRefused({ sent }), 'client')
    expect(findings.map(({ code }) => code)).toEqual(['chain/unused-unread-by-go'])
  }
})

it('reports an unreadable anchor that the path uses once, by its own finding', () => {
  const { findings } = validateChain(inputOf(mintChain({ root: { key: 'brainpool' } })), { usage: 'client' })
  expect(findings.filter(({ code }) => code === 'chain/unused-unread-by-go')).toEqual([])
  expect(findings.some(({ code }) => code === 'key/unsupported')).toBe(true)
})

it('accepts a critical subject alternative name of which Go reads one name', () => {
  const parts: Parts = { intermediate: { extensions: [subjectAltName([dns('ca.etcd'), uri('urn:x')], true)] } }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'peer' }).ok).toBe(true)
})

it('accepts a URI of the host next to one that a constraint without a dot excludes', () => {
  const parts: Parts = {
    root: { extensions: [nameConstraints({ excluded: [uri('example.com')] })] },
    leaf: { names: [dns('etcd-0.etcd.svc'), uri('https://bexample.com/')] },
  }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'peer' }).ok).toBe(true)
})

it('accepts path lengths that hold with self-issued CAs included', () => {
  const parts: Parts = { root: { pathLength: 1 }, intermediate: { subject: 'Test Root' } }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'peer' }).ok).toBe(true)
})

it.each(['sha256', 'sha384', 'sha512'] as const)('accepts an RSA-PSS salt as long as the %s digest', (digest) => {
  const parts: Parts = { intermediate: { key: rsa }, leaf: { signature: `rsa-pss-${digest}` } }
  expect(validateChain(inputOf(mintChain(parts)), { usage: 'client' }).ok).toBe(true)
})
