/** When credentials are the same, and when what is read is. */
import { expect, it } from 'vitest'
import { inputsHash, fingerprintOf } from '../../../src/credentials/fingerprint.js'
import { type Credentials, fromPem } from '../../../src/credentials/index.js'
import { textInput } from '../../../src/credentials/load-inputs.js'
import { mintCa, mintCrl } from '../../support/mint.js'
import { good, otherLeaf, root } from './fixture.js'

it('the fingerprint ignores origins, order and repetition of anchors and CRLs, and differs with everything else', async () => {
  const crl = mintCrl({ issuer: root }).pem + mintCrl({ issuer: root, revoked: [{ serial: 5 }] }).pem
  const credentials = await fromPem({ ...good, ca: root.pem + mintCa({ subject: 'other-ca' }).pem, crl }).load()
  const others = await fromPem({ ca: root.pem, cert: otherLeaf.pem, key: otherLeaf.keyPem }).load()
  const { chain, trustAnchors, crls } = credentials
  const [leaf, ...intermediates] = chain
  const same: Partial<Credentials>[] = [
    { origin: 'elsewhere' },
    { trustAnchors: trustAnchors.toReversed() },
    { trustAnchors: [...trustAnchors, ...trustAnchors] },
    { crls: crls.toReversed() },
  ]
  const different: Partial<Credentials>[] = [
    {},
    { chain: [leaf] },
    { chain: [leaf, ...intermediates, ...intermediates] },
    { chain: others.chain },
    { key: others.key },
    { trustAnchors: trustAnchors.slice(1) },
    { trustAnchors: [...trustAnchors, leaf] },
    { clientAnchors: trustAnchors },
    { crls: crls.slice(1) },
    { crls: [] },
    { chain: [leaf, ...intermediates, ...trustAnchors], trustAnchors: [] },
  ]
  const print = (change: Partial<Credentials>): string => fingerprintOf({ ...credentials, ...change })
  expect(same.map(print)).toEqual(same.map(() => print({})))
  expect(new Set(different.map(print)).size).toBe(different.length)
})

it('contents differ with each input, its origin, its findings, and where one ends and the next begins', () => {
  const input = (text: string): ReturnType<typeof textInput> => textInput('ca', text)
  const named = { ...input('a'), place: { origin: 'elsewhere', file: null } }
  const all = { ca: input('a'), cert: input('b'), key: input('c'), crl: null }
  const different = [
    all,
    { ...all, ca: input('b'), cert: input('a') },
    { ...all, ca: input('ab'), cert: input('') },
    { ...all, key: input('d') },
    { ...all, crl: input('') },
    { ...all, clientCa: input('') },
    { ...all, ca: { ...input('a'), bytes: null } },
    { ...all, ca: named },
  ]
  expect(new Set(different.map(inputsHash)).size).toBe(different.length)
  expect(inputsHash({ ...all, ca: input('a') })).toBe(inputsHash(all))
})
