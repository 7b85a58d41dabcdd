/** Each rule of Go alone, asked of Go and of Node: Go refuses the chain, Node accepts the same chain of a server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mintChain } from '../support/judge-chain.js'
import { mintRefused, type MintedInput, REFUSED_BY_GO, UNREADABLE_ANCHORS } from '../support/refused-by-go.js'
import { dns, EXTENSION, type KeyUsageName, newKey } from '../support/mint.js'
import { CLAIMS, isSaid } from '../support/refusal-words.js'
import { GoWitness } from '../support/witness-go.js'
import { OpensslWitness } from '../support/witness-openssl.js'
import { askNode } from '../support/witness-node.js'
import type { Question } from '../support/witnesses.js'

const HOST = 'etcd-0.etcd.svc'
let go: GoWitness

beforeAll(async () => {
  go = await GoWitness.start()
})

afterAll(async () => {
  await go.close()
})

function question(input: MintedInput, usage: Question['usage']): Question {
  return { ...input, usage, host: HOST, crls: [] }
}

describe.each(REFUSED_BY_GO)('$name', ({ code, ...how }) => {
  it('is refused by Go, in the words of the finding, and accepted by Node', async () => {
    const input = mintRefused(how)
    const words = CLAIMS.filter((each) => each.code === code).map((each) => each.words)
    for (const usage of ['client', 'server'] as const) {
      const said = await go.ask(question(input, usage))
      expect(
        words.filter((each) => isSaid(each, said?.words ?? '')),
        said?.words,
      ).not.toEqual([])
    }
    expect(await askNode(question(input, 'server'))).toEqual({ accepts: true, words: '' })
  })
})

describe.each(UNREADABLE_ANCHORS)('a trust anchor that is not used, with %s', (_, trusted) => {
  it('is refused by a Go that reads the bundle, and ignored by Node', async () => {
    const input = mintRefused({ trusted })
    expect(await go.ask(question(input, 'client'))).toMatchObject({ accepts: false })
    expect(await askNode(question(input, 'server'))).toEqual({ accepts: true, words: '' })
  })
})

describe('the last second of a certificate', () => {
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000)
  const { leaf, intermediate, root } = mintChain({ leaf: { names: [dns(HOST)], notAfter } })
  const input = { leaf, sent: [intermediate], trust: [root] }
  const later = new Date(notAfter.getTime() + 1)

  it('is over for Go as soon as its first moment is', async () => {
    for (const usage of ['client', 'server'] as const) {
      expect(await go.ask(question(input, usage), notAfter)).toEqual({ accepts: true, words: '' })
      expect((await go.ask(question(input, usage), later))?.words).toContain('certificate has expired')
    }
  })

  it('is over for OpenSSL when it begins', async () => {
    const openssl = new OpensslWitness()
    const at = (date: Date): ReturnType<OpensslWitness['ask']> => openssl.ask(question(input, 'server'), date)
    expect((await at(new Date(notAfter.getTime() - 1000))).OpenSSL.accepts).toBe(true)
    expect((await at(notAfter)).OpenSSL.words).toContain('certificate has expired')
    openssl.close()
  })
})

it('accepts critical extensions on policies that require none, in Go since 1.24 and in Node', async () => {
  const extensions = [
    { oid: EXTENSION.policyConstraints, critical: true, value: Buffer.from('3003810100', 'hex') },
    { oid: EXTENSION.inhibitAnyPolicy, critical: true, value: Buffer.from('020100', 'hex') },
    { oid: EXTENSION.policyMappings, critical: true, value: Buffer.from('300a300806022a0306022a04', 'hex') },
  ]
  const { leaf, intermediate, root } = mintChain({ leaf: { names: [dns(HOST)] }, intermediate: { extensions } })
  const input = { leaf, sent: [intermediate], trust: [root] }
  const accepted = { accepts: true, words: '' }
  expect(await go.ask(question(input, 'client'))).toEqual(accepted)
  expect(await go.ask(question(input, 'server'))).toEqual(accepted)
  expect(await askNode(question(input, 'server'))).toEqual(accepted)
})

const OTHER_USAGES: readonly KeyUsageName[] = ['keyAgreement', 'keyEncipherment']

it.each(OTHER_USAGES)('accepts %s instead of digitalSignature in TLS 1.3, in Go and in Node', async (usage) => {
  for (const kind of ['p256', 'rsa-2048', 'ed25519'] as const) {
    const { leaf, intermediate, root } = mintChain({
      leaf: { key: newKey(kind), names: [dns(HOST)], keyUsages: [usage] },
    })
    const input = { leaf, sent: [intermediate], trust: [root] }
    const accepted = { accepts: true, words: '' }
    expect([kind, await go.ask(question(input, 'client'))]).toEqual([kind, accepted])
    expect([kind, await go.ask(question(input, 'server'))]).toEqual([kind, accepted])
    expect([kind, await askNode(question(input, 'server'))]).toEqual([kind, accepted])
  }
})
