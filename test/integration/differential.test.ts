/**
 * Our result against those of Go, OpenSSL and Node, over minted mutations of a healthy chain: each alone for server and
 * client, and pairs at random. What differs stands in docs/differences.md, with the reason.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compare, validateCase, notMet, type Outcome, type Side, title, unlisted } from '../support/differential.js'
import { namesFaultyCertificate } from '../support/faulty-certificate.js'
import { isLong, sample, scaled } from '../support/long.js'
import { mintCase, type MintedCase, mintIfPossible } from '../support/mutation.js'
import {
  CLAIMS,
  claimText,
  holds,
  isOfHandshake,
  isOfOtherOpenssl,
  isOfTopology,
  isSaid,
} from '../support/refusal-words.js'
import { MUTATIONS, SINGLES } from '../support/mutations.js'
import { codesOf } from '../support/minted-chain.js'
import { ORACLES, Oracles } from '../support/oracles.js'

const SIDES: readonly Side[] = ['server', 'client']
const PAIRS = scaled({ short: 8, long: 300 })
/** Milliseconds: thousands of small processes take long on a machine that is busy otherwise. */
const PATIENCE = 600_000
const SEED = 20_261_125

const single = fc.constantFrom(...SINGLES)
const pair = fc.record({ applied: fc.tuple(single, single), usage: fc.constantFrom(...SIDES) })
const DRAWN = fc.sample(pair, { numRuns: PAIRS, seed: SEED })
/** What a server is refused for and a member is not: members are validated by Go, which checks neither key usages nor nsCertType of a leaf. */
const ONLY_FOR_GO = [
  'extended key usage: any',
  'key usage: keyCertSign',
  'key usage: nonRepudiation',
  'key usage: nothing',
  'RSA with key usage: dataEncipherment',
  'the Netscape certificate type of a CA',
]
/** Errors of servers that Go does not know. */
const OPENSSL_ALONE = new Set<string | undefined>([
  'chain/anchor-not-self-signed',
  'chain/openssl-picks-other-path',
  'revocation/no-crl',
  'revocation/openssl-picks-other-crl',
  'usage/any-extended-key-usage',
  'usage/key-usage-missing',
  'usage/netscape-type-unsuited',
])
/** In `npm test`, the parts of the pairs, what only a peer is refused for, and some more. */
const needed = new Set([
  ...DRAWN.flatMap(({ applied }) => applied),
  ...SINGLES.filter(({ mutation, role }) => role === 'leaf' && ONLY_FOR_GO.includes(mutation.name)),
  ...sample(SINGLES, 12),
])
const TRIED = isLong ? SINGLES : [...needed]

let oracles: Oracles
let minted: MintedCase[] = []
let singles: Outcome[] = []

beforeAll(async () => {
  oracles = await Oracles.start()
  minted = TRIED.map((single) => mintCase([single]))
  singles = await compare(
    oracles,
    SIDES.flatMap((usage) => minted.map((each) => ({ minted: each, usage }))),
  )
}, PATIENCE)

afterAll(async () => {
  await oracles[Symbol.asyncDispose]()
})

it('every program accepts the healthy chain', async () => {
  const healthy = mintCase([])
  const outcomes = await compare(
    oracles,
    SIDES.map((usage) => ({ minted: healthy, usage })),
  )
  for (const { report, results } of outcomes) {
    expect(report.findings).toEqual([])
    const accepted = { accepts: true, words: '' }
    expect(results).toEqual({ Node: accepted, OpenSSL: accepted, strict: accepted, Go: accepted })
  }
})

describe('one mutation at a time', () => {
  it('each of many mutations has a name of its own', () => {
    const names = MUTATIONS.flatMap(({ name, on }) => on.map((role) => `${role}: ${name}`))
    expect(new Set(names).size).toBe(names.length)
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBeGreaterThan(250)
  })

  it('docs/differences.md lists every difference that occurs', () => {
    expect(unlisted(singles)).toEqual([])
  })

  if (isLong) {
    it('every difference that docs/differences.md lists occurs', () => {
      expect(notMet(singles)).toEqual([])
    })
  }

  it('a peer certificate is valid only if it is valid for a server and for a client', () => {
    const results = (side: Side): boolean[] =>
      singles.filter(({ usage }) => usage === side).map(({ report }) => report.ok)
    const clients = results('client')
    const both = results('server').map((ok, i) => ok && clients[i] === true)
    const differ = minted.filter((each, i) => validateCase(each, 'peer').ok !== both[i])
    const names = differ.map(({ applied }) => applied[0]?.mutation.name)
    for (const name of ONLY_FOR_GO) expect(names).toContain(name)
    // Of other mutations, what OpenSSL alone refuses of a server: the random ones differ from run to run.
    const reasons = differ
      .filter(({ applied }) => applied.every(({ mutation }) => !mutation.name.startsWith('proxy certificate')))
      .flatMap((each) => codesOf(validateCase(each, 'server').findings))
    expect(reasons.map((code) => code.split('@')[0]).filter((code) => !OPENSSL_ALONE.has(code))).toEqual([])
  })
})

// These are about all mutations together.
if (isLong) {
  describe('the worst finding', () => {
    it('the worst finding is about the certificate that was changed', () => {
      const refused = singles.filter(({ report, fault }) => !report.ok && fault !== null)
      const wrong = refused.filter(({ report, fault }) => fault !== null && !namesFaultyCertificate(report, fault))
      expect(refused.length).toBeGreaterThan(500)
      // Shown as a whole where it fails: which ones they are tells more than the share.
      expect(wrong.length / refused.length, wrong.map(title).join('\n')).toBeLessThan(0.05)
    })
  })

  it('the words of each refusal were said by that peer, in a case with that finding', () => {
    const claims = CLAIMS.filter((claim) => !isOfHandshake(claim) && !isOfOtherOpenssl(claim) && !isOfTopology(claim))
    const unsaid = claims.filter(
      ({ code, by, words }) =>
        !singles.some(({ report, results }) => {
          const peers = ORACLES.filter((each) => each === by || (by === 'OpenSSL' && each === 'strict'))
          return holds(report.findings, code) && peers.some((peer) => isSaid(words, results[peer]?.words ?? ''))
        }),
    )
    expect(unsaid.map(claimText)).toEqual([])
  })
}

it('pairs of mutations differ only as their parts do', { timeout: PATIENCE }, async () => {
  const cases = DRAWN.flatMap(({ applied, usage }) => {
    const both = mintIfPossible(applied)
    return both === null ? [] : [{ minted: both, usage }]
  })
  const outcomes = await compare(oracles, cases)
  expect(new Set(outcomes.map(title)).size).toBeGreaterThan(PAIRS * 0.9)
  expect(unlisted(outcomes, singles)).toEqual([])
})
