/** Validating again what was validated before: a signature is verified once for each pair of certificates. */
import type { KeyObject } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { type ChainInput, validateChain } from '../../../src/validate/index.js'
import { HOST, mintChain } from '../../support/minted-chain.js'
import { mintCa, mintLeaf, type Minted } from '../../support/mint.js'

/** Signature and key of each verification. */
const verified: string[] = []
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
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

const read = ({ der }: Minted): Certificate => Certificate.parse(der)
const isOk = (input: ChainInput, at = new Date()): boolean =>
  validateChain(input, { usage: 'server', hosts: [HOST], at }).ok
const { root, intermediate, leaf } = mintChain()
const namesake = mintCa({ subject: 'Test Intermediate', issuer: root, without: ['2.5.29.14'] })

it.each([
  ['the right issuer', [intermediate]],
  ['another key', [intermediate, namesake, namesake]],
])('verifies certificates once that are kept, whatever they are validated for: %s', (_, cas) => {
  const input = { leaf: read(leaf), intermediates: cas.map(read), trustAnchors: [read(root)] }
  expect(isOk(input)).toBe(true)
  const first = verified.length
  expect(first).toBe(cas.length === 1 ? 2 : verified.length)
  expect([isOk(input), isOk(input, new Date(Date.now() + 1000))]).toEqual([true, true])
  validateChain(input, { usage: 'client', hosts: ['elsewhere'] })
  expect(verified).toHaveLength(first)
})

it('verifies certificates again that are given as DER', () => {
  const input = { leaf: leaf.der, intermediates: intermediate.der, trustAnchors: root.der }
  expect([isOk(input), isOk(input)]).toEqual([true, true])
  expect(verified).toHaveLength(4)
})

it('verifies no signature twice by one key, in the search and the explanation of its failure', () => {
  // CAs that certified each other, and no way to the anchor: every order of them is a path to try.
  const cas = ['A', 'B', 'C', 'D'].map((subject) => ({ subject, ca: mintCa({ subject }) }))
  const crossed = cas.flatMap(({ subject, ca: { key } }) =>
    cas.filter((issuer) => issuer.ca.key !== key).map(({ ca }) => mintCa({ subject, key, issuer: ca })),
  )
  const below = mintLeaf({ subject: 'etcd-0', issuer: cas[0]?.ca })
  const trustAnchors = [read(mintCa({ subject: 'Stranger' }))]
  expect(isOk({ leaf: read(below), intermediates: crossed.map(read), trustAnchors })).toBe(false)
  expect(verified.length).toBeGreaterThan(crossed.length / 2)
  expect(new Set(verified).size).toBe(verified.length)
})
