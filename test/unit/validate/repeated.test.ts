/** Validating again what was validated before: a signature is verified once for each pair of certificates. */
import type { KeyObject } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { type ChainInput, validateChain } from '../../../src/validate/index.js'
import { HOST, mintChain } from '../../support/judge-chain.js'
import { mintCa, mintLeaf } from '../../support/mint.js'

/** Signature and key of each verification. */
const verified: string[] = []
beforeAll(() => {
  const crypto = process.getBuiltinModule('node:crypto')
  const verify = crypto.verify.bind(crypto)
  vi.spyOn(crypto, 'verify').mockImplementation((digest, data, key, signature) => {
    verified.push(`${hex(signature as Uint8Array)} ${hex((key as KeyObject).export({ type: 'spki', format: 'der' }))}`)
    return verify(digest, data, key, signature)
  })
})
afterAll(() => {
  vi.restoreAllMocks()
})
afterEach(() => {
  verified.length = 0
})

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const read = ({ der }: { der: Uint8Array }): Certificate => Certificate.parse(der)
const isOk = (input: ChainInput, at = new Date()): boolean =>
  validateChain(input, { usage: 'server', hosts: [HOST], at }).ok

function readChain(): ChainInput {
  const { root, intermediate, leaf } = mintChain()
  return { leaf: read(leaf), intermediates: [read(intermediate)], trustAnchors: [read(root)] }
}

it('certificates that are kept are verified once, however often and for whatever they are judged', () => {
  const input = readChain()
  expect(isOk(input)).toBe(true)
  expect(verified).toHaveLength(2)
  for (let i = 0; i < 10; i++) expect(isOk(input, new Date(Date.now() + i * 1000))).toBe(true)
  validateChain(input, { usage: 'client', hosts: ['elsewhere'] })
  expect(verified).toHaveLength(2)
})

it('the same certificates given as DER are read, and verified, anew', () => {
  const { root, intermediate, leaf } = mintChain()
  const input = { leaf: leaf.der, intermediates: intermediate.der, trustAnchors: root.der }
  expect([isOk(input), isOk(input)]).toEqual([true, true])
  expect(verified).toHaveLength(4)
})

it('a signature that is not the issuer’s is remembered as well', () => {
  const { leaf, intermediate, root } = mintChain()
  const namesake = mintCa({ subject: 'Test Intermediate', issuer: root, without: ['2.5.29.14'] })
  const input = {
    leaf: read(leaf),
    intermediates: [intermediate, namesake, namesake].map(read),
    trustAnchors: [read(root)],
  }
  expect(isOk(input)).toBe(true)
  const first = verified.length
  expect(isOk(input)).toBe(true)
  expect(verified).toHaveLength(first)
})

it('no key verifies a signature twice in one validation, by the search or by the explanation of its failure', () => {
  // CAs that certified each other, and no way up to the anchor: every order of them is a path to try.
  const stranger = mintCa({ subject: 'Stranger' })
  const authorities = ['A', 'B', 'C', 'D'].map((subject) => ({ subject, ca: mintCa({ subject }) }))
  const crossed = authorities.flatMap(({ subject, ca: { key } }) =>
    authorities.filter((issuer) => issuer.ca.key !== key).map(({ ca }) => mintCa({ subject, key, issuer: ca })),
  )
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: authorities[0]?.ca })
  expect(isOk({ leaf: read(leaf), intermediates: crossed.map(read), trustAnchors: [read(stranger)] })).toBe(false)
  expect(verified.length).toBeGreaterThan(crossed.length / 2)
  expect(new Set(verified).size).toBe(verified.length)
})

it('a certificate forgets verdicts before there are too many of them, and stays right', () => {
  const { leaf, intermediate, root } = mintChain()
  const child = read(leaf)
  const others = Array.from({ length: 300 }, () => read(mintCa({ subject: 'Test Intermediate', issuer: root })))
  expect(others.some((issuer) => child.isSignedBy(issuer))).toBe(false)
  expect(others.filter((issuer) => child.knowsVerdictOn(issuer)).length).toBeLessThanOrEqual(256)
  expect(child.isSignedBy(read(intermediate))).toBe(true)
  expect(child.knowsVerdictOn(read(intermediate))).toBe(true)
})
