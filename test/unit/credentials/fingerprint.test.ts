/** When credentials are the same, and when what is read is. */
import { beforeAll, describe, expect, it } from 'vitest'
import { contentsOf, fingerprintOf } from '../../../src/credentials/fingerprint.js'
import { type Credentials, fromPem } from '../../../src/credentials/index.js'
import { textInput } from '../../../src/credentials/inputs.js'
import { mintCa, mintCrl } from '../../support/mint.js'
import { good, otherLeaf, root } from './fixture.js'

const other = mintCa({ subject: 'other-ca' })
let credentials: Credentials
let others: Credentials

beforeAll(async () => {
  const crl = mintCrl({ issuer: root }).pem + mintCrl({ issuer: root, revoked: [{ serial: 5 }] }).pem
  credentials = await fromPem({ ...good, ca: root.pem + other.pem, crl }).load()
  others = await fromPem({ ca: root.pem, cert: otherLeaf.pem, key: otherLeaf.keyPem }).load()
})

describe('the fingerprint of credentials', () => {
  const fingerprint = (change: Partial<Credentials> = {}): string => fingerprintOf({ ...credentials, ...change })

  it('does not mind origins, nor the order and the number of anchors and revocation lists', () => {
    const { trustAnchors, crls } = credentials
    expect(fingerprint({ origin: 'elsewhere' })).toBe(fingerprint())
    expect(fingerprint({ trustAnchors: [...trustAnchors].reverse() })).toBe(fingerprint())
    expect(fingerprint({ trustAnchors: [...trustAnchors, ...trustAnchors] })).toBe(fingerprint())
    expect(fingerprint({ crls: [...crls].reverse() })).toBe(fingerprint())
  })

  it('differs with everything else', () => {
    const { chain, trustAnchors, crls } = credentials
    const [leaf, ...intermediates] = chain
    const different = [
      fingerprint(),
      fingerprint({ chain: [leaf] }),
      fingerprint({ chain: [leaf, ...intermediates, ...intermediates] }),
      fingerprint({ chain: others.chain }),
      fingerprint({ key: others.key }),
      fingerprint({ trustAnchors: trustAnchors.slice(1) }),
      fingerprint({ trustAnchors: [...trustAnchors, leaf] }),
      fingerprint({ crls: crls.slice(1) }),
      fingerprint({ crls: [] }),
      fingerprint({ chain: [leaf, ...intermediates, ...trustAnchors], trustAnchors: [] }),
    ]
    expect(new Set(different).size).toBe(different.length)
  })
})

it('contents differ with each input, its origin, what is wrong with it, and where one ends and the next begins', () => {
  const input = (text: string): ReturnType<typeof textInput> => textInput('ca', text)
  const named = (origin: string): ReturnType<typeof textInput> => ({ ...input('a'), place: { origin, file: null } })
  const [crl, key] = [null, input('c')]
  const different = [
    { ca: input('a'), cert: input('b'), key, crl },
    { ca: input('b'), cert: input('a'), key, crl },
    { ca: input('ab'), cert: input(''), key, crl },
    { ca: input('a'), cert: input('b'), key: input('d'), crl },
    { ca: input('a'), cert: input('b'), key, crl: input('') },
    { ca: { ...input('a'), bytes: null }, cert: input('b'), key, crl },
    { ca: { ...input(''), bytes: null }, cert: input('b'), key, crl: input('') },
    { ca: named('elsewhere'), cert: input('b'), key, crl },
  ].map((each) => contentsOf(each))
  expect(new Set(different).size).toBe(different.length)
  expect(contentsOf({ ca: input('a'), cert: input('b'), key, crl })).toBe(different[0])
})
