/** Each rule of Go alone, asked of Go and of Node: Go refuses the chain, Node accepts the same chain of a server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOST } from '../support/minted-chain.js'
import { mintRefused, type MintedInput, REFUSED_BY_GO, UNREADABLE_ANCHORS } from '../support/refused-by-go.js'
import { dns, EXTENSION, type KeyUsageName, newKey } from '../support/mint.js'
import { CLAIMS, isSaid } from '../support/refusal-words.js'
import { GoOracle } from '../support/oracle-go.js'
import { OpensslOracle } from '../support/oracle-openssl.js'
import { askNode } from '../support/oracle-node.js'
import type { Question, OracleResult } from '../support/oracles.js'

let go: GoOracle

beforeAll(async () => {
  go = await GoOracle.start()
})

afterAll(async () => {
  await go.close()
})

const ACCEPTED = { accepts: true, words: '' }
const asked = (input: MintedInput, usage: Question['usage']): Question => ({ ...input, usage, host: HOST, crls: [] })

/** What Go says as a server and as a client, and Node as a client. */
async function resultsOn(input: MintedInput): Promise<OracleResult[]> {
  const ofGo = [await go.ask(asked(input, 'client')), await go.ask(asked(input, 'server'))]
  return [...ofGo, await askNode(asked(input, 'server'))]
}

it.each(REFUSED_BY_GO)('$name is refused by Go, in the words of the finding, and accepted by Node', async (row) => {
  const words = CLAIMS.filter((each) => each.code === row.code).map((each) => each.words)
  const [asServer, asClient, node] = await resultsOn(mintRefused(row))
  for (const said of [asServer?.words, asClient?.words])
    expect(
      words.filter((each) => isSaid(each, said ?? '')),
      said,
    ).not.toEqual([])
  expect(node).toEqual(ACCEPTED)
})

it.each(UNREADABLE_ANCHORS)(
  'a trust anchor that is not used, with %s, is refused by a Go that reads the bundle, and ignored by Node',
  async (_, trusted) => {
    const [asServer, , node] = await resultsOn(mintRefused({ trusted }))
    expect(asServer).toMatchObject({ accepts: false })
    expect(node).toEqual(ACCEPTED)
  },
)

describe('the last second of a certificate', () => {
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000)
  const input = mintRefused({ parts: { leaf: { names: [dns(HOST)], notAfter } } })

  it('the last second of a certificate is over for Go after its first moment', async () => {
    const later = new Date(notAfter.getTime() + 1)
    for (const usage of ['client', 'server'] as const) {
      expect(await go.ask(asked(input, usage), notAfter)).toEqual(ACCEPTED)
      expect((await go.ask(asked(input, usage), later))?.words).toContain('certificate has expired')
    }
  })

  it('the last second of a certificate is over for OpenSSL when it begins', async () => {
    const openssl = new OpensslOracle()
    const at = (date: Date): ReturnType<OpensslOracle['ask']> => openssl.ask(asked(input, 'server'), date)
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
  const parts = { leaf: { names: [dns(HOST)] }, intermediate: { extensions } }
  expect(await resultsOn(mintRefused({ parts }))).toEqual([ACCEPTED, ACCEPTED, ACCEPTED])
})

const OTHER_USAGES: readonly KeyUsageName[] = ['keyAgreement', 'keyEncipherment']

it.each(OTHER_USAGES)('accepts %s instead of digitalSignature in TLS 1.3, in Go and in Node', async (usage) => {
  for (const kind of ['p256', 'rsa-2048', 'ed25519'] as const) {
    const leaf = { key: newKey(kind), names: [dns(HOST)], keyUsages: [usage] }
    expect([kind, ...(await resultsOn(mintRefused({ parts: { leaf } })))]).toEqual([kind, ACCEPTED, ACCEPTED, ACCEPTED])
  }
})
